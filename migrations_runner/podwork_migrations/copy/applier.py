"""The online copy as the runner sees it: one bit after the other, each as the ledger says.

Owns: `OnlineCopy`, `Stage`. Promises: each bit looks at the catalogue before it does anything, so that it may
be done again after a crash at any point; until the cut-over everything that goes wrong ends in `aborting`,
with nothing left behind. Leaves to others: the bits.

| stage | what is done in it | then |
| --- | --- | --- |
| (none) | the table is looked at, names are written down | building |
| building | the copy and the table of faults are made | watching |
| watching | the triggers are made | copying |
| copying | a run copies the rows | settling |
| settling | counter and statistics of the copy | comparing |
| comparing | a run compares table and copy | ready, postponed |
| postponed | a person is waited for (`release`) | ready |
| ready, arming | triggers for the way back are made | swapping |
| swapping | the copy takes the table's place | keeping |
| keeping | what kept the copy in step goes | held, purging |
| held | the migration is applied; the old table is kept for the way back | purging |
| purging | the old table is emptied and dropped | done |
| aborting | triggers, copy and faults are dropped; the migration fails with the reason | aborted |
| back_comparing, back_swapping | a person said revert: the old table takes its place again | purging |
| done, back_done, aborted | nothing is left to be done: the way up, the way back, and after giving up | |
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

from sqlalchemy.exc import DBAPIError

from podwork.retry import describe
from podwork_migrations.applying import Progress, Work
from podwork_migrations.copy import abort, build, cutover, hold, revert
from podwork_migrations.copy.build import Changed
from podwork_migrations.copy.cutover import Where
from podwork_migrations.copy.job import COMPARE, COPY
from podwork_migrations.copy.journal import TABLE, Journal
from podwork_migrations.copy.params import compare_params, copy_params
from podwork_migrations.copy.refusals import CopyRefused
from podwork_migrations.copy.runs import LOOK_SECONDS, RunStands, begin_run, look, new_run_id
from podwork_migrations.errors import LockBusy, MigrationFailed
from podwork_migrations.ledger.entry import Direction
from podwork_pods.iteration.trouble import is_crowded


class Stage(StrEnum):
    """How far a copy is; see the table of the module."""

    NONE = ""
    BUILDING = "building"
    WATCHING = "watching"
    COPYING = "copying"
    SETTLING = "settling"
    COMPARING = "comparing"
    POSTPONED = "postponed"
    READY = "ready"
    ARMING = "arming"
    SWAPPING = "swapping"
    KEEPING = "keeping"
    HELD = "held"
    PURGING = "purging"
    DONE = "done"
    ABORTING = "aborting"
    ABORTED = "aborted"
    BACK_COMPARING = "back_comparing"
    BACK_SWAPPING = "back_swapping"
    BACK_DONE = "back_done"

    @classmethod
    def of(cls, text: str) -> Stage:
        """Return the stage in the ledger; `aborted` has the number of the attempt with it."""
        return cls(text.partition(".")[0])


UNDONE: Final = frozenset(
    {
        Stage.BUILDING,
        Stage.WATCHING,
        Stage.COPYING,
        Stage.SETTLING,
        Stage.COMPARING,
        Stage.READY,
        Stage.ARMING,
        Stage.SWAPPING,
    }
)
"""In these stages an error takes away what was made."""
CLOSELY_SECONDS: Final = 5.0
"""So long a run goes on before table, copy and triggers are looked at again: some 20 ms, on both sides."""


class OnlineCopy:
    """The applier of the route `copy`."""

    def __init__(self) -> None:
        self._looked_closely: dict[str, float] = {}
        self._bits: Mapping[Stage, Callable[[Journal], Progress]] = {
            Stage.NONE: self._begin,
            Stage.ABORTED: self._begin,
            Stage.DONE: self._stay,
            Stage.BUILDING: self._build,
            Stage.WATCHING: self._watch,
            Stage.COPYING: self._copy,
            Stage.SETTLING: self._settle,
            Stage.COMPARING: self._compare,
            Stage.POSTPONED: self._postpone,
            Stage.READY: self._arm,
            Stage.ARMING: self._arm,
            Stage.SWAPPING: self._swap,
            Stage.KEEPING: self._keep,
            Stage.HELD: self._stay,
            Stage.PURGING: self._purge,
            Stage.ABORTING: self._abort,
        }

    def advance(self, work: Work) -> Progress:
        """Do one bit; see `podwork_migrations.applying.Applier`."""
        journal = Journal(work)
        if journal.goes_back:
            return revert.of_nothing(journal) if journal.began is None else self._back(journal)
        stage = Stage.of(work.entry.stage)
        try:
            return self._bits[stage](journal)
        except DBAPIError as error:
            # A server that is away is another error: what was found out is not lost for that.
            if stage not in UNDONE or is_crowded(error) or cutover.where(journal) is not Where.BEFORE:
                raise
            return self._give_up(journal, describe(error))

    def tidy(self, work: Work) -> Progress:
        """Bring an applied migration on whose old table has been kept long enough, until it is done."""
        journal = Journal(work)
        if Stage.of(work.entry.stage) is Stage.HELD:
            journal.note(Stage.PURGING, run_ids=())
        return self._purge(journal)

    def release(self, work: Work) -> None:
        """Let a copy that waits for a person take the table's place. Raises MigrationFailed: it does not."""
        journal = Journal(work)
        if Stage.of(work.entry.stage) is not Stage.POSTPONED:
            raise journal.failed(
                f"it does not wait for its cut-over, it is {work.entry.stage or 'not begun'}"
            )
        journal.note(Stage.READY)

    # Up to the cut-over

    def _begin(self, journal: Journal) -> Progress:
        entry = journal.work.entry
        if entry.stage == f"{Stage.ABORTED}.{entry.attempts}":
            raise journal.failed(entry.error)
        build.begin(journal)
        return Progress(Stage.BUILDING)

    def _build(self, journal: Journal) -> Progress:
        try:
            build.build(journal)
        except CopyRefused as refused:
            return self._give_up(journal, str(refused))
        return Progress(Stage.WATCHING)

    def _watch(self, journal: Journal) -> Progress:
        build.watch(journal)
        journal.note(Stage.COPYING, run_ids=(new_run_id(journal.work, COPY),))
        return Progress(Stage.COPYING)

    def _copy(self, journal: Journal) -> Progress:
        return self._run(journal, COPY, copy_params, Stage.SETTLING)

    def _settle(self, journal: Journal) -> Progress:
        cutover.settle(journal)
        journal.note(
            Stage.COMPARING, run_ids=(*journal.work.entry.run_ids, new_run_id(journal.work, COMPARE))
        )
        return Progress(Stage.COMPARING)

    def _compare(self, journal: Journal) -> Progress:
        postponed = journal.work.migration.postpone_cutover
        return self._run(journal, COMPARE, compare_params, Stage.POSTPONED if postponed else Stage.READY)

    def _postpone(self, journal: Journal) -> Progress:
        if (why := self._objection(journal)) is not None:
            return self._give_up(journal, why)
        return Progress(Stage.POSTPONED, wait_seconds=LOOK_SECONDS, note="its cut-over waits for a person")

    def _arm(self, journal: Journal) -> Progress:
        cutover.arm(journal)
        return Progress(Stage.SWAPPING)

    def _swap(self, journal: Journal) -> Progress:
        if cutover.where(journal) is Where.BEFORE and (why := self._objection(journal)) is not None:
            return self._give_up(journal, why)
        try:
            wait_seconds = cutover.swap(journal)
        except LockBusy as busy:
            journal.note(Stage.POSTPONED)
            note = f"tried {cutover.TRIES} times, a person has to release it: {busy.what}"
            return Progress(Stage.POSTPONED, wait_seconds=LOOK_SECONDS, note=note)
        if wait_seconds is not None:
            note = journal.work.entry.throttle_reason
            return Progress(Stage.SWAPPING, wait_seconds=wait_seconds, note=note)
        if (why := cutover.regret(journal)) is not None:
            return self._give_up(journal, why)
        journal.note(Stage.KEEPING)
        return Progress(Stage.KEEPING)

    # After it

    def _keep(self, journal: Journal) -> Progress:
        hold.keep(journal)
        stage = Stage.of(journal.work.entry.stage)
        return Progress(stage, done=stage is Stage.HELD)

    def _stay(self, journal: Journal) -> Progress:
        return Progress(journal.work.entry.stage, done=True)

    def _purge(self, journal: Journal) -> Progress:
        names = journal.names
        table = (
            names.copy if journal.work.direction is Direction.DOWN and self._is_back(journal) else names.old
        )
        stands = hold.purge(journal, table)
        if stands is None:
            return Progress(Stage.BACK_DONE if journal.goes_back else Stage.DONE, done=True)
        if stands.is_lost:
            raise journal.failed(f"the run that empties {table} is {stands.state}: {stands.reason}")
        return _waiting(Stage.PURGING, stands)

    # Giving up, and going back

    def _abort(self, journal: Journal) -> Progress:
        why = journal.work.entry.error
        if not abort.clear(journal):
            return Progress(Stage.ABORTING, wait_seconds=LOOK_SECONDS, note="its run has not ended yet")
        if journal.work.direction is Direction.DOWN:
            return Progress(Stage.ABORTED, done=True)
        raise journal.failed(why)

    def _back(self, journal: Journal) -> Progress:
        """Go back from wherever the way up had come to."""
        stage = Stage.of(journal.work.entry.stage)
        if stage is Stage.BACK_SWAPPING or (stage is Stage.PURGING and self._is_back(journal)):
            return self._go_back(journal, stage)
        if stage is Stage.SWAPPING and cutover.where(journal) is Where.AFTER:
            cutover.regret(journal)  # a person was quicker
        if cutover.where(journal) is Where.BEFORE:
            if stage is Stage.PURGING:
                return self._purge(journal)
            return self._abort(journal)
        if cutover.where(journal) is Where.BETWEEN:
            cutover.swap(journal)
            return Progress(stage)
        return self._go_back(journal, stage)

    def _go_back(self, journal: Journal, stage: Stage) -> Progress:
        if stage is Stage.PURGING:
            return self._purge(journal)
        if stage is Stage.BACK_SWAPPING:
            revert.swap_back(journal)
            return Progress(Stage.PURGING)
        if stage is not Stage.BACK_COMPARING:
            journal.drop_triggers(journal.names.forward)
            revert.start_back(journal)
            return Progress(Stage.BACK_COMPARING)
        work = journal.work
        [run_id] = work.entry.run_ids
        begin_run(work, run_id, COMPARE, compare_params(journal, revert.both_ways(journal)))
        stands = look(work, run_id)
        if stands.is_lost:
            raise journal.failed(f"the way back is closed: {stands.reason}")
        if not stands.has_succeeded:
            return _waiting(Stage.BACK_COMPARING, stands)
        journal.note(Stage.BACK_SWAPPING)
        return Progress(Stage.BACK_SWAPPING)

    def _is_back(self, journal: Journal) -> bool:
        return journal.has_made(TABLE, journal.names.copy) and not journal.has_made(TABLE, journal.names.old)

    # Parts of a bit

    def _run(
        self,
        journal: Journal,
        job_class: str,
        params: Callable[[Journal, Changed], dict[str, Any]],
        following: Stage,
    ) -> Progress:
        """Begin the last of the runs, if it is not there, and see how it is."""
        work, stage = journal.work, Stage.of(journal.work.entry.stage)
        run_id = work.entry.run_ids[-1]
        stands = look(work, run_id)
        if (why := self._trouble(journal, stands)) is not None:
            return self._give_up(journal, why)
        if stands.state is None:
            begin_run(work, run_id, job_class, params(journal, build.changed(journal)))
            return _waiting(stage, stands)
        if stands.is_lost:
            return self._give_up(journal, f"its run {run_id} is {stands.state}: {stands.reason}")
        if not stands.has_succeeded:
            return _waiting(stage, stands)
        journal.note(following, **({"ready": work.shard.clock.now()} if job_class == COMPARE else {}))
        return Progress(following, rows_done=stands.rows_done, rows_total=stands.rows_total)

    def _trouble(self, journal: Journal, stands: RunStands) -> str | None:
        """Return why the run is for nothing. What costs a look at the catalogue is asked before it, after it,
        and now and then: at last it decides whether the copy takes the table's place.
        """
        due_at = self._looked_closely.get(journal.work.entry.id, -math.inf) + CLOSELY_SECONDS
        if stands.is_under_way and time.monotonic() < due_at:
            return cutover.not_taken(journal)
        self._looked_closely = {journal.work.entry.id: time.monotonic()}
        return self._objection(journal)

    def _objection(self, journal: Journal) -> str | None:
        try:
            return cutover.objection(journal, build.changed(journal))
        except MigrationFailed as failed:
            return failed.why

    def _give_up(self, journal: Journal, why: str) -> Progress:
        abort.give_up(journal, why)
        return Progress(Stage.ABORTING, note=why)


def _waiting(stage: Stage, stands: RunStands) -> Progress:
    note = stands.reason or ("its run waits for a worker" if not stands.rows_done else "")
    return Progress(
        stage, wait_seconds=stands.look_again_seconds, note=note,
        rows_done=stands.rows_done, rows_total=stands.rows_total,
    )  # fmt: skip
