"""What one batch holds, and giving it to the job.

Owns: `Portion`, `read_portion`, `hand_over`. Promises: a collection that does not move on is refused before
the batch is written, instead of going round for ever; a job that ends the transaction itself is found out
before the cursor moves. Leaves to others: the transaction (`batch`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from podwork.iteration.collection import Batch, Cursor, Slice
from podwork.iteration.job import Place
from podwork.iteration.methods import Form
from podwork_pods.iteration.collections.errors import InvalidCollection
from podwork_pods.iteration.errors import BatchEnded
from podwork_pods.iteration.task import Task


class Portion(NamedTuple):
    """Some rows, the cursor of the last one, and the call that works on them."""

    last: Cursor
    rows: int
    work: Callable[[], object]


def read_portion(
    task: Task, connection: Connection, part: Slice, cursor: Cursor | None, limit: int
) -> Portion | None:
    """Return the next rows behind the cursor; None: the slice holds no more."""
    job, form = task.job, task.declared.form
    if form is Form.EACH_RANGE:
        span = task.collection.range(connection, part, cursor, limit)
        if span is None:
            return None
        portion = Portion(span.hi, span.rows, partial(job.each_range, span.lo, span.hi))
    else:
        batch: Batch | None = task.collection.batch(connection, part, cursor, limit)
        if batch is None:
            return None
        work = partial(job.each_batch if form is Form.EACH_BATCH else _each_of(job), batch.items)
        portion = Portion(batch.last, len(batch.items), work if batch.items else _nothing)
    if portion.last == (part.after if cursor is None else cursor):
        raise InvalidCollection(
            f"{task.declared.name}: a batch of its collection ends where it began",
            "let `last` be the key of the last item that was looked at",
        )
    return portion


def hand_over(task: Task, portion: Portion, session: Session, place: Place) -> None:
    """Let the job work on the rows. Raises what it raises, and BatchEnded."""
    transaction = session.get_transaction()
    with task.job.placed(place):
        portion.work()
    if session.get_transaction() is not transaction:
        raise BatchEnded(task.declared.name)
    session.flush()


def _each_of(job: Any) -> Callable[[Any], None]:
    def each_of(items: Any) -> None:
        each = job.each
        for item in items:
            each(item)

    return each_of


def _nothing() -> None:
    """Work on no rows: a filter let none of them pass."""
