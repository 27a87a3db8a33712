"""What follows when a batch fails.

Owns: `Failing`: pauses, halving, trying alone, leaving out, and the run's failure. Promises: what is no fault
of the items costs them nothing; an item that fails is found without being told of by the error, because it
fails alone too; a process that dies of an item is counted like an error (`Partitions.trying`), so that an
item that kills is found as well. Leaves to others: which error is whose fault (`trouble`).
"""

from __future__ import annotations

import logging

from podwork.retry import describe
from podwork.signals import JobSignal, Snooze
from podwork_pods.iteration.batch import Tried
from podwork_pods.iteration.course import Course
from podwork_pods.iteration.errors import BatchEnded, ItemKills, PartitionLost
from podwork_pods.iteration.leaving_out import leave_out
from podwork_pods.iteration.letting_go import LOST, OVER, Ending, LettingGo
from podwork_pods.iteration.partition import Leaving, Partition
from podwork_pods.iteration.patience import Patience
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.iteration.sizing import Sizing
from podwork_pods.iteration.task import Opened
from podwork_pods.iteration.trouble import TRIES, Kind, away_seconds, kind_of, pause_seconds

log = logging.getLogger("podwork.iteration")

After = Partition | Ending
"""The partition to go on with, as it is now; or how the walk through it ends."""


class Failing:
    """Of one job's walk through one partition."""

    def __init__(
        self,
        shard: IterationShard,
        opened: Opened,
        course: Course,
        sizing: Sizing,
        patience: Patience,
        letting_go: LettingGo,
    ) -> None:
        self._shard = shard
        self._leases = shard.leases(opened.run.shop_id)
        self._opened = opened
        self._course = course
        self._sizing = sizing
        self._patience = patience
        self._letting_go = letting_go
        self._in_a_row = 0

    def went_well(self) -> None:
        """Take in a batch that was committed."""
        self._in_a_row = 0

    def count(self, held: Partition, limit: int) -> Partition:
        """Write down that a batch is begun, if the last one failed or its owner died.

        Raises PartitionLost.
        """
        if not held.attempts:
            return held
        counted = self._leases.trying(held, limit)
        if counted is None:
            raise PartitionLost(held.run_id, held.number, held.lease_epoch, "somebody took it over")
        return counted

    def broken_off(self, held: Partition) -> After:
        """Leave out an item on which one process after another has died; to be asked before each batch."""
        if held.tried_alone < self._opened.task.job.batch_attempts:
            return held
        return self._leave_out(held, ItemKills(held.run_id, held.tried_alone, held.last_error))

    def failed(self, held: Partition, error: BaseException, limit: int, tried: Tried) -> After:
        """Do what is to be done about the error of a batch of at most `limit` rows.

        Raises it if the worker has to know.
        """
        after = self._no_fault(held, error)
        return self._blame(held, error, limit, tried) if after is None else after

    def _no_fault(self, held: Partition, error: BaseException) -> After | None:
        """Do what is to be done about an error that is no item's fault; None: it is one's."""
        kind = kind_of(error)
        if kind is Kind.LOST:
            log.warning("%s", error)
            return LOST
        if kind is Kind.ELSEWHERE:
            self._letting_go.leave(held, Leaving.INTERRUPTED, "its shop is moved", None)
            raise error
        if isinstance(error, JobSignal) and kind is Kind.SIGNAL:
            return self._letting_go.leave(held, Leaving.INTERRUPTED, describe(error), error)
        if kind in (Kind.CROWDED, Kind.OUTAGE):
            return self._again(held, error, kind)
        return None

    def _again(self, held: Partition, error: BaseException, kind: Kind) -> After:
        """Let the same batch be done again, after a pause."""
        self._in_a_row += 1
        log.warning("run %s, partition %d: %s", held.run_id, held.number, describe(error))
        if self._in_a_row >= TRIES:
            why = describe(error)
            return self._letting_go.leave(held, Leaving.THROTTLED, why, Snooze(away_seconds(), why))
        if kind is Kind.CROWDED and self._in_a_row > 1:
            self._sizing.halve()  # fewer rows, fewer locks
        self._patience.sleep(pause_seconds(self._in_a_row))
        return held

    def _blame(self, held: Partition, error: BaseException, limit: int, tried: Tried) -> After:
        """Find the item that failed; when it is alone, try it a few times, and then go on without it."""
        rows = max(1, limit if tried.rows is None else tried.rows)
        what = (held.run_id, held.number, rows)
        log.warning("run %s, partition %d: a batch of %d rows failed", *what, exc_info=error)
        if isinstance(error, BatchEnded):
            return self._fail(held, error)
        counted = self._write_down(held, error, rows)
        if counted is None:
            return LOST
        self._sizing.halve(rows)
        if rows > 1 or counted.tried_alone < self._opened.task.job.batch_attempts:
            self._patience.sleep(pause_seconds(1))
            return counted
        return self._leave_out(counted, error)

    def _write_down(self, held: Partition, error: BaseException, rows: int) -> Partition | None:
        said = describe(error)
        if not held.attempts:
            return self._leases.attempt_failed(held, said, rows)
        return held if self._leases.trial_failed(held, said) else None  # `count` has counted it

    def _leave_out(self, held: Partition, error: BaseException) -> After:
        said = describe(error)
        try:
            after = leave_out(self._shard, self._opened, held, said)
        except BaseException as unreadable:  # the item cannot even be read
            return self._no_fault(held, unreadable) or self._fail(held, unreadable)
        if after is None:
            return self._fail(held, error)
        if after.revision != held.revision:
            log.error("run %s, partition %d: an item is left out: %s", held.run_id, held.number, said)
        return after

    def _fail(self, held: Partition, error: BaseException) -> Ending:
        reason = f"partition {held.number}: {describe(error)}"
        try:
            self._course.fail(error, reason, held)
        except PartitionLost:
            return LOST
        log.error("run %s failed: %s", held.run_id, reason)
        return OVER
