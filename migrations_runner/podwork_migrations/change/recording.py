"""What a migration does, as Alembic's operations, without doing it.

Owns: `record`, `Operation`. Promises: `up(op)` is called with Alembic's own operations
(`op.batch_alter_table`, too), nothing reaches a database, and each operation comes with the statements it
means there. Leaves to others: what they leave out (`completing`), making one statement of them
(`rendering`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from alembic.operations import BatchOperations, Operations
from alembic.operations.batch import BatchOperationsImpl
from alembic.operations.ops import AlterColumnOp, CreateTableOp, MigrateOperation
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, Dialect
from sqlalchemy.dialects.mysql.base import MySQLDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.exc import SQLAlchemyError

from podwork_migrations.change.completing import complete
from podwork_migrations.errors import MigrationFailed
from podwork_migrations.fingerprint.canonical import server_kind
from podwork_migrations.migration import Migration

_MEND = "mend its file; then: podctl migrations retry"


@dataclass(frozen=True)
class Operation:
    """One operation, and the statements it means, without `;`.

    None where that cannot be said: on SQLite if it needs batch mode; elsewhere, without a connection, if a
    column is changed and not said in full.
    """

    op: MigrateOperation
    sql: tuple[str, ...]


class Recorder(Operations):
    """Alembic's operations, which are kept instead of being done."""

    def __init__(self, context: MigrationContext, kept: list[MigrateOperation] | None = None) -> None:
        super().__init__(context)
        self.kept: list[MigrateOperation] = [] if kept is None else kept

    def invoke(self, operation: MigrateOperation) -> Any:
        """Keep an operation; one that creates a table gives the table."""
        self.kept.append(operation)
        if isinstance(operation, CreateTableOp):
            return operation.to_table(self.migration_context)
        return None

    @contextmanager
    def batch_alter_table(self, table_name: str, *args: Any, **options: Any) -> Iterator[BatchOperations]:
        """Keep what is done within the block, as if it was said one by one."""
        if args or set(options) - {"schema"}:
            raise CommandError(
                "batch_alter_table() takes the table's name only: how it is done is settled later"
            )
        yield _BatchRecorder(self, table_name)

    def get_bind(self) -> NoReturn:
        """Refuse: there is no connection."""
        raise CommandError("a schema migration has no connection: it says what it wants; rows are for @data")


class _BatchRecorder(BatchOperations):
    def __init__(self, recorder: Recorder, table: str) -> None:
        settings: list[Any] = [None, "auto", None, (), {}, (), {}, None, None]
        impl = cast(Any, BatchOperationsImpl)(recorder, table, *settings)
        super().__init__(recorder.migration_context, impl=impl)
        self._recorder = recorder

    def invoke(self, operation: MigrateOperation) -> Any:
        return self._recorder.invoke(operation)


def record(
    migration: Migration, dialect: str | Connection = "mariadb", direction: str = "up"
) -> list[Operation]:
    """Return what the migration does in a direction, `up` or `down`.

    Args:
        migration: a schema migration.
        dialect: `mariadb`, `mysql` or `sqlite`, or a connection to one: from there comes what a changed
            column keeps and the migration does not say.

    Raises:
        MigrationFailed: its code raises, or it has nothing in that direction.
    """
    step = migration.step(direction)
    if step is None:
        raise MigrationFailed(migration.id, f"it has no {direction}()", _MEND)
    kind = dialect if isinstance(dialect, str) else kind_of(dialect)
    recorder = Recorder(context_for(kind))
    try:
        step(recorder)
        if kind == "sqlite" or isinstance(dialect, str):
            return [Operation(op, _rendered_alone(op, kind)) for op in recorder.kept]
        completed = [complete(op, dialect) for op in recorder.kept]
        return [Operation(op, render(op, kind)) for op in completed]
    except Exception as error:
        # Whatever an application's code raises; the type's name, as the text may be a bare key.
        raise MigrationFailed(
            migration.id, f"{direction}(): {type(error).__name__}: {error}", _MEND
        ) from error


def kind_of(connection: Connection) -> str:
    """Return `mariadb`, `mysql` or `sqlite`."""
    return "sqlite" if connection.dialect.name == "sqlite" else server_kind(connection)


def context_for(kind: str) -> MigrationContext:
    """Return a context without a connection."""
    opts = {"as_sql": True, "literal_binds": True, "output_buffer": io.StringIO()}
    return MigrationContext.configure(dialect=dialect_for(kind), opts=opts)


def dialect_for(kind: str) -> Dialect:
    """Return the dialect that writes for `mariadb`, `mysql` or `sqlite`."""
    # Named: a `%` in a default or a comment then stands as it is, not doubled for a driver.
    if kind == "sqlite":
        return SQLiteDialect(paramstyle="named")
    # As a connection by mysql+pymysql:// has it: options `mysql_...` of tables and indexes count on both.
    return MySQLDialect(is_mariadb=kind == "mariadb", paramstyle="named")


def render(operation: MigrateOperation, kind: str) -> tuple[str, ...]:
    """Return the statements that an operation means."""
    context = context_for(kind)
    statements: list[str] = []
    cast(Any, context.impl).static_output = lambda sql: statements.append(sql.strip().removesuffix(";"))
    Operations(context).invoke(operation)
    return tuple(statements)


def _rendered_alone(operation: MigrateOperation, kind: str) -> tuple[str, ...]:
    try:
        return render(operation, kind)
    except (NotImplementedError, CommandError, SQLAlchemyError):
        if kind == "sqlite" or isinstance(operation, AlterColumnOp):
            return ()
        raise
