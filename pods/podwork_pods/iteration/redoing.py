"""Doing an item after all that was left out.

Owns: `redo`. Promises: the item is done once, in one transaction with its leaving of the quarantine; if it
fails again, it stays there with the new error; an item that is gone from its collection leaves the quarantine
undone; one whose shop the run leaves out stays. Leaves to others: which items (`control`).
"""

from __future__ import annotations

from typing import Any

from podwork.context import JobContext
from podwork.iteration.collection import Slice
from podwork.iteration.job import Place
from podwork.job import JobClass
from podwork.points import reach
from podwork.retry import describe
from podwork_pods.iteration.portion import Portion, hand_over, read_portion
from podwork_pods.iteration.quarantine import Quarantined
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.iteration.shop_rows import task_of_run
from podwork_pods.iteration.statements import key
from podwork_pods.iteration.task import Opened, Task, declaration_of
from podwork_pods.iteration.trouble import Kind, kind_of


def redo(shard: IterationShard, job_class: JobClass[Any], run: Run, item: Quarantined) -> str | None:
    """Do one item that was left out of a run; return why it failed again, or None.

    None also means that somebody else has done it meanwhile, or that it is not there any more.

    Raises:
        PodworkError: the shard is away, or the shop is moved; nothing was changed.
    """
    try:
        context = JobContext(run.id, job_class.name, job_class.queue, run.shop_id, shard.pod_id, 0)
        declared = declaration_of(job_class)
        job = declared.job(context, run.params, run.shop_id)
        task = task_of_run(shard.tables(), declared, job, run)
        with shard.open(run.shop_id) as session:
            connection = session.connection()
            if not shard.quarantine.retry(connection, item):
                return None
            now = shard.left_out.task(connection, Opened(run, task))
            portion = None if now is None else _find(now, connection, item)
            if portion is None and now is not task and _find(task, connection, item) is not None:
                raise ShopLeftOut("its shop is left out of this run: it moves, or owes the item itself")
            if portion is not None:
                hand_over(task, portion, session, Place(run.id, session, item.partition, item.after))
    except BaseException as error:
        if kind_of(error) is not Kind.FAILED:
            raise
        said = describe(error)
        reach("redoing.failed")
        with shard.writing(run.shop_id) as connection:
            shard.quarantine.failed_again(connection, item, said)
        return said
    return None


class ShopLeftOut(Exception):
    """Says that an item is not this run's to do."""


def _find(task: Task, connection: Any, item: Quarantined) -> Portion | None:
    """Return the item, passing over what has come in front of it since."""
    part, cursor = Slice(item.after, item.cursor), None
    while (portion := read_portion(task, connection, part, cursor, 1)) is not None:
        if key(portion.last) == key(item.cursor):
            return portion
        cursor = portion.last
    return None
