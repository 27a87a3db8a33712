"""SQLite's way: the table is made anew, its rows are copied, all in one transaction.

Owns: `plan`, `run`. Alembic's batch mode does it. What would come out is tried on an empty database of the
same schema, in memory, so that planning copies no row and holds no lock. Promises: what batch mode does not
carry over is given to it (AUTOINCREMENT, WITHOUT ROWID, STRICT) or refused (triggers, indexes that
it cannot read); references between rows hold afterwards as they did before. Leaves to others: the
transaction (`batch_applier`), which has to be one in which SQLite does not look after foreign keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, event

from podwork_migrations.change.change_plan import ChangePlan
from podwork_migrations.change.recording import Operation
from podwork_migrations.change.rendering import table_of
from podwork_migrations.change.routes import Route
from podwork_migrations.errors import MigrationFailed
from podwork_migrations.fingerprint.canonical import Schema, Table, canonical
from podwork_migrations.migration import Migration

_OBJECTS = (
    "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND substr(name, 1, 7) <> 'sqlite_' ORDER BY rowid"
)
_TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
_IN_BATCH = (
    ops.AddColumnOp,
    ops.DropColumnOp,
    ops.AlterColumnOp,
    ops.AddConstraintOp,
    ops.DropConstraintOp,
)
_REASON = "SQLite changes a table by making it anew, in one transaction"
_TABLE_OPTIONS = {
    "autoincrement": ("sqlite_autoincrement", True),
    "without_rowid": ("sqlite_with_rowid", False),
    "strict": ("sqlite_strict", True),
}


def plan(connection: Connection, migration: Migration, operations: Sequence[Operation]) -> ChangePlan:
    """Return what the operations do to the connection's database, tried on an empty one.

    Raises:
        MigrationFailed: they cannot be done, change nothing, or would lose something.
    """
    with _empty_like(connection) as (empty, said):
        before, triggers = canonical(empty), _names(empty, _TRIGGERS)
        said.clear()
        try:
            run(empty, operations)
        except Exception as error:  # whatever Alembic finds wrong, a KeyError among it
            raise MigrationFailed(migration.id, f"{type(error).__name__}: {error}") from error
        statements = [sql for sql in said if not sql.startswith(("PRAGMA", "SELECT"))]
        after = canonical(empty)
        lost = [f"trigger {name}" for name in sorted(triggers - _names(empty, _TRIGGERS))]
    lost += _lost(before, after, operations)
    if lost:
        raise MigrationFailed(migration.id, f"making the table anew would lose {', '.join(lost)}")
    changed = _changed(before, after)
    if not changed:
        raise MigrationFailed(migration.id, "it changes nothing of the schema; rows are for @data")
    becomes = _of(after, changed)
    return ChangePlan(
        ";\n".join(statements),
        changed[0] if len(changed) == 1 else None,
        Route.BATCH,
        _REASON,
        tables=tuple(changed),
        before=_of(before, changed).fingerprint,
        after=becomes.fingerprint,
        after_schema=becomes.encode(),
    )


def run(connection: Connection, operations: Sequence[Operation]) -> None:
    """Do the operations, in the connection's transaction."""
    doing = Operations(MigrationContext.configure(connection))
    wanted = [operation.op for operation in operations]
    for (table, in_batch), found in groupby(wanted, lambda op: (table_of(op), isinstance(op, _IN_BATCH))):
        if in_batch and table is not None:
            _anew(doing, connection, table, list(found))
        else:
            for op in found:
                doing.invoke(op)


def _anew(doing: Operations, connection: Connection, table: str, wanted: list[ops.MigrateOperation]) -> None:
    with doing.batch_alter_table(table, table_kwargs=_table_options(connection, table)) as batch:
        for op in wanted:
            batch.invoke(op)


def _table_options(connection: Connection, table: str) -> dict[str, Any]:
    found = canonical(connection, [table]).table(table)
    options = found.options if found is not None else {}
    return {name: value for option, (name, value) in _TABLE_OPTIONS.items() if option in options}


@contextmanager
def _empty_like(connection: Connection) -> Iterator[tuple[Connection, list[str]]]:
    """Yield an empty database with the connection's schema, and a list of what is run on it."""
    engine = create_engine("sqlite://")
    said: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def keep(_connection: Any, _cursor: Any, sql: str, *_rest: Any) -> None:
        said.append(sql.strip())

    try:
        with engine.connect() as empty:
            for sql in connection.exec_driver_sql(_OBJECTS).scalars().all():
                empty.exec_driver_sql(sql)
            yield empty, said
    finally:
        engine.dispose()


def _names(connection: Connection, query: str) -> set[str]:
    return set(connection.exec_driver_sql(query).scalars())


def _changed(before: Schema, after: Schema) -> list[str]:
    names = {table.name for table in (*before.tables, *after.tables)}
    return sorted(name for name in names if before.table(name) != after.table(name))


def _of(schema: Schema, names: Sequence[str]) -> Schema:
    return schema.with_tables(table for table in schema.tables if table.name in names)


def _lost(before: Schema, after: Schema, operations: Sequence[Operation]) -> list[str]:
    """Return what is gone and was not meant to go: neither named nor on a column that is changed."""
    meant = {
        str(name).lower()
        for operation in operations
        for attribute in ("constraint_name", "index_name", "column_name", "table_name", "source_table")
        if (name := getattr(operation.op, attribute, None)) is not None
    }
    gone: list[str] = []
    for old in before.tables:
        new = after.table(old.name)
        if new is not None and new != old:
            gone += _lost_of(old, new, meant)
    return gone


def _lost_of(old: Table, new: Table, meant: set[str]) -> Iterator[str]:
    for index in old.indexes:
        columns = {part.of.lower() for part in index.parts}
        if index not in new.indexes and index.name.lower() not in meant and not columns & meant:
            yield f"index {index.name or ', '.join(sorted(columns))}"
    for key in old.foreign_keys:
        columns = {column.lower() for column in key.columns}
        if key not in new.foreign_keys and key.name.lower() not in meant and not columns & meant:
            yield f"foreign key on {', '.join(key.columns)}"
    for check in old.checks:
        touched = any(name in check.clause.lower() for name in meant)
        if check not in new.checks and check.name.lower() not in meant and not touched:
            yield f"check {check.clause}"
    for option in old.options:
        if option not in new.options:
            yield option
