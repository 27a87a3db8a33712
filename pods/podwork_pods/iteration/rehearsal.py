"""A rehearsal: some batches of a run that is not made, each of them undone.

Owns: `rehearse` and `Rehearsal`. Promises: nothing stays in the shard: no run, and no row that was written.
What the job does elsewhere is done, and hooks are not called. Leaves to others: telling people that.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from podwork import identity, keys
from podwork.context import JobContext
from podwork.iteration.collection import Cursor, Slice
from podwork.iteration.job import Place
from podwork.job import JobClass
from podwork_pods.iteration.portion import hand_over, read_portion
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.iteration.sizing import Sizing
from podwork_pods.iteration.task import Task, task_of


class Rehearsal(NamedTuple):
    """What was done and undone.

    `seconds` are those of the batches. `rows_total` is what a run would count at its start; None: nobody
    knows. `estimate_seconds` is for how long one job would go on at this pace.
    """

    rows: int
    batches: int
    seconds: float
    rows_total: int | None
    rows_per_second: float | None
    estimate_seconds: float | None


class _Undo(Exception):
    """Rolls a batch back."""


def rehearse(
    shard: IterationShard,
    job_class: JobClass[Any],
    args: Mapping[str, Any],
    shop_id: int | None,
    batches: int,
) -> Rehearsal:
    """Do up to so many batches from the beginning of the collection, each in a transaction that is undone.

    Args:
        shard: where. job_class, args: as they would be pushed. shop_id: for a run of a shop.
        batches: how many at most.

    Raises:
        InvalidArguments, ConfigurationError: it could not be begun.
        Exception: whatever the job raises.
    """
    shop = keys.POD_LANE if shop_id is None else str(shop_id)
    job_id = identity.new_job_id(int(shard.clock.now() * 1000), shop)
    context = JobContext(job_id, job_class.name, job_class.queue, shop_id, shard.pod_id, 0)
    task = task_of(job_class, args, context, shop_id)
    with shard.open(shop_id) as session:
        connection = session.connection()
        part = task.collection.slices(connection, 1)[0]
        total = task.collection.count(connection)
    sizing, cursor, rows, done, seconds = Sizing(task.job), None, 0, 0, 0.0
    while done < batches:
        began = time.monotonic()
        found = _undone_batch(shard, task, part, cursor, sizing.limit())
        if found is None:
            break
        took = time.monotonic() - began
        cursor, more = found
        rows, done, seconds = rows + more, done + 1, seconds + took
        sizing.measured(more, took)
    rate = rows / seconds if rows and seconds > 0 else None
    estimate = total / rate if total is not None and rate is not None else None
    return Rehearsal(rows, done, seconds, total, rate, estimate)


def _undone_batch(
    shard: IterationShard, task: Task, part: Slice, cursor: Cursor | None, limit: int
) -> tuple[Cursor, int] | None:
    """Return the cursor and the number of rows of a batch that was done and undone; None: nothing is left."""
    portion = None
    try:
        with shard.open(task.job.context.shop_id) as session:
            portion = read_portion(task, session.connection(), part, cursor, limit)
            if portion is not None:
                hand_over(task, portion, session, Place(task.job.context.job_id, session, 0, cursor))
            raise _Undo
    except _Undo:
        return None if portion is None else (portion.last, portion.rows)
