"""The change of a table, as a statement on its copy.

Owns: `table_of`, `retargeted`. Promises: only forms that are understood are turned to another table; the rest
of the statement stays as it is. Leaves to others: what the change means (`columns`, `refusals`).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from podwork.errors import ConfigurationError
from podwork_migrations.copy.names import quoted

_NAME: Final = r"(?:`(?:[^`]|``)+`|[^\s`.,()]+)"
_FORMS: Final = (
    re.compile(rf"(?P<head>ALTER\s+(?:ONLINE\s+|IGNORE\s+)*TABLE)\s+(?P<table>{_NAME})\s+(?P<rest>.+)", re.I |
    re.S), re.compile(
        rf"(?P<head>CREATE\s+(?:UNIQUE\s+|FULLTEXT\s+|SPATIAL\s+)?INDEX\s+{_NAME}(?:\s+USING\s+\w+)?\s+ON)\s+"
        rf"(?P<table>{_NAME})\s*(?P<rest>\(.+)", re.I | re.S,
    ),
    re.compile(rf"(?P<head>DROP\s+INDEX\s+{_NAME}\s+ON)\s+(?P<table>{_NAME})(?P<rest>.*)", re.I | re.S),
)  # fmt: skip
_HOW: Final = re.compile(r"(?:\s*,?\s*(?:ALGORITHM|LOCK)\s*=?\s*\w+)+\s*$", re.I)


class _Parts(NamedTuple):
    head: str
    table: str
    rest: str


def table_of(statement: str) -> str:
    """Return the table that the statement changes. Raises ConfigurationError: nobody can tell."""
    return _parts(statement).table


def retargeted(statement: str, copy: str) -> str:
    """Return the statement on the copy, without words on how it is done: the copy is empty."""
    parts = _parts(statement)
    return f"{parts.head} {quoted(copy)} {_HOW.sub('', parts.rest)}".strip()


def _parts(statement: str) -> _Parts:
    bare = statement.strip().rstrip(";").strip()
    for form in _FORMS:
        found = form.fullmatch(bare)
        if found is not None:
            name = found["table"]
            table = name[1:-1].replace("``", "`") if name.startswith("`") else name
            return _Parts(found["head"], table, found["rest"].strip())
    raise ConfigurationError(
        f"a copy cannot be changed by: {bare[:200]}",
        "write one ALTER TABLE, CREATE INDEX or DROP INDEX on one table of the shard's own database",
    )
