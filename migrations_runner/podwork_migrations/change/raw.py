"""ALTER TABLE written by hand, in `op.execute`.

Owns: `raw_alter`, which finds its table and its clauses; `NotOneStatement`. Promises: only what is one
ALTER TABLE of one table of the shard, and leaves algorithm and lock to podwork; anything else is refused,
because nobody could say after a crash whether it was done. Leaves to others: whether it is wise (the
linter).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from sqlglot import tokenize
from sqlglot.tokenizer_core import Token, TokenType

_INSTEAD = "use Alembic's operations, or one plain ALTER TABLE; rows are for @data"


class NotOneStatement(Exception):
    """Says why operations are not one statement."""


def raw_alter(statements: Sequence[str]) -> tuple[str, str]:
    """Return the table of an ALTER TABLE and what follows its name.

    Raises:
        NotOneStatement: it is something else.
    """
    sql = statements[0].strip().removesuffix(";").strip()
    tokens = tokenize(sql, dialect="mysql")
    if [token.text.upper() for token in tokens[:2]] != ["ALTER", "TABLE"] or len(tokens) < 4:
        raise NotOneStatement(f"SQL by hand that is not ALTER TABLE: {_INSTEAD}")
    name, clauses = tokens[2], tokens[3:]
    is_name = name.token_type in (TokenType.VAR, TokenType.IDENTIFIER) and _word(name) != "IF"
    if not is_name or clauses[0].token_type is TokenType.DOT:
        raise NotOneStatement(f"ALTER TABLE by hand: behind it stands no plain table: {_INSTEAD}")
    if any(token.token_type is TokenType.SEMICOLON for token in clauses):
        raise NotOneStatement(f"several statements in one: {_INSTEAD}")
    for words in _clauses(clauses):
        if words[0] == "RENAME" and words[1] not in ("COLUMN", "INDEX", "KEY"):
            raise NotOneStatement("ALTER TABLE ... RENAME by hand: use op.rename_table()")
        if words[0] in ("ALGORITHM", "LOCK"):
            raise NotOneStatement("leave ALGORITHM and LOCK out: podwork finds the cheapest safe way")
    return name.text, sql[name.end + 1 :].strip()


def _clauses(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    """Yield the first two words of each clause; what is quoted is a name, and no word."""
    depth = 0
    begins = True
    for token, following in pairwise([*tokens, tokens[-1]]):
        if begins:
            yield _word(token), _word(following)
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        begins = token.token_type is TokenType.COMMA and depth == 0


def _word(token: Token) -> str:
    return "" if token.token_type is TokenType.IDENTIFIER else token.text.upper()
