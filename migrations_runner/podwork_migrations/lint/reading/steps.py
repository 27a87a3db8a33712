"""Recorded operations to steps.

Owns: `read_steps`, `not_one`. Promises: one step an operation, in their order. Leaves to others: the
reading itself, and what one statement is (`podwork_migrations.change.rendering`).
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic.operations import ops
from sqlalchemy.dialects import mysql, sqlite

from podwork_migrations.change.raw import NotOneStatement, raw_alter
from podwork_migrations.change.recording import Operation
from podwork_migrations.change.rendering import one_change
from podwork_migrations.lint.changes import Harmless, Step, Write
from podwork_migrations.lint.dialect import SERVERS, Dialect
from podwork_migrations.lint.reading.operations import read_operation
from podwork_migrations.lint.reading.statements import read_sql
from podwork_migrations.lint.recorded import Recorded

_SHOWN = 90


def read_steps(operations: Sequence[Recorded], dialect: Dialect) -> tuple[Step, ...]:
    """Return what each operation does."""
    return tuple(_step(number, recorded, dialect) for number, recorded in enumerate(operations, 1))


def not_one(operations: Sequence[Recorded], steps: Sequence[Step], dialect: Dialect) -> str:
    """Return why a schema migration is not one change of one table; "" if it is."""
    if not operations:
        return "it changes nothing"
    if any(step.no_route for step in steps) or dialect not in SERVERS:
        tables = {change.table for step in steps if step.statements for change in step.changes}
        return f"it changes {', '.join(sorted(tables))}" if len(tables) > 1 else ""
    try:
        one_change([Operation(recorded.op, recorded.sql) for recorded in operations])
    except NotOneStatement as reason:
        return str(reason)
    return ""


def _step(number: int, recorded: Recorded, dialect: Dialect) -> Step:
    op = recorded.op
    if isinstance(op, ops.ExecuteSQLOp):
        text = _text(op, recorded, dialect)
        read = read_sql(text, dialect)
        changes = tuple(change for statement in read for change in statement.changes)
        of_schema = sum(statement.of_schema for statement in read)
        no_route = _no_route(text) if dialect in SERVERS else ""
        return Step(_where(number, text), changes, of_schema, raw=True, no_route=no_route)
    made = tuple(read_operation(op, dialect))
    shown = "; ".join(recorded.sql) or type(op).__name__
    of_schema = (
        0 if all(isinstance(change, Write | Harmless) for change in made) else max(1, len(recorded.sql))
    )
    return Step(_where(number, shown), made, of_schema)


def _no_route(sql: str) -> str:
    try:
        raw_alter([sql])
    except NotOneStatement as reason:
        return str(reason)
    return ""


def _text(op: ops.ExecuteSQLOp, recorded: Recorded, dialect: Dialect) -> str:
    if isinstance(op.sqltext, str):
        return op.sqltext
    if recorded.sql:
        return ";\n".join(recorded.sql)
    of = sqlite.dialect if dialect is Dialect.SQLITE else mysql.dialect
    return str(op.sqltext.compile(dialect=of(paramstyle="named")))  # type: ignore[attr-defined]


def _where(number: int, text: str) -> str:
    one_line = " ".join(text.split())
    shown = one_line if len(one_line) <= _SHOWN else f"{one_line[: _SHOWN - 3]}..."
    return f"operation {number}, {shown}"
