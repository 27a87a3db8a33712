"""Which way a schema migration goes, and who goes it: what the runner asks.

Owns: `SchemaRoutes`. Leaves to others: the order of a turn (`runner`), the online copy, which is given.
"""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import Connection

from podwork_migrations.applying import Applier, Work
from podwork_migrations.change.applier import StatementApplier
from podwork_migrations.change.batch_applier import BatchApplier
from podwork_migrations.change.change_plan import ChangePlan
from podwork_migrations.change.planning import plan_change
from podwork_migrations.change.recording import record
from podwork_migrations.change.rendering import table_of
from podwork_migrations.change.room import free_bytes, shortage, size_bytes
from podwork_migrations.change.routes import Limits, Route
from podwork_migrations.copy.refusals import copy_refusals
from podwork_migrations.errors import MigrationFailed
from podwork_migrations.fingerprint.fingerprint import fingerprint
from podwork_migrations.ledger.entry import Direction, Entry
from podwork_migrations.migration import Migration

NO_ROOM: Final = "copy-no-room"
"""The linter's rule that `plan` keeps, too."""


class SchemaRoutes:
    """The routes of schema migrations.

    Args:
        copy: goes the route of the online copy; None: there is none, and it is never taken.
        limits: up to what a table is small. lock_budget_seconds: for how long a lock is waited for.
    """

    def __init__(
        self, copy: Applier | None = None, limits: Limits | None = None, lock_budget_seconds: float = 3
    ) -> None:
        self._copy = copy
        self._limits = limits or Limits()
        self._budget_seconds = max(1, int(lock_budget_seconds))
        self._statement = StatementApplier(self._plan_again)
        self._batch = BatchApplier(self._plan_again)

    def plan(
        self,
        connection: Connection,
        migration: Migration,
        direction: Direction,
        without: frozenset[Route] = frozenset(),
    ) -> ChangePlan:
        """Return how the migration is done on the connection's shard; see `plan_change`.

        A table that cannot be copied is changed in place, though replicas may lag, or, if it is small, by the
        server within the lock budget. Where the disk has no room for a copy, there is no way.
        """
        plan = self._plan(connection, migration, direction, without)
        refusals = copy_refusals(connection, plan.table or "") if plan.route is Route.COPY else []
        if not refusals:
            _check_room(connection, migration, plan)
            return plan
        said = "; ".join(f"{refusal.code}: {refusal.why}" for refusal in refusals)
        try:
            other = self._plan(connection, migration, direction, without | {Route.COPY})
        except MigrationFailed:
            remedy = "; ".join(dict.fromkeys(refusal.alternative for refusal in refusals))
            why = f"{plan.table} cannot be copied: {said}"
            raise MigrationFailed(migration.id, f"{plan.reason}, and {why}", remedy) from None
        return msgspec.structs.replace(other, reason=f"{other.reason}; not copied: {said}")

    def _plan(
        self, connection: Connection, migration: Migration, direction: Direction, without: frozenset[Route]
    ) -> ChangePlan:
        return plan_change(
            connection,
            migration,
            self._limits,
            direction=str(direction),
            without=without if self._copy is not None else without | {Route.COPY},
            lock_budget_seconds=self._budget_seconds,
        )

    def applier(self, route: str) -> Applier:
        """Return who goes the route. Raises MigrationFailed: nobody here does."""
        if route == Route.BATCH:
            return self._batch
        if route != Route.COPY:
            return self._statement
        if self._copy is None:
            raise MigrationFailed("", "there is nobody for the online copy")
        return self._copy

    def clashes(
        self, connection: Connection, migration: Migration, direction: Direction, held: Entry
    ) -> bool:
        """Return whether the migration is about a table of which `held` keeps an old form."""
        tables = {table_of(operation.op) for operation in record(migration, connection, str(direction))}
        # SQL by hand may be about any.
        return None in tables or not tables.isdisjoint(ChangePlan.decode(held.change).tables)

    def fingerprint(self, connection: Connection) -> str:
        """Return the fingerprint of the shard's schema."""
        return fingerprint(connection)

    def _plan_again(self, connection: Connection, work: Work, refused: frozenset[Route]) -> ChangePlan:
        return self.plan(connection, work.migration, work.direction, refused)


def _check_room(connection: Connection, migration: Migration, plan: ChangePlan) -> None:
    """Raise MigrationFailed if a copy would fill the disk, which stops the application, too."""
    if plan.route is not Route.COPY or NO_ROOM in migration.override:
        return
    lack = shortage(size_bytes(connection, plan.table or ""), free_bytes(connection))
    if lack:
        remedy = f"free some, or override {NO_ROOM}; then: podctl migrations retry"
        raise MigrationFailed(migration.id, f"{plan.table}: {lack}", remedy)
