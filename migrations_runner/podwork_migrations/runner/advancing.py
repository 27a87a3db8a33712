"""Going on with the migration that is under way: one bit, and what its end means.

Owns: `Advance`. Promises: everything that is found out stands in the ledger before the next bit; a lock that
was not to be had, and a server that is away, cost no attempt; anything else that goes wrong is a failed
migration with its error. Leaves to others: the bits themselves (the appliers), which migration it is
(`runner`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from podwork.points import reach
from podwork.retry import describe
from podwork.signals import JobSignal
from podwork_migrations.applying import Applier, Progress, Routes, Tidies, Work
from podwork_migrations.errors import LineLost, LockBusy, MigrationFailed
from podwork_migrations.ledger.entry import Direction, Entry
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.migration import Kind
from podwork_pods.iteration.trouble import OUTAGES, is_crowded

LONGEST_BACK_OFF_SECONDS: Final = 60.0

log = logging.getLogger("podwork.migrations")


class Advance:
    """Brings entries on.

    Args:
        routes: the ways of schema migrations. data: goes on with data migrations.
        now: gives wall time.
    """

    def __init__(self, routes: Routes, data: Applier, now: Callable[[], float]) -> None:
        self._routes = routes
        self._data = data
        self._now = now

    def advance(self, work: Work) -> Progress:
        """Do one bit, and write what came of it; `work.entry` says how it stands then.

        Raises:
            LineLost: somebody else goes on. OUTAGES: nothing is known; the next turn looks.
        """
        try:
            progress = self._bit(work)
        except (LineLost, JobSignal, *OUTAGES):
            raise
        except (Exception, SystemExit) as error:
            if isinstance(error, LockBusy) or is_crowded(error):
                return self._back_off(work, error)
            return self._fail(work, error)
        reach("turn.advanced")
        if progress.done:
            return self._finish(work, progress)
        work.record(**_noted(progress), tries=0, not_before=self._later(progress.wait_seconds))
        return progress

    def _bit(self, work: Work) -> Progress:
        if work.migration.kind is Kind.DATA:
            return self._data.advance(work)
        if not work.entry.route:
            in_the_way = self._in_the_way(work)
            if in_the_way is not None:
                return in_the_way
            self._plan(work)
        reach("turn.advancing")
        return self._routes.applier(work.entry.route).advance(work)

    def tidy(self, work: Work) -> Progress:
        """Clear away a bit of what an entry has kept, and write what came of it; nothing fails for it."""
        try:
            applier = self._routes.applier(work.entry.route)
            if not isinstance(applier, Tidies):
                raise MigrationFailed(work.entry.id, f"the route {work.entry.route} keeps nothing")
            progress = applier.tidy(work)
        except (LineLost, JobSignal, *OUTAGES):
            raise
        except Exception as error:
            log.warning("what migration %s kept is not cleared away", work.entry.id, exc_info=True)
            return self._back_off(work, error)
        reach("turn.tidied")
        later = None if progress.done else self._later(progress.wait_seconds)
        work.record(stage=progress.stage, tries=0, not_before=later, throttle_reason=progress.note)
        return progress

    def _in_the_way(self, work: Work) -> Progress | None:
        """Clear away what an earlier change of the same table has kept: only the last one has a way back."""
        for held in work.ledger.held():
            if held.version == work.entry.version or not held.artefacts:
                continue
            with work.turn.looking() as connection:
                if not self._routes.clashes(connection, work.migration, work.direction, held):
                    continue
            its = replace(work, entry=held)
            progress = self.tidy(its)
            note = "" if progress.done else f"what {held.id} kept is cleared away: {progress.note}"
            return Progress("", wait_seconds=progress.wait_seconds, note=note)
        return None

    def _plan(self, work: Work) -> None:
        """Decide how it is done, once: after a statement was run the same question has another answer."""
        with work.turn.looking() as connection:
            before = self._routes.fingerprint(connection)
            plan = self._routes.plan(connection, work.migration, work.direction)
        reach("turn.planning")
        work.record(
            route=plan.route, statement=plan.statement, change=plan.encode(), fingerprint_before=before
        )
        log.info("migration %s: %s, %s", work.entry.id, plan.route, plan.reason)

    def _finish(self, work: Work, progress: Progress) -> Progress:
        after = ""
        if work.migration.kind is Kind.SCHEMA:
            with work.turn.looking() as connection:
                after = self._routes.fingerprint(connection)
        to = EntryState.REVERTED if work.direction is Direction.DOWN else EntryState.APPLIED
        reach("turn.finishing")
        noted = {**_noted(progress), "throttle_reason": "", "fingerprint_after": after}
        work.entry = self._enter(work, to, error="", not_before=None, tries=0, **noted)
        reach("turn.finished")
        log.info("migration %s: %s", work.entry.id, to)
        return progress

    def _fail(self, work: Work, error: BaseException) -> Progress:
        reach("turn.failing")
        said = describe(error)
        log.error("migration %s failed, and stops its pod's line: %s", work.entry.id, said)
        work.entry = self._enter(work, EntryState.FAILED, error=said, throttle_reason="", not_before=None)
        return Progress(work.entry.stage)

    def _back_off(self, work: Work, error: BaseException) -> Progress:
        tries = work.entry.tries + 1
        seconds = min(2.0 ** (tries - 1), LONGEST_BACK_OFF_SECONDS)
        said = error.what if isinstance(error, LockBusy) else describe(error)
        work.record(tries=tries, not_before=self._now() + seconds, throttle_reason=said)
        log.warning("migration %s waits %.0f s: %s", work.entry.id, seconds, said)
        return Progress(work.entry.stage, wait_seconds=seconds, note=said)

    def _enter(self, work: Work, to: EntryState, **values: Any) -> Entry:
        with work.step() as connection:
            return work.ledger.enter(connection, work.entry, to, **values)

    def _later(self, seconds: float) -> float | None:
        return self._now() + seconds if seconds > 0 else None


def _noted(progress: Progress) -> dict[str, Any]:
    noted: dict[str, Any] = {"stage": progress.stage, "throttle_reason": progress.note}
    if progress.rows_done is not None:
        noted["rows_done"] = progress.rows_done
    if progress.rows_total is not None:
        noted["rows_total"] = progress.rows_total
    return noted
