"""Beginning a run from outside of its jobs: its row first, with its limits, then its jobs.

Owns: `begin`. Promises: when it returns the run stands in the shard, and begins as soon as a worker is there,
whatever becomes of Redis: jobs that could not be pushed are pushed by the keeper. Leaves to others: cutting
it into partitions, which its first job does (`opening`).
"""

from __future__ import annotations

from collections.abc import Callable

from podwork.errors import PodworkError
from podwork_pods.iteration.run import NewRun, Run
from podwork_pods.iteration.shard import IterationShard


def begin(
    shard: IterationShard, new: NewRun, push: Callable[[Run], object]
) -> tuple[Run, PodworkError | None]:
    """Make a run, and push its jobs; return it, and why they could not be pushed.

    Args:
        shard: of the pod, or of the shop's pod. new: the run; its id has the form of a job's.
        push: pushes the jobs of a run that are missing.

    Raises:
        InvalidRunSetting: nobody could go on so.
        ShardUnavailable, ShardUnprepared, ShopMoving: it was not made.
    """
    with shard.open(new.shop_id) as session:
        run = shard.runs.create(session.connection(), new, ())
    try:
        push(run)
    except PodworkError as error:
        return run, error
    return run, None
