"""Statements for which sqlglot has no tree, by its tokens.

Owns: `worded`. Promises: what is not recognized as a whole stays an `Unread`. Leaves to others: everything
that sqlglot reads (`statements`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podwork_migrations.lint import changes
from podwork_migrations.lint.changes import Change, Unread
from podwork_migrations.lint.reading.alters import clause
from podwork_migrations.lint.reading.grammar import Unparsed, Word

_ROUTINES = ("TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "VIEW")


def worded(found: Unparsed) -> Iterator[Change]:
    """Yield what a statement without a tree does, as far as its words tell."""
    words = list(found.words)
    for read in (_rename_tables, _convert, _ignored_index, _create_index, _routine, _lock_tables, _optimize):
        made = list(read(words))
        if made:
            yield from made
            return
    yield from _clauses("", words)
    yield Unread(_table_of(words), found.why)


def _rename_tables(words: list[Word]) -> Iterator[Change]:
    """RENAME TABLE a TO b, c TO d."""
    if not _begins(words, "RENAME", "TABLE"):
        return
    for pair in _split(words[2:], ","):
        sides = _split(pair, "TO")
        if len(sides) == 2 and all(sides):
            yield changes.RenameTable(sides[0][-1].text, sides[1][-1].text)
        else:
            yield Unread("", "sqlglot does not read it")


def _convert(words: list[Word]) -> Iterator[Change]:
    """ALTER TABLE t CONVERT TO CHARACTER SET c [COLLATE d]."""
    if not (_begins(words, "ALTER", "TABLE") and [word.word for word in words[3:5]] == ["CONVERT", "TO"]):
        return
    rest = words[5:]
    for head in (("CHARACTER", "SET"), ("CHARSET",)):
        if _begins(rest, *head) and len(rest) > len(head):
            tail = rest[len(head) + 1 :]
            if _begins(tail, "COLLATE"):
                tail = tail[2:]
            table = words[2].text
            yield changes.ConvertCharset(table, rest[len(head)].text.lower())
            yield from _clauses(table, tail, whole=True)


def _ignored_index(words: list[Word]) -> Iterator[Change]:
    """ALTER TABLE t ALTER INDEX i [NOT] IGNORED, which MariaDB has in place of INVISIBLE."""
    if not (_begins(words, "ALTER", "TABLE") and _begins(words[3:], "ALTER")):
        return
    rest = [word.word for word in words[4:]]
    if rest[:1] in (["INDEX"], ["KEY"]) and rest[2:] in (["IGNORED"], ["NOT", "IGNORED"]):
        yield changes.Harmless(words[2].text, " ".join(rest[2:]))


def _create_index(words: list[Word]) -> Iterator[Change]:
    """CREATE [UNIQUE|FULLTEXT|SPATIAL] INDEX i ON t (...) [ALGORITHM=..] [LOCK=..]."""
    kinds = ("UNIQUE", "FULLTEXT", "SPATIAL")
    if not _begins(words, "CREATE"):
        return
    kind = words[1].word if len(words) > 1 and words[1].word in kinds else ""
    rest = words[2:] if kind else words[1:]
    if not (_begins(rest, "INDEX") and len(rest) > 3 and rest[2].word == "ON"):
        return
    table = rest[3].text
    index_kind = kind.lower() if kind in ("FULLTEXT", "SPATIAL") else ""
    yield changes.AddIndex(table, rest[1].text, (None,), unique=kind == "UNIQUE", kind=index_kind)
    yield from _clauses(table, rest[4:], whole=True)


def _routine(words: list[Word]) -> Iterator[Change]:
    """CREATE [DEFINER=..] TRIGGER, PROCEDURE, FUNCTION, EVENT or VIEW."""
    if not _begins(words, "CREATE"):
        return
    head = [word.word for word in words[:20]]
    kind = next((word for word in head if word in _ROUTINES), None)
    if kind is not None:
        on = head.index("ON") if "ON" in head else len(words)
        table = words[on + 1].text if kind == "TRIGGER" and on + 1 < len(words) else ""
        yield changes.Routine(table, kind, definer="DEFINER" in head[: head.index(kind)])


def _lock_tables(words: list[Word]) -> Iterator[Change]:
    """LOCK TABLES t WRITE; FLUSH TABLES .. WITH READ LOCK."""
    text = " ".join(word.word for word in words)
    if text.startswith(("LOCK TABLE", "FLUSH TABLE")):
        yield changes.BlockingClause("", text)


def _optimize(words: list[Word]) -> Iterator[Change]:
    """OPTIMIZE TABLE t: written anew."""
    if _begins(words, "OPTIMIZE") and len(words) > 2:
        yield changes.Rebuild(words[-1].text, "OPTIMIZE")


def _clauses(table: str, words: Sequence[Word], whole: bool = False) -> Iterator[Change]:
    """Yield ALGORITHM and LOCK; with `whole` an `Unread` if there is anything else."""
    rest = [word for word in words if word.text not in ("=", ",", ";")]
    number = 0
    while number < len(rest):
        if rest[number].word in ("ALGORITHM", "LOCK") and number + 1 < len(rest):
            yield from clause(table, rest[number].word, rest[number + 1].text)
            number += 2
        else:
            if whole:
                yield Unread(table, f"sqlglot does not read it: {rest[number].text}")
            number += 1


def _begins(words: Sequence[Word], *with_: str) -> bool:
    return [word.word for word in words[: len(with_)]] == list(with_)


def _split(words: Sequence[Word], at: str) -> list[list[Word]]:
    parts: list[list[Word]] = [[]]
    for word in words:
        if word.word == at:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _table_of(words: Sequence[Word]) -> str:
    return words[2].text if _begins(words, "ALTER", "TABLE") and len(words) > 2 else ""
