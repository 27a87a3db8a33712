"""One job's work on a run, from its first partition to its last.

Owns: `Shift`. It reads as a shift does: take a partition, walk through it, take the next; when none is left,
cut a part off the largest remainder of another job; when there is none, see whether the run is done.
Promises: a job that ends leaves no work behind for which there is nobody: others hold what is left, or it
comes back itself. Leaves to others: what happens inside a partition (`walk`), opening the run (`opening`).
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Final

from podwork.context import JobContext
from podwork.iteration.throttle import Held
from podwork.signals import Interrupted, JobSignal, Snooze
from podwork_pods.iteration.course import Course
from podwork_pods.iteration.errors import HookFailed, UnknownRun
from podwork_pods.iteration.letting_go import ANOTHER, OVER, Ending
from podwork_pods.iteration.partition import Partition, PartitionState
from podwork_pods.iteration.patience import Patience
from podwork_pods.iteration.run import HANDS_OUT
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.iteration.sizing import Sizing
from podwork_pods.iteration.splitting import Splitting
from podwork_pods.iteration.task import Opened
from podwork_pods.iteration.walk import Walk

COME_BACK_SECONDS: Final = (1.0, 3.0)
"""So much later a job looks again that found partitions locked, or held by somebody who seems gone."""

log = logging.getLogger("podwork.iteration")


class Shift:
    """Of one job.

    Args:
        shard: where the run is. opened: the run.
        context: of the job. throttled: says why the run has to wait.
        lease_seconds: who has not said for so long that it lives is taken for dead.
    """

    def __init__(
        self,
        shard: IterationShard,
        opened: Opened,
        context: JobContext,
        throttled: Callable[[], Held | None],
        lease_seconds: float,
    ) -> None:
        self._shard = shard
        self._leases = shard.leases(opened.run.shop_id)
        self._opened = opened
        self._run_id = opened.run.id
        self._me = context.job_id
        # A job is leased to one process at a time: what it seems to hold was left by an earlier life of it.
        self._earlier_lives: tuple[str, ...] = (context.job_id,)
        self._throttled = throttled
        self._lease_seconds = lease_seconds
        self._course = Course(shard, opened.run, opened.task.job, lease_seconds)
        self._sizing = Sizing(opened.task.job)
        self._patience = Patience(context, opened.task.job.time_slice_seconds)
        self._splitting = Splitting(shard, opened)

    def work(self) -> JobSignal | None:
        """Work until nothing is left for this job, or it has to leave; return how the job ends."""
        ending = ANOTHER
        while ending.takes_another:
            if self._patience.is_asked_to_stop():
                ending = self._stop()
                continue
            held = self._take()
            ending = self._empty_handed() if held is None else self._walk(held)
        return ending.signal

    def _take(self) -> Partition | None:
        return self._leases.take(
            self._run_id,
            self._me,
            dead_owners=self._earlier_lives,
            not_leased_since=self._alive_since(),
        )

    def _walk(self, held: Partition) -> Ending:
        walk = Walk(
            self._shard, self._opened, held, self._course, self._sizing, self._patience, self._throttled
        )
        ending = walk.through()
        if ending.is_lost:
            # Somebody may hold partitions under this job's name by now: this process is its earlier life.
            self._earlier_lives = ()
        return ending

    def _empty_handed(self) -> Ending:
        """Nothing was to be had: make something, or end."""
        run = self._shard.runs.get(self._run_id)
        if run is None:
            raise UnknownRun(self._shard.pod_id, self._run_id)
        if run.state not in HANDS_OUT:
            self._course.settle(self._me, "")
            return OVER
        unfinished = [
            part for part in self._shard.partitions.of(self._run_id) if part.state is not PartitionState.DONE
        ]
        if not unfinished:
            self._finish()
            return OVER
        if self._splitting.split(run.parallel):
            return ANOTHER
        if any(self._is_alive(part, run.forced) for part in unfinished):
            return OVER  # whoever holds it goes on with the others
        return Ending(Snooze(random.uniform(*COME_BACK_SECONDS), "nobody can take what is left"))  # noqa: S311 - spreads load

    def _finish(self) -> None:
        try:
            self._course.finish()
        except HookFailed as failed:
            self._course.fail(failed.error, failed.what)
            log.error("%s", failed.what, exc_info=failed.error)

    def _stop(self) -> Ending:
        if self._patience.context.cancelled:
            self._course.cancel("its job was cancelled")
        self._course.settle(self._me, "its worker stops")
        return Ending(Interrupted())

    def _is_alive(self, part: Partition, forced: int) -> bool:
        return part.is_held_since(self._alive_since(), forced) and part.owner not in self._earlier_lives

    def _alive_since(self) -> float:
        return self._shard.clock.now() - self._lease_seconds
