"""The route of SQLite.

Owns: `BatchApplier`. Promises: all of a migration is one transaction under the line's epoch, which looks at
the tables first: a migration is done once or not at all, and no row is left that refers to one that is not
there.
"""

from __future__ import annotations

from sqlalchemy import Connection

from podwork.points import reach
from podwork_migrations.applying import Progress, Work
from podwork_migrations.change import batch
from podwork_migrations.change.applier import DONE, Replan, is_after, turn_round
from podwork_migrations.change.change_plan import ChangePlan
from podwork_migrations.change.recording import record
from podwork_migrations.errors import MigrationFailed


class BatchApplier:
    """Makes tables anew; `replan` finds the way back of what is given up on its way."""

    def __init__(self, replan: Replan) -> None:
        self._replan = replan

    def advance(self, work: Work) -> Progress:
        """Do the migration, or see that it was done."""
        plan = ChangePlan.decode(work.entry.change)
        if plan.direction != work.direction:
            return turn_round(work, plan, self._replan)
        with work.turn.step(foreign_keys=False) as connection:
            if is_after(work, plan, connection):
                return Progress(DONE, done=True)
            operations = record(work.migration, "sqlite", str(work.direction))
            orphans = _orphans(connection)
            batch.run(connection, operations)
            new = _orphans(connection) - orphans
            if new:
                tables = ", ".join(sorted({table for table, _ in new}))
                raise MigrationFailed(
                    work.migration.id, f"rows would refer to rows that are not there: in {tables}"
                )
            if not is_after(work, plan, connection):
                raise MigrationFailed(work.migration.id, "it did something else than on an empty database")
            reach("batch.done")
        return Progress(DONE, done=True)


def _orphans(connection: Connection) -> set[tuple[str, str]]:
    """Return (table, key) of what refers to nothing; rows are numbered anew when a table is."""
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check")
    return {(str(row[0]), f"{row[1]} {row[2]} {row[3]}") for row in rows}
