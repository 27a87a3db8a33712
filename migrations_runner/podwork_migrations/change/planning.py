"""Which way a schema migration goes on a shard.

Owns: `plan_change`, which asks the shard. Promises: nothing of the shard is changed (an empty table comes
and goes); what is not one statement, or what the server refuses, fails before anything was begun. Leaves to
others: asking (`asking`), the order of routes (`routes`), SQLite (`batch`), going the way (`applier`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import msgspec
from alembic.operations import ops
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from podwork_migrations.change import batch, mariadb, mysql
from podwork_migrations.change.asking import Answer, ServerRefused, ask, ask_create
from podwork_migrations.change.blockers import blockers, spell
from podwork_migrations.change.change_plan import ChangePlan
from podwork_migrations.change.completing import unmeant
from podwork_migrations.change.facts import gather
from podwork_migrations.change.foreign_keys import looking_for_orphans, undoing
from podwork_migrations.change.patience import patient
from podwork_migrations.change.raw import NotOneStatement
from podwork_migrations.change.recording import Operation, kind_of, record
from podwork_migrations.change.rendering import (
    Alter,
    Change,
    Create,
    Drop,
    Rename,
    one_change,
    table_of,
)
from podwork_migrations.change.routes import Facts, Limits, Route, Way, choose
from podwork_migrations.errors import LockBusy, MigrationFailed
from podwork_migrations.fingerprint.canonical import ForeignKey, Schema, Table, canonical
from podwork_migrations.migration import Migration
from podwork_pods.driver_errors import is_lock_timeout


def plan_change(
    connection: Connection,
    migration: Migration,
    limits: Limits | None = None,
    *,
    direction: str = "up",
    without: Collection[Route] = (),
    lock_budget_seconds: int = 3,
) -> ChangePlan:
    """Return how the migration is done on the connection's shard.

    Args:
        connection: on MariaDB and MySQL one that is not in a transaction (autocommit), because it is asked by
            making an empty table; on SQLite any.
        migration: a schema migration. limits: what a small table is. direction: `up` or `down`.
        without: routes that were refused. lock_budget_seconds: for how long locks are waited for.

    Raises:
        MigrationFailed: there is no safe way, or it does not say what it wants.
        LockBusy: a lock on the table was not to be had.
    """
    operations = record(migration, connection, direction)
    if kind_of(connection) == "sqlite":
        return _towards(direction, batch.plan(connection, migration, operations))
    planner = _Planner(connection, limits or Limits(), without, lock_budget_seconds)
    with _explained(connection, migration, operations, lock_budget_seconds):
        return _towards(direction, planner.plan(operations))


def _towards(direction: str, plan: ChangePlan) -> ChangePlan:
    return msgspec.structs.replace(plan, direction=direction)


class _Planner:
    def __init__(
        self, connection: Connection, limits: Limits, without: Collection[Route], budget_seconds: int
    ) -> None:
        self._connection = connection
        self._kind = kind_of(connection)
        self._limits = limits
        self._without = without
        self._budget_seconds = budget_seconds

    def plan(self, operations: list[Operation]) -> ChangePlan:
        change = one_change(operations)
        with patient(self._connection, self._budget_seconds):
            return self._alter(change) if isinstance(change, Alter) else self._direct(change)

    def _alter(self, alter: Alter) -> ChangePlan:
        wanted = [clause.op for clause in alter.clauses]
        answer = ask(self._connection, alter, self._ladder(wanted))
        for op in wanted:
            if isinstance(op, ops.AlterColumnOp) and (lost := unmeant(op, answer.before, answer.after)):
                raise ServerRefused(f"it would also change {op.column_name}: {'; '.join(lost)}")
        if answer.before == answer.after and any(isinstance(op, ops.ExecuteSQLOp) for op in wanted):
            raise ServerRefused(
                "SQL by hand without an effect on the table's form: nobody could see if it was run"
            )
        way = self._way(answer, wanted)
        # A copy with a foreign key would have it twice, by one name.
        new_keys = set(answer.after.foreign_keys) - set(answer.before.foreign_keys)
        without = {*self._without, *([Route.COPY] if new_keys else [])}
        chosen = choose(way, self._facts(answer), self._limits, without)
        if chosen is None:
            raise ServerRefused(f"no way is left: without {', '.join(sorted(without))} it is {way}")
        return self._planned(alter, answer, *chosen)

    def _ladder(self, wanted: list[ops.MigrateOperation]) -> list[tuple[Way, str]]:
        if self._kind == "mariadb":
            ladder = list(mariadb.LADDER)
        else:
            ladder = mysql.ladder(self._connection.dialect.server_version_info or (), wanted)
        refused = {Way.INSTANT} if Route.INSTANT in self._without else set()
        if {Route.METADATA, Route.INPLACE} & set(self._without):
            refused |= {Way.INDEX, Way.REBUILD}
        return [rung for rung in ladder if rung[0] not in refused]

    def _way(self, answer: Answer, wanted: list[ops.MigrateOperation]) -> Way:
        if self._kind == "mysql":
            return mysql.refine(answer.way, wanted)
        return Way.METADATA if answer.way is Way.INDEX and _reads_no_row(answer) else answer.way

    def _facts(self, answer: Answer) -> Facts:
        there = {(index.unique, index.parts) for index in answer.before.indexes}
        unique = [
            index for index in answer.after.indexes if index.unique and (True, index.parts) not in there
        ]
        return gather(
            self._connection, answer.before.name, self._limits, self._kind, adds_unique=bool(unique)
        )

    def _planned(self, alter: Alter, answer: Answer, route: Route, reason: str) -> ChangePlan:
        clause = {Route.COPY: "", Route.DIRECT: "ALGORITHM=COPY"}.get(route, answer.clause)
        plan = self._between(
            alter.sql(algorithm=clause), alter.table, route, reason, [answer.before], [answer.after]
        )
        keys = [key for key in answer.after.foreign_keys if key not in answer.before.foreign_keys]
        if route is Route.DIRECT:
            return msgspec.structs.replace(plan, deadline_seconds=self._budget_seconds)
        return _with_new_keys(plan, answer, keys) if keys else plan

    def _direct(self, change: Create | Drop | Rename) -> ChangePlan:
        """What needs no route: a table that nobody uses yet, or no longer, or another name."""
        before = canonical(self._connection, _tables(change)).tables
        names = {table.name for table in before}
        if isinstance(change, Create):
            if change.table in names:
                raise ServerRefused(f"there is a table {change.table} already")
            made = ask_create(self._connection, change)
            return self._between(change.sql(), change.table, Route.DIRECT, "a new table", before, [made])
        if change.table not in names:
            raise ServerRefused(f"there is no table {change.table}")
        if isinstance(change, Drop):
            return self._between(change.sql(), change.table, Route.DIRECT, "the table's end", before, [])
        if change.to in names:
            raise ServerRefused(f"there is a table {change.to} already")
        reason = "the server changes the table's name only"
        return self._between(
            change.sql(), change.table, Route.INSTANT, reason, before, [_renamed(before[0], change.to)]
        )

    def _between(
        self,
        statement: str,
        table: str,
        route: Route,
        reason: str,
        before: Collection[Table],
        after: Collection[Table],
    ) -> ChangePlan:
        schema = Schema(self._kind, ())
        becomes = schema.with_tables(after)
        return ChangePlan(
            statement,
            table,
            route,
            reason,
            tables=tuple(sorted({table, *(found.name for found in (*before, *after))})),
            before=schema.with_tables(before).fingerprint,
            after=becomes.fingerprint,
            after_schema=becomes.encode(),
        )


def _reads_no_row(answer: Answer) -> bool:
    """Whether indexes are at most dropped, and all else is as it was."""
    there = {msgspec.structs.replace(index, name="") for index in answer.before.indexes}
    new = [index for index in answer.after.indexes if msgspec.structs.replace(index, name="") not in there]
    return not new and answer.before.columns == answer.after.columns


def _with_new_keys(plan: ChangePlan, answer: Answer, keys: list[ForeignKey]) -> ChangePlan:
    if answer.before.columns != answer.after.columns:
        raise ServerRefused("besides a foreign key it changes columns: make it a migration each")
    table = answer.after.name
    return msgspec.structs.replace(
        plan,
        session={"foreign_key_checks": 0},
        waits_for=tuple(sorted({key.table for key in keys})),
        orphans=" UNION ALL ".join(f"({looking_for_orphans(table, key)})" for key in keys),
        undo=undoing(answer.before, answer.after),
    )


def _renamed(table: Table, to: str) -> Table:
    keys = [
        msgspec.structs.replace(key, table=to) if key.table == table.name else key
        for key in table.foreign_keys
    ]
    return msgspec.structs.replace(table, name=to, foreign_keys=tuple(keys))


def _tables(change: Change) -> list[str]:
    return [change.table, change.to] if isinstance(change, Rename) else [change.table]


@contextmanager
def _explained(
    connection: Connection, migration: Migration, operations: list[Operation], budget_seconds: int
) -> Iterator[None]:
    try:
        yield
    except (NotOneStatement, ServerRefused) as error:
        raise MigrationFailed(migration.id, str(error)) from None
    except DBAPIError as error:
        if not is_lock_timeout(error):
            raise
        tables = sorted({table for operation in operations if (table := table_of(operation.op))})
        found = [blocker for table in tables for blocker in blockers(connection, table)]
        raise LockBusy(", ".join(tables), budget_seconds, spell(found)) from None
