"""What statements in a binlog say: which are harmless to who reads keys from rows, and which are not.

Owns: `Saying`, `said`. Promises: a statement that may have changed rows of a watched table, or the table
itself, is never taken for harmless; in doubt it is not. Leaves to others: what follows.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum
from typing import Final

_CHANGES_ROWS: Final = frozenset(
    {"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "CALL", "WITH", "DO", "SET"}
)
_HARMLESS: Final = frozenset(
    {
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT",
        "RELEASE",
        "XA",
        "START",
        "ANALYZE",
        "FLUSH",
        "GRANT",
        "REVOKE",
    }
)
_ENDS: Final = frozenset({"COMMIT", "ROLLBACK"})
_COMMENTS: Final = re.compile(
    r"^(\s|/\*.*?\*/|--[^\n]*\n|#[^\n]*(\n|$)|SET STATEMENT .*? FOR\b|\()*", re.S | re.I
)
_WORD: Final = re.compile(r"[A-Za-z]+")


class Saying(Enum):
    """What a statement may have done."""

    HARMLESS = "nothing to a watched table"
    CHANGES_ROWS = "rows, which the log does not name"
    CHANGES_TABLE = "a watched table's definition"


def first_word(statement: str) -> str:
    """Return the statement's first word, in capitals."""
    found = _WORD.match(statement, _COMMENTS.match(statement).end())  # type: ignore[union-attr]
    return found[0].upper() if found else ""


def ends_transaction(statement: str) -> bool:
    """Whether a transaction is over with it; what is none of BEGIN and SAVEPOINT stands by itself."""
    return first_word(statement) not in ("BEGIN", "SAVEPOINT", "START") or statement.strip().upper() in _ENDS


def said(statement: str, schema: str, watched_schema: str, tables: Collection[str]) -> tuple[Saying, str]:
    """Return what the statement may have done, and to which of the watched tables ("" : not known)."""
    word = first_word(statement)
    if word in _HARMLESS:
        return Saying.HARMLESS, ""
    named = next((table for table in tables if _names(statement, table)), "")
    here = schema.lower() == watched_schema.lower()
    if word in _CHANGES_ROWS or not word:
        # A trigger or a function may change what the statement does not name.
        return (Saying.CHANGES_ROWS if here or named else Saying.HARMLESS), named
    elsewhere = not here and not _names(statement, watched_schema)
    if named and not elsewhere:
        return Saying.CHANGES_TABLE, named
    if word == "DROP" and _names(statement, "DATABASE") and _names(statement, watched_schema):
        return Saying.CHANGES_TABLE, ", ".join(sorted(tables))
    return Saying.HARMLESS, ""


def _names(statement: str, name: str) -> bool:
    return re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", statement, re.I) is not None
