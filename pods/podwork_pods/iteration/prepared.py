"""Statements of every batch, which are put into words once.

Owns: `Prepared`. Promises: what is sent is what SQLAlchemy would send, and runs through its events like every
other statement; only the way through its compiler's cache is left out, a quarter of what such a statement
costs the client. Where its words depend on its values (`IN`), or SQLAlchemy converts one of them on its way
to the driver, it goes the usual way. Only for rows that SQLAlchemy would not convert: of numbers, text, and
keys that are raw anyway. Leaves to others: the statements.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, CursorResult, Dialect, Executable
from sqlalchemy.sql.compiler import SQLCompiler


class Prepared:
    """A statement with places for values: each `bindparam` that has none of its own."""

    def __init__(self, statement: Executable) -> None:
        self.statement: Any = statement
        self._made: dict[tuple[str, str], _Words | None] = {}

    def execute(self, connection: Connection, values: Mapping[str, Any]) -> CursorResult[Any]:
        """Execute it with a value for each place."""
        words = self._words(connection.dialect)
        if words is None:
            found: CursorResult[Any] = connection.execute(self.statement, values)
            return found
        filled = {**words.fixed, **values}
        if words.order is None:
            return connection.exec_driver_sql(words.text, filled)
        return connection.exec_driver_sql(words.text, tuple(filled[name] for name in words.order))

    def _words(self, dialect: Dialect) -> _Words | None:
        which = (dialect.name, dialect.driver)
        if which not in self._made:
            compiled: SQLCompiler = self.statement.compile(dialect=dialect)
            self._made[which] = None if _depends_on_values(compiled, dialect) else _Words(compiled)
        return self._made[which]


class _Words:
    """A statement in the words of one driver, and how that driver takes its values."""

    def __init__(self, compiled: SQLCompiler) -> None:
        self.text = str(compiled)
        self.fixed = dict(compiled.params)
        self.order = compiled.positiontup if compiled.positional else None


def _depends_on_values(compiled: SQLCompiler, dialect: Dialect) -> bool:
    """Whether SQLAlchemy has to look at the values each time."""
    return bool(compiled.post_compile_params or compiled.literal_execute_params) or any(
        bind.type.dialect_impl(dialect).bind_processor(dialect) is not None
        for bind in compiled.binds.values()
    )
