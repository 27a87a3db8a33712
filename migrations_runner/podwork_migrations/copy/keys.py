"""Conditions on a key in SQL text, for statements on two tables.

Owns: `KeyText`. Promises: keys are compared by the database, column by column, so that its index is used;
values are parameters, as the driver gave them. Leaves to others: which key (`columns`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from podwork.iteration.collection import Cursor
from podwork_migrations.copy.names import quoted

_STRICT: Final = {">": ">", ">=": ">", "<": "<", "<=": "<"}


class KeyText:
    """Of one key; `alias` is what the table is called in a statement."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)

    def listed(self, alias: str = "") -> str:
        """The columns, for a SELECT or an ORDER BY."""
        return ", ".join(_at(alias, name) for name in self._columns)

    def descending(self, alias: str = "") -> str:
        """The columns, for an ORDER BY from the end."""
        return ", ".join(f"{_at(alias, name)} DESC" for name in self._columns)

    def equal(self, left: str, right: str) -> str:
        """The condition that two rows have the same key."""
        return " AND ".join(f"{_at(left, name)} = {_at(right, name)}" for name in self._columns)

    def bound(self, alias: str, operator: str, place: str) -> str:
        """The condition that a row lies on one side of a place; its values are `:place0`, `:place1`, ..."""
        strict, last = _STRICT[operator], len(self._columns) - 1
        clause = f"{_at(alias, self._columns[last])} {operator} :{place}{last}"
        for number in range(last - 1, -1, -1):
            name = _at(alias, self._columns[number])
            clause = f"({name} {strict} :{place}{number} OR ({name} = :{place}{number} AND {clause}))"
        return clause


def values(place: str, cursor: Cursor) -> dict[str, Any]:
    """Return the parameters of a place."""
    return {f"{place}{number}": value for number, value in enumerate(cursor)}


def literal(sql: str) -> str:
    """Return SQL whose colons mean nothing to SQLAlchemy's `text`."""
    return sql.replace(":", r"\:")


def _at(alias: str, name: str) -> str:
    name = literal(quoted(name))
    return f"{alias}.{name}" if alias else name
