"""Leaving out the item on which a run cannot get past.

Owns: `leave_out`. Promises: the item stands in quarantine if and only if the cursor has moved past it; of all
partitions of a run together no more are left out than the class allows. Leaves to others: finding out that
it is this item (`walk`), and doing it after all (`redoing`).
"""

from __future__ import annotations

from podwork_pods.iteration.batch import may_go_on
from podwork_pods.iteration.partition import Partition
from podwork_pods.iteration.portion import read_portion
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.iteration.task import Opened


def leave_out(shard: IterationShard, opened: Opened, held: Partition, error: str) -> Partition | None:
    """Put the next item of a partition into quarantine and return the partition; None: it may not be.

    If there is nothing to leave out (the item is gone, the run is not to go on) the partition comes back as
    it is. Raises as `do_batch`.
    """
    with shard.open(opened.run.shop_id) as session:
        connection = session.connection()
        partition = shard.partitions.lock(connection, held)
        if not may_go_on(partition, shard.runs.orders(connection, held.run_id)):
            return partition
        task = shard.left_out.task(connection, opened)
        if task is None:
            return partition
        item = read_portion(task, connection, partition.slice, partition.cursor, 1)
        if item is None:
            return partition
        limit = opened.task.job.quarantine_limit
        if not shard.quarantine.add(connection, partition, item.last, error, limit=limit):
            return None
        return shard.partitions.advance(connection, partition, item.last, 0, done=False)
