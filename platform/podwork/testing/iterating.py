"""Iteration jobs in a test: all batches of a run, one after the other, on a database that the test gives.

Owns: `iterate`, and `ShardOfTest`, which runs them in the blocks that run jobs. Promises: parameters and
cursors go through text, as they do in production; each batch is a transaction of its own, and begins with a
new job object and a new collection, as if the run had been interrupted before it: what a batch is to leave
for the next one has to be in the database. What the job raises comes to the test, after the batch was rolled
back. Leaves out what belongs to workers: leases, pauses, throttles, rates, repeated and halved batches,
quarantine. Leaves to others: SQLAlchemy, which is only imported when a batch begins: the engine knows no SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from podwork import context as contexts
from podwork.errors import ConfigurationError
from podwork.interfaces import SystemClock
from podwork.iteration.collection import Collection, Cursor, RangeCollection, Slice
from podwork.iteration.cursor import decode, encode
from podwork.iteration.declaration import Declaration
from podwork.iteration.job import IterationJob, Place
from podwork.iteration.methods import Form
from podwork.parcel import parcel_of
from podwork.testing.criteria import JobRef, criteria
from podwork.testing.jobs import NO_ARGS

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.orm import Session

    from podwork.context import JobContext
    from podwork.job import JobClass

BATCH_ROWS: Final = 2
"""So few, because a test has few rows: there are to be several batches all the same."""


def iterate(
    job: JobRef,
    shard: Engine | Connection,
    *,
    shop_id: int | None = None,
    pod: int | None = None,
    batch_size: int = BATCH_ROWS,
    args: Mapping[str, Any] = NO_ARGS,
    **named: Any,
) -> int:
    """Run an iteration job over its whole collection; return how many rows it did.

        assert iterate(FillNetPrice, engine, shop_id=7, percent=95) == 5

    Args:
        job: the declared class, or a `.call()` of it.
        shard: where its rows are. An engine: each batch is committed. A connection: what the batches do is
            part of the transaction that the test has begun on it, and rolled back with that.
        shop_id, pod: where it is pushed; without both, to pod 1.
        batch_size: how many rows a batch has. args, named: the parameters.

    Raises:
        ConfigurationError: it is no iteration job.
        InvalidArguments, InvalidRoute: it could not be pushed so.
        AssertionError: a collection of one's own does not what a collection promises.
        Exception: what the job raises; `on_failure` was called then.
    """
    __tracebackhide__ = True
    wanted = criteria(job, {**args, **named}, shop_id=shop_id, pod=pod)
    assert wanted.job_class is not None
    job_class, shop_id = wanted.job_class, wanted.shop_id
    if job_class.declaration is None:
        raise ConfigurationError(f"{job_class.name} is no iteration job", "run it in draining() or inline()")
    now_ms = int(SystemClock().now() * 1000)
    parcel = parcel_of(job_class, job_class.parameters.bind_named(dict(wanted.args)), shop_id, now_ms)
    context = contexts.JobContext(parcel.id, job_class.name, job_class.queue, shop_id, pod or 1, 1)
    params = msgspec.json.decode(parcel.args, type=dict[str, Any])
    with contexts.running(context):
        return _Run(job_class.declaration, params, context, shard, batch_size).work()


class ShardOfTest:
    """Runs the iteration jobs of a block: each of them from its beginning to its end, when its job runs."""

    def __init__(self, shard: Engine | Connection) -> None:
        self._shard = shard

    def work(self, job_class: JobClass[Any], args: Mapping[str, Any], context: JobContext) -> None:
        """Do all batches."""
        __tracebackhide__ = True
        assert job_class.declaration is not None
        _Run(job_class.declaration, args, context, self._shard, BATCH_ROWS).work()


class _Run:
    """One run, by one thread, without interruption."""

    def __init__(
        self,
        declaration: Declaration,
        params: Mapping[str, Any],
        context: JobContext,
        shard: Engine | Connection,
        batch_size: int,
    ) -> None:
        self._declaration = declaration
        self._params = params
        self._context = context
        self._shard = shard
        self._batch_size = batch_size

    def work(self) -> int:
        """Do all batches and call the hooks; return how many rows were done."""
        __tracebackhide__ = True
        with self._transaction() as session:
            slices = self._collection(self._job()).slices(
                session.connection(), self._declaration.target.parallel
            )
        self._hook(lambda job: job.on_start())
        try:
            rows = sum(self._partition(number, part) for number, part in enumerate(slices))
        except Exception as failure:
            error = failure
            self._hook(lambda job: job.on_failure(error))
            raise
        self._hook(lambda job: job.on_complete())
        return rows

    def _partition(self, number: int, part: Slice) -> int:
        part = Slice(_kept(part.after), _kept(part.upto))
        rows, cursor = 0, None
        while True:
            with self._transaction() as session:
                done = self._batch(session, number, part, cursor)
            if done is None:
                return rows
            if cursor is not None and encode(done[0]) == encode(cursor):
                raise AssertionError(
                    f"{self._declaration.name}: a batch of its collection ends where it began, at {cursor!r} "
                    "- it has to move on, or to be None"
                )
            cursor, rows = _kept(done[0]), rows + done[1]

    def _batch(
        self, session: Session, number: int, part: Slice, cursor: Cursor | None
    ) -> tuple[Cursor, int] | None:
        """Do one batch; return the cursor after it, and how many rows it had; None: there was none."""
        job = self._job()
        collection, connection, limit = self._collection(job), session.connection(), self._batch_size
        place = Place(self._context.job_id, session, number, cursor)
        if self._declaration.form is Form.EACH_RANGE:
            ranged = cast("RangeCollection", collection).range(connection, part, cursor, limit)
            if ranged is None:
                return None
            with job.placed(place):
                job.each_range(ranged.lo, ranged.hi)
            return ranged.hi, ranged.rows
        batch = collection.batch(connection, part, cursor, limit)
        if batch is None:
            return None
        assert len(batch.items) <= limit, f"{self._declaration.name}: more than {limit} items in a batch"
        with job.placed(place):
            if self._declaration.form is Form.EACH_BATCH and batch.items:
                job.each_batch(batch.items)
            elif self._declaration.form is Form.EACH:
                for item in batch.items:
                    job.each(item)
        return batch.last, len(batch.items)

    def _hook(self, call: Callable[[IterationJob], None]) -> None:
        job = self._job()
        with self._transaction() as session, job.placed(Place(self._context.job_id, session)):
            call(job)

    def _job(self) -> IterationJob:
        return self._declaration.job(self._context, self._params, self._context.shop_id)

    def _collection(self, job: IterationJob) -> Collection:
        return self._declaration.collection(job)

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        from sqlalchemy.orm import Session  # noqa: PLC0415 - see the module's docstring

        # On a connection with a transaction of the test's own, a batch is a savepoint of that.
        with Session(self._shard, join_transaction_mode="create_savepoint") as session, session.begin():
            yield session


def _kept(cursor: Cursor | None) -> Cursor | None:
    """Return the cursor as it is read back from the shard."""
    return None if cursor is None else decode(encode(cursor))
