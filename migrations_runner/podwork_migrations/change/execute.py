"""Running one statement that changes the schema, within the lock budget.

Owns: `execute`, `RouteRefused`. Promises: no lock is waited for longer than the budget, so that nobody
waits longer behind it (M3); who had the lock is named; the session is left as it was. Leaves to others:
whether the statement was run already (`applier`), trying again (the runner).
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from podwork.points import reach
from podwork_migrations.change.asking import REFUSALS, code_of, said
from podwork_migrations.change.blockers import blockers, spell
from podwork_migrations.change.change_plan import ChangePlan
from podwork_migrations.change.patience import patient
from podwork_migrations.change.rendering import quoted
from podwork_migrations.errors import LockBusy
from podwork_migrations.line import Turn
from podwork_pods.driver_errors import is_deadlock, is_lock_timeout

# MariaDB: max_statement_time; a statement that was interrupted; MySQL: the log of an online change is full.
_TOO_LONG = (1969, 1317)
_LOG_FULL = 1799


class RouteRefused(Exception):
    """Says why the server does not go a route after all."""


def execute(turn: Turn, plan: ChangePlan, statement: str, lock_budget_seconds: int) -> None:
    """Run a statement of the plan on the connection that has the line.

    Raises:
        LockBusy: a lock was not to be had within the budget; nothing was changed.
        RouteRefused: the server does not do it this way, or not in time; nothing was changed.
        LineLost: the line or the connection was lost; the statement may have been run.
        DBAPIError: the server refused the statement, or a row; nothing was changed.
    """
    session = dict(plan.session)
    if plan.deadline_seconds:
        session["max_statement_time"] = plan.deadline_seconds
    try:
        with turn.looking() as connection, patient(connection, lock_budget_seconds, session):
            turn.ddl(statement)
            reach("execute.done")
    except DBAPIError as error:
        if is_lock_timeout(error) or is_deadlock(error):
            raise _busy(turn, plan.table or "", lock_budget_seconds) from None
        if code_of(error) in (*REFUSALS, _LOG_FULL) or (
            plan.deadline_seconds and code_of(error) in _TOO_LONG
        ):
            raise RouteRefused(said(error)) from None
        raise


def wait_for_writers(turn: Turn, plan: ChangePlan, lock_budget_seconds: int) -> None:
    """Wait until every transaction has ended that writes the tables `waits_for` and began before.

    Readers are not held up; writers that come later wait behind, no longer than the budget.

    Raises:
        LockBusy: one did not end within the budget.
    """
    for table in plan.waits_for:
        try:
            # Whoever is frozen between the two is sent away by the server, and his lock goes with him.
            idle = {"wait_timeout": lock_budget_seconds}
            with turn.looking() as connection, patient(connection, lock_budget_seconds, idle):
                # Not by `ddl`: with a table locked, the line's own could not be read.
                connection.exec_driver_sql(f"LOCK TABLES {quoted(table)} READ")
                reach("execute.locked")
                connection.exec_driver_sql("UNLOCK TABLES")
        except DBAPIError as error:
            if is_lock_timeout(error):
                raise _busy(turn, table, lock_budget_seconds) from None
            raise


def _busy(turn: Turn, table: str, seconds: int) -> LockBusy:
    with turn.looking() as connection:
        return LockBusy(table, seconds, spell(blockers(connection, table)))
