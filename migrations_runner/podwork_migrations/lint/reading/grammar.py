"""SQL's text, taken apart by sqlglot.

Owns: `parse`, `words`, and what is seen in tokens alone: comments that a server executes. Promises: every
part of a text is in a tree, in words, or in an `Unparsed`; nothing is dropped. Leaves to others: what the
trees mean.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType
from sqlglot.tokens import Tokenizer

from podwork_migrations.lint.dialect import Dialect

_LOGGER = logging.getLogger("sqlglot")
_WITH_A_BODY = {"TRIGGER", "PROCEDURE", "FUNCTION", "EVENT"}
_NAMES = {TokenType.IDENTIFIER, TokenType.STRING}


class Word(NamedTuple):
    """A token outside of parentheses: `text` as written, `word` in capitals, "" if it is quoted."""

    text: str
    word: str


class Unparsed(NamedTuple):
    """A statement without a tree: its words, and why there is none."""

    words: tuple[Word, ...]
    why: str


def parse(sql: str, dialect: Dialect) -> list[exp.Expression | Unparsed]:
    """Return the statements of a text."""
    try:
        tokens = _tokens(sql, dialect)
    except SqlglotError as error:
        return [Unparsed((), _reason(error))]
    if any(comment.startswith(("!", "M!")) for token in tokens for comment in token.comments):
        return [Unparsed((), "it has a comment that the server executes")]
    words = _words(tokens)
    if _has_a_body(words):  # its own statements end with `;`, too
        return [Unparsed(words, "sqlglot does not read it")]
    try:
        with _silent():
            trees = [tree for tree in sqlglot.parse(sql, dialect=dialect.grammar) if tree is not None]
    except SqlglotError as error:
        return [Unparsed(words, _reason(error))]
    return [_commanded(tree, dialect) for tree in trees]


def _commanded(tree: exp.Expr, dialect: Dialect) -> exp.Expression | Unparsed:
    if not isinstance(tree, exp.Expression):
        return Unparsed((), "sqlglot does not read it")
    if not isinstance(tree, exp.Command):
        return tree
    if tree.name.upper() == "REPLACE":  # an INSERT that deletes first
        found = parse(f"INSERT {tree.text('expression')}", dialect)[0]
        if isinstance(found, exp.Insert):
            found.meta["verb"] = "REPLACE"
        return found
    return Unparsed(
        _words(_tokens(f"{tree.this} {tree.text('expression')}", dialect)), "sqlglot does not read it"
    )


def _tokens(sql: str, dialect: Dialect) -> list[Token]:
    """Return the tokens; a command's rest, which is one token, is taken apart as well."""
    with _silent():
        tokens = sqlglot.tokenize(sql, dialect=dialect.grammar)
    found: list[Token] = []
    begins, command = True, False
    for token in tokens:
        is_rest = command and token.token_type is TokenType.STRING
        found += sqlglot.tokenize(token.text, dialect=dialect.grammar) if is_rest else [token]
        command = begins and token.token_type in Tokenizer.COMMANDS
        begins = token.token_type is TokenType.SEMICOLON
    return found


def _words(tokens: list[Token]) -> tuple[Word, ...]:
    depth, found = 0, []
    for token in tokens:
        depth -= token.token_type is TokenType.R_PAREN
        if not depth and token.token_type not in (TokenType.L_PAREN, TokenType.R_PAREN):
            found.append(Word(token.text, "" if token.token_type in _NAMES else token.text.upper()))
        depth += token.token_type is TokenType.L_PAREN
    return tuple(found)


def _has_a_body(words: tuple[Word, ...]) -> bool:
    head = [word.word for word in words[:20]]
    return head[:1] == ["CREATE"] and any(word in _WITH_A_BODY for word in head)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep sqlglot from logging what it does not read: that is said in a finding."""
    before, _LOGGER.disabled = _LOGGER.disabled, True
    try:
        yield
    finally:
        _LOGGER.disabled = before


def _reason(error: SqlglotError) -> str:
    """Return sqlglot's reason without the marks that it makes for a terminal."""
    errors = getattr(error, "errors", None)
    described = errors[0].get("description") if errors else None
    return f"sqlglot does not read it: {described or str(error).splitlines()[0]}"
