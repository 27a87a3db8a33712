"""Iteration jobs on a pod's shard: the engine's `Iterations`.

Owns: `ShardIterations`. Promises: what keeps a job from its run (no shard, no Redis, rows that others hold)
costs no attempt and fails no run: the job comes back. Leaves to others: the work itself: `opening` finds or
makes the run, `shift` takes partition after partition, `walk` goes through one, `batch` does one batch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from podwork.context import JobContext
from podwork.iteration.job import IterationJob
from podwork.iteration.throttle import Held
from podwork.job import JobClass
from podwork.retry import describe
from podwork.signals import JobSignal, Snooze
from podwork_pods.iteration.opening import Opening
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.iteration.shift import Shift
from podwork_pods.iteration.trouble import Kind, away_seconds, kind_of

LEASE_SECONDS = 15.0

log = logging.getLogger("podwork.iteration")

AsksThrottles = Callable[[IterationJob, int | None], Callable[[], Held | None]]
"""Called once in each job, with its shop; what it returns is called before every batch."""


class ShardIterations:
    """Runs the iteration jobs of one pod.

    Args:
        shard: of the pod.
        push: pushes the jobs of a run that are missing; what it raises is logged, the keeper does it again.
        throttled: gives what says why a run has to wait; None: nothing holds runs back.
        lease_seconds: who has not said for so long that it lives is taken for dead; about a worker's lease.
    """

    def __init__(
        self,
        shard: IterationShard,
        push: Callable[[JobClass[Any], Run], object],
        throttled: AsksThrottles | None = None,
        *,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._shard = shard
        self._opening = Opening(shard, push, lease_seconds)
        self._throttled = throttled
        self._lease_seconds = lease_seconds

    def work(
        self, job_class: JobClass[Any], args: Mapping[str, Any], context: JobContext
    ) -> JobSignal | None:
        """Work on the run to which this job belongs; see `podwork.interfaces.Iterations`.

        Raises:
            StaleEpoch, ShopOnHold: the run's shop has moved, or is being moved.
        """
        try:
            opened = self._opening.open(job_class, args, context)
            if opened is None:
                return None
            throttled = (
                _never if self._throttled is None else self._throttled(opened.task.job, context.shop_id)
            )
            held = self._shard.left_out.held(opened, throttled)
            return Shift(self._shard, opened, context, held, self._lease_seconds).work()
        except Exception as error:
            if kind_of(error) not in (Kind.OUTAGE, Kind.CROWDED):
                raise
            log.warning("job %s comes back later: %s", context.job_id, describe(error))
            return Snooze(away_seconds(), describe(error))


def _never() -> None:
    """Hold nothing back."""
