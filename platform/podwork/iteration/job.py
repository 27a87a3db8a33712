"""The iteration job, as an application writes it: a collection, and what is to be done with it.

    @app.job(queue="backfills")
    class FillNetPrice(IterationJob):
        percent: int = 100

        def collection(self) -> Collection:
            return rows("order_lines")

        def each_range(self, lo: Cursor, hi: Cursor) -> None:
            self.session.execute(FILL, {"lo": lo[0], "hi": hi[0], "percent": self.percent})

    FillNetPrice.enqueue(percent=95, shop_id=330)

Owns: `IterationJob`, its options, and `Place`, where a run of it stands. Promises: the job never sees a
half-done batch: what it writes through `self.session` is committed together with the cursor, or not at all.
Leaves to others: checking what is declared (`declaration`), and the loop, which belongs to the engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from podwork.errors import ConfigurationError
from podwork.iteration import cursor as cursors
from podwork.iteration.collection import Collection, Cursor
from podwork.iteration.methods import FORMS, Form
from podwork.job import Job

if TYPE_CHECKING:
    from podwork.iteration.declaration import Declaration
    from podwork.iteration.throttle import Throttle


class Place(NamedTuple):
    """Where a run stands, as the engine tells the job of it.

    `session` is the open transaction. `partition` is None in a hook, which belongs to the run as a whole.
    `cursor` is the one from which the batch goes on; None: from the partition's beginning.
    """

    run_id: str
    session: Any
    partition: int | None = None
    cursor: Cursor | None = None


class IterationJob(Job):
    """The base of jobs that work through a collection, in batches that are committed one by one.

    Write `collection()`, one of `each(item)`, `each_batch(items)` and `each_range(lo, hi)`, and decorate with
    `App.job`. Its parameters are annotated attributes of the class; those with a value may be left out when
    it is enqueued. They have JSON types, are checked like any job's, and are there in every method. A
    parameter `shop_id` is given the run's shop. Annotated names that begin with `_`, and those annotated with
    `ClassVar` or `Final`, are no parameters.
    """

    target_seconds: ClassVar[float] = 0.2
    """How long a batch should take; its size follows."""
    batch_size: ClassVar[int] = 100
    """How many rows the first batch holds."""
    most_rows: ClassVar[int] = 20_000
    """How many rows a batch holds at most."""
    least_rows: ClassVar[int] = 1
    """A batch that was too slow does not get smaller than this; one that failed does."""
    parallel: ClassVar[int] = 1
    """How many partitions of a run are worked on at once, at most."""
    time_slice_seconds: ClassVar[float] = 60.0
    """After so long the run goes to the back of its queue, so that it does not hold a processor for ever."""
    quarantine_limit: ClassVar[int] = 0
    """How many items of a run may fail and be left out, each with its error; one more fails the run."""
    batch_attempts: ClassVar[int] = 3
    """How often an item that fails is tried alone, before it is left out, or the run fails."""
    throttles: ClassVar[tuple[Throttle, ...]] = ()
    """What holds the run back while its pod has other worries; each of them has to let it go on."""

    _place: Place | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if any("run" in vars(base) for base in application_classes(cls)):
            raise ConfigurationError(
                f"{cls.__qualname__}: an iteration job has no run(): podwork runs the loop, commits "
                "after each batch, and stops between two of them",
                f"write collection() and {FORMS}; what comes before and after goes into on_start() and "
                "on_complete()",
            )
        forms = forms_of(cls)
        if len(forms) > 1:
            raise ConfigurationError(
                f"{cls.__qualname__} has {' and '.join(f'{form}()' for form in forms)}", "keep one of them"
            )

    def collection(self) -> Collection:
        """Return what is to be worked through; asked once in each job that works on the run.

        It has to be the same each time: it may depend on the parameters, and on nothing that changes.
        """
        raise self._undefined("collection")

    def each(self, item: Any, /) -> None:
        """Work on one item. If it raises, the batch is repeated with fewer items."""
        raise self._undefined("each")

    def each_batch(self, items: Sequence[Any], /) -> None:
        """Work on some items, in the order of their keys."""
        raise self._undefined("each_batch")

    def each_range(self, lo: Cursor, hi: Cursor, /) -> None:
        """Work on the rows from one key to the other, both included, in statements of your own."""
        raise self._undefined("each_range")

    def _undefined(self, method: str) -> ConfigurationError:
        """Return what is said to who calls what the class does not define."""
        return ConfigurationError(f"{type(self).__qualname__} has no {method}()", "define it in the class")

    # Hooks. Each is called in the transaction in which the run changes its state: what it writes through
    # `self.session` is there if and only if the state has changed.

    def on_start(self) -> None:
        """Called once in a run, before its first batch."""

    def on_pause(self) -> None:
        """Called each time the run has been paused while it was worked on, after its last batch."""

    def on_resume(self) -> None:
        """Called each time a paused or failed run goes on, before its next batch."""

    def on_complete(self) -> None:
        """Called once in a run, when every partition of it is done."""

    def on_failure(self, error: BaseException, /) -> None:
        """Called each time the run has failed."""

    @property
    def session(self) -> Any:
        """The transaction of the batch, or of the hook: a session of SQLAlchemy, on the shard.

        It is the engine's: do not commit or roll back. Raises ConfigurationError outside of both.
        """
        return self._here("session").session

    @property
    def run_id(self) -> str:
        """The id of the run: that of the job that started it. Raises ConfigurationError outside of one."""
        return self._here("run_id").run_id

    @property
    def idempotency_key(self) -> str:
        """A key for what the batch does elsewhere: it is the same when the batch is repeated.

        A repeated batch begins with the same item and may hold fewer of them: what is done elsewhere for each
        item needs a key that names the item, such as `f"{self.run_id}:{item.id}"`. Raises ConfigurationError
        outside of a batch.
        """
        place = self._here("idempotency_key")
        if place.partition is None:
            raise self._nowhere("idempotency_key")
        at = "start" if place.cursor is None else cursors.encode(place.cursor)
        return f"{place.run_id}:{place.partition}:{at}"

    @contextmanager
    def placed(self, place: Place) -> Iterator[None]:
        """Let the job know where its run stands, inside the block; for the engine, and for tests of a job."""
        before, self._place = self._place, place
        try:
            yield
        finally:
            self._place = before

    @classmethod
    def _declaration(cls, name: str) -> Declaration:
        from podwork.iteration.declaration import Declaration  # noqa: PLC0415 - it imports this module

        return Declaration.of(name, cls)

    def _here(self, name: str) -> Place:
        if self._place is None:
            raise self._nowhere(name)
        return self._place

    def _nowhere(self, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"{type(self).__qualname__}: there is no {name} here: no batch is under way",
            f"use it in {FORMS}; session and run_id are there in hooks too",
        )


def application_classes(target: type) -> list[type]:
    """Return the classes that the application wrote for a job, the most derived one first."""
    return [base for base in target.__mro__ if base not in IterationJob.__mro__]


def forms_of(target: type) -> list[Form]:
    """Return the forms that the application wrote for a job."""
    written = application_classes(target)
    return [form for form in Form if any(form in vars(base) for base in written)]
