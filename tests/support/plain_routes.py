"""Routes for tests of the runner, which have to do with no route: statements as Alembic renders them.

A statement that may have been run is not run again. On SQLite all statements and the ledger's word of them
are one transaction; elsewhere the ledger says before each one how the schema looked: if it looks otherwise
afterwards, it was run.
"""

from __future__ import annotations

import hashlib
import io
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, text

from podwork_migrations.applying import Applier, Progress, Work
from podwork_migrations.errors import MigrationFailed
from podwork_migrations.ledger.entry import Direction, Entry
from podwork_migrations.migration import Migration

ROUTE: Final = "direct"
EXECUTED: Final = "executed"
_STAGE: Final = "statement "

_SQLITE: Final = text(
    "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'podwork_%' ORDER BY 1, 2"
)
_MYSQL: Final = tuple(
    text(f"SELECT * FROM information_schema.{table} {where} ORDER BY 1, 2, 3, 4, 5, 6, 7, 8")
    for table in ("columns", "statistics", "referential_constraints")
    for where in [
        f"WHERE {'constraint' if table.startswith('ref') else 'table'}_schema = DATABASE() "
        "AND table_name NOT LIKE 'podwork!_%' ESCAPE '!'"
    ]
)


class PlainPlan(NamedTuple):
    """The statements of a migration (`applying.ChangePlan`)."""

    statements: tuple[str, ...]
    table: str | None = None
    route: str = ROUTE
    reason: str = "as Alembic renders it"

    @property
    def statement(self) -> str:
        """All of them, for people."""
        return ";\n".join(self.statements)

    def encode(self) -> str:
        """Return them as JSON."""
        return msgspec.json.encode(self.statements).decode()


class PlainRoutes:
    """Knows the one route (`applying.Routes`)."""

    def plan(self, connection: Connection, migration: Migration, direction: Direction) -> PlainPlan:
        """Return what Alembic renders for this kind of database. Raises MigrationFailed: there is no way."""
        step = migration.step(direction)
        if step is None:
            raise MigrationFailed(migration.id, "it has no down()", "write one, or skip the way back")
        return PlainPlan(_rendered(connection.dialect.name, step))

    def applier(self, route: str) -> Applier:
        """Return who goes the route. Raises MigrationFailed: nobody does."""
        if route != ROUTE:
            raise MigrationFailed(route, "nobody here knows this route", "run it with the code that began it")
        return Plain()

    def clashes(
        self, connection: Connection, migration: Migration, direction: Direction, held: Entry
    ) -> bool:
        """Return whether both are about `orders`."""
        statement = self.plan(connection, migration, direction).statement
        return "orders" in statement and "orders" in held.statement

    def fingerprint(self, connection: Connection) -> str:
        """Return a digest of the shard's schema, podwork's own tables excepted."""
        queries = [_SQLITE] if connection.dialect.name == "sqlite" else _MYSQL
        rows = [tuple(row) for query in queries for row in connection.execute(query)]
        return hashlib.sha256(repr(rows).encode()).hexdigest()


class Plain:
    """Runs the statements (`applying.Applier`)."""

    def advance(self, work: Work) -> Progress:
        """Run all of them on SQLite, the next one elsewhere."""
        if work.entry.stage == EXECUTED:
            return Progress(EXECUTED, done=True)
        statements = msgspec.json.decode(work.entry.change, type=tuple[str, ...])
        if work.turn.dialect == "sqlite":
            with work.step() as connection:
                for statement in statements:
                    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
                work.record(connection, stage=EXECUTED)
            return Progress(EXECUTED, done=True)
        return self._next(work, statements)

    def _next(self, work: Work, statements: tuple[str, ...]) -> Progress:
        with work.turn.looking() as connection:
            now = PlainRoutes().fingerprint(connection)
        stage = work.entry.stage
        number = int(stage.removeprefix(_STAGE)) if stage else 0
        if stage and now != work.entry.fingerprint_before:
            number += 1  # it was run, and whoever ran it died before saying so
        if number == len(statements):
            return Progress(EXECUTED, done=True)
        work.record(stage=f"{_STAGE}{number}", fingerprint_before=now)
        work.turn.ddl(statements[number])
        return Progress(work.entry.stage)


def _rendered(dialect: str, step: object) -> tuple[str, ...]:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    buffer = _Statements()
    options = {"as_sql": True, "output_buffer": buffer}
    context = MigrationContext.configure(dialect_name=dialect, opts=options)
    assert callable(step)
    step(Operations(context))
    return tuple(buffer.written)


class _Statements(io.StringIO):
    """Takes what Alembic prints: a statement each time."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def write(self, printed: str) -> int:
        statement = printed.strip().removesuffix(";")
        if statement and not statement.startswith("--"):
            self.written.append(statement)
        return len(printed)
