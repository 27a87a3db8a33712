"""One batch: one transaction, in which rows are worked on and the cursor moves past them.

Owns: `do_batch`, and the order of its steps:

1. lock the partition's row, and refuse if its lease is somebody else's (`PartitionLost`)
2. read what the run was told, if that has changed; if it is not to go on, nothing is done
3. of a pod's run, if any are: read which shops it leaves out; if it cannot, nothing is done
4. read the next rows, behind the cursor that was committed last
5. let the job work on them
6. write the cursor and the counts
7. commit all of it

Promises: whatever happens between two of these, rows and cursor agree. Go on from the partition that is
returned; after an error from the one before, the lock says how far it is. Leaves to others: what follows from
an answer or an error (`walk`).
"""

from __future__ import annotations

from typing import NamedTuple

from podwork.iteration.job import Place
from podwork.iteration.states import RunState
from podwork.points import reach
from podwork_pods.iteration.partition import Partition
from podwork_pods.iteration.portion import hand_over, read_portion
from podwork_pods.iteration.run import Orders
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.iteration.task import Opened

GOES_ON = frozenset({RunState.RUNNING, RunState.THROTTLED})
"""In these states batches are done; in all others whoever holds a partition has to do something else."""


class Tried:
    """What is known of a batch under way; it outlives the error with which the batch ends."""

    def __init__(self) -> None:
        self.rows: int | None = None
        """How many it had; None: they were not read."""


class Did(NamedTuple):
    """A batch that was committed.

    `partition` is as it is now. `rows` is None if the orders said that nothing is to be done.
    """

    partition: Partition
    orders: Orders
    rows: int | None


def do_batch(
    shard: IterationShard, opened: Opened, held: Partition, known: Orders | None, limit: int, tried: Tried
) -> Did:
    """Do the next batch of a partition, of at most `limit` rows.

    `known` is what the last batch under this lease read of the run; None: it is the first one.

    Raises:
        PartitionLost: it is somebody else's by now; nothing was written.
        Exception: whatever the job, its collection or the shard raised; nothing was written, unless the
            commit's answer was lost.
    """
    run_id = held.run_id
    with shard.open(opened.run.shop_id) as session:
        connection = session.connection()
        told = None if known is None else known.revision
        partition, run_revision, leaves_out = shard.partitions.lock_with_run(connection, held, told)
        orders = shard.runs.orders(connection, run_id) if known is None or run_revision != told else known
        if not may_go_on(partition, orders):
            return Did(partition, orders, None)
        task = shard.left_out.task(connection, opened) if leaves_out else opened.task
        if task is None:
            return Did(partition, orders, None)
        portion = read_portion(task, connection, partition.slice, partition.cursor, limit)
        if portion is None:
            after = shard.partitions.advance(connection, partition, partition.cursor, 0, done=True)
        else:
            tried.rows = portion.rows
            reach("batch.read")
            hand_over(task, portion, session, Place(run_id, session, partition.number, partition.cursor))
            reach("batch.worked")
            after = shard.partitions.advance(connection, partition, portion.last, portion.rows, done=False)
        reach("batch.committing")
    reach("batch.committed")
    return Did(after, orders, 0 if portion is None else portion.rows)


def may_go_on(partition: Partition, orders: Orders) -> bool:
    """Return whether whoever holds the partition may do a batch of it."""
    return orders.state in GOES_ON and partition.slot is not None and partition.slot < orders.parallel
