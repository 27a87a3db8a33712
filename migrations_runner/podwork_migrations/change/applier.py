"""Routes that are one statement: instant, metadata, in place, direct.

Owns: `StatementApplier`. Promises: before the statement is sent the ledger has it, with the fingerprints of
its table before and after; every time the table is looked at first. As it was before: the statement is run.
As it should be after: it was run, whoever lost the answer. Neither: somebody else changed it; the migration
fails and says what differs. So no statement is run twice, wherever a process, a connection or the server is
killed. Leaves to others: the plan (`planning`), the statement's locks (`execute`).
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from podwork.points import reach
from podwork_migrations.applying import Progress, Work
from podwork_migrations.change.asking import said
from podwork_migrations.change.change_plan import ChangePlan
from podwork_migrations.change.execute import RouteRefused, execute, wait_for_writers
from podwork_migrations.change.routes import Route
from podwork_migrations.errors import MigrationFailed
from podwork_migrations.fingerprint.canonical import Schema, canonical
from podwork_migrations.fingerprint.drift import differences

Replan = Callable[[Connection, Work, frozenset[Route]], ChangePlan]
"""Plans a migration again, without the routes that were refused."""

PLANNED = "planned"
DONE = "done"


class StatementApplier:
    """Goes the routes that are one statement; `replan` finds another way where the server refuses one."""

    def __init__(self, replan: Replan) -> None:
        self._replan = replan

    def advance(self, work: Work) -> Progress:
        """Do the statement, or see that it was done."""
        plan = ChangePlan.decode(work.entry.change)
        if plan.direction != work.direction:
            return turn_round(work, plan, self._replan)
        if not was_done(work, plan):
            refused = self._run(work, plan)
            if refused is not None:
                return refused
            if not was_done(work, plan):
                raise MigrationFailed(
                    work.migration.id, f"the server ran {plan.statement!r}, and nothing changed"
                )
        reach("applier.changed")
        if plan.orphans:
            self._look_for_orphans(work, plan)
        return Progress(DONE, done=True)

    def _run(self, work: Work, plan: ChangePlan) -> Progress | None:
        """Run the statement; None: it is done. Else the plan is another one."""
        try:
            execute(work.turn, plan, plan.statement, budget_of(work))
        except RouteRefused as error:
            refused = frozenset({*refused_before(work), plan.route})
            other = plan_again(work, self._replan, refused)
            return Progress(work.entry.stage, note=f"{plan.route} was refused: {error}; now {other.route}")
        except DBAPIError as error:
            raise MigrationFailed(
                work.migration.id, f"the server refuses {plan.statement!r}: {said(error)}"
            ) from error
        return None

    def _look_for_orphans(self, work: Work, plan: ChangePlan) -> None:
        wait_for_writers(work.turn, plan, budget_of(work))
        orphans = work.turn.ask(plan.orphans.replace(":", r"\:"))
        if orphans:
            execute(work.turn, plan, plan.undo, budget_of(work))
            found = ", ".join(repr(value) for value in orphans[0])
            why = f"rows of {plan.table} refer to rows that are not there, the first to {found}"
            raise MigrationFailed(work.migration.id, f"{why}; the key was taken away again")


def turn_round(work: Work, plan: ChangePlan, replan: Replan) -> Progress:
    """Begin to take back what was given up on its way: nothing, if its statement was not run."""
    if not was_done(work, plan):
        return Progress(DONE, done=True)
    plan_again(work, replan, frozenset())
    return Progress(work.entry.stage)


def plan_again(work: Work, replan: Replan, refused: frozenset[Route]) -> ChangePlan:
    """Write down another plan, and return it."""
    with work.turn.looking() as connection:
        other = replan(connection, work, refused)
    stage = " ".join([PLANNED, *(["without", *sorted(refused)] if refused else [])])
    work.record(change=other.encode(), route=str(other.route), statement=other.statement, stage=stage)
    return other


def was_done(work: Work, plan: ChangePlan) -> bool:
    """Return whether the statement was run, by the form of its tables.

    Raises:
        MigrationFailed: they are as neither before nor after it.
    """
    with work.turn.looking() as connection:
        return is_after(work, plan, connection)


def is_after(work: Work, plan: ChangePlan, connection: Connection) -> bool:
    """As `was_done`, by this connection."""
    found = canonical(connection, plan.tables)
    if found.fingerprint == plan.after:
        return True
    if found.fingerprint == plan.before:
        return False
    expected = Schema.decode(plan.after_schema)
    lines = "; ".join(" ".join(line.split()) for line in differences(expected, found))
    why = f"{', '.join(plan.tables)}: changed by somebody else; to what it should be leads: {lines}"
    raise MigrationFailed(work.migration.id, why)


def refused_before(work: Work) -> frozenset[Route]:
    """Return the routes that were refused, as the ledger has them."""
    known = set(Route)
    return frozenset(Route(word) for word in work.entry.stage.split() if word in known)


def budget_of(work: Work) -> int:
    """Return the lock budget in whole seconds, as the servers want it; at least one."""
    return max(1, int(work.settings.lock_budget_seconds))
