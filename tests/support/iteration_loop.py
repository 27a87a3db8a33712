"""The loop of iteration jobs without a worker: jobs over `items`, driven from a test's own thread.

`Plan` is what a test wants the jobs to do beyond incrementing; what hooks are called, they write into `told`
in their transactions, so that only what was committed counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from sqlalchemy import text

from podwork import App
from podwork.context import JobContext, running
from podwork.identity import job_of_run
from podwork.iteration.collection import Collection, Cursor
from podwork.iteration.job import IterationJob
from podwork.iteration.states import RunState
from podwork.iteration.throttle import Held
from podwork.job import JobClass
from podwork.signals import JobSignal
from podwork_pods import unbroken
from podwork_pods.iteration.collections import rows
from podwork_pods.iteration.iterations import ShardIterations
from podwork_pods.iteration.partition import Partition
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.shard import IterationShard
from tests.support.iteration_stand import POD, IterationStand

RUN = "01937d1f2ab4f06c1d9e2-pod"
LEASE_SECONDS = 15.0


class Plan:
    """What a test wants: each of these is called if it is set."""

    touch: Callable[[IterationJob, int], None] | None = None
    """Before a row is incremented, with its id."""
    collection: Callable[[], Collection] | None = None
    """Instead of the whole table."""
    hook: Callable[[str], None] | None = None
    """After a hook has written down its name."""


class _Base(IterationJob):
    plan: ClassVar[Plan]
    batch_size = 4
    most_rows = 4

    def collection(self) -> Collection:
        return self.plan.collection() if self.plan.collection else rows("items")

    def on_start(self) -> None:
        self._told("on_start")

    def on_pause(self) -> None:
        self._told("on_pause")

    def on_resume(self) -> None:
        self._told("on_resume")

    def on_complete(self) -> None:
        self._told("on_complete")

    def on_failure(self, error: BaseException, /) -> None:
        self._told(f"on_failure {type(error).__name__}")

    def _told(self, what: str) -> None:
        self.session.execute(text("INSERT INTO told VALUES (:what)"), {"what": what})
        if self.plan.hook:
            self.plan.hook(what.partition(" ")[0])

    def _increment(self, number: int) -> None:
        if self.plan.touch:
            self.plan.touch(self, number)
        self.session.execute(text("UPDATE items SET n = n + 1 WHERE id = :id"), {"id": number})


class _Each(_Base):
    def each(self, item: Any) -> None:
        self._increment(item.id)


class _Batch(_Base):
    def each_batch(self, items: Sequence[Any]) -> None:
        for item in items:
            self._increment(item.id)


class _Range(_Base):
    def each_range(self, lo: Cursor, hi: Cursor) -> None:
        if self.plan.touch:
            for number in range(lo[0], hi[0] + 1):
                self.plan.touch(self, number)
        between = text("UPDATE items SET n = n + 1 WHERE id BETWEEN :lo AND :hi")
        self.session.execute(between, {"lo": lo[0], "hi": hi[0]})


FORMS: dict[str, type[_Base]] = {"each": _Each, "each_batch": _Batch, "each_range": _Range}


class Overseer:
    """Asked by the loop before every batch: acts as the test wants, at exactly that time."""

    def __init__(self, *acts: Callable[[], object] | None, then_stop: bool = False) -> None:
        self._acts = list(acts)
        self._then_stop = then_stop
        self.cancelled = False

    def should_stop(self, _job_id: str) -> bool:
        """Do the next act; when there is none left, stop if that is wanted."""
        if not self._acts:
            return self._then_stop or self.cancelled
        act = self._acts.pop(0)
        if act is not None:
            act()
        return self.cancelled

    def is_cancelled(self, _job_id: str) -> bool:
        return self.cancelled

    def runs(self, _job_id: str) -> bool:
        return True


class Loop:
    """A shard with `items`, one run, and the jobs that work on it."""

    def __init__(
        self, stand: IterationStand, rows: int = 20, form: str = "each_batch", **options: Any
    ) -> None:
        self.stand = stand
        self.plan = Plan()
        self.throttle: Callable[[], Held | None] = lambda: None
        self.pushed: list[Run] = []
        stand.prepare(rows=rows)
        with stand.engine.begin() as connection:
            connection.execute(text("CREATE TABLE told (what VARCHAR(64))"))
        unbroken.watch(stand.engine)
        self.shard = IterationShard(POD, lambda: stand.engine, lambda: stand.single, None, stand.clock)
        self.job_class = self.declare(form, **options)
        self.iterations = ShardIterations(
            self.shard,
            lambda _job_class, run: self.pushed.append(run),
            lambda _job, _shop_id: self._held_back,
            lease_seconds=LEASE_SECONDS,
        )

    def declare(self, form: str, **options: Any) -> JobClass[Any]:
        """Return a job class of that form with these options; annotated ones are its parameters."""
        target: Any = type("Fill", (FORMS[form],), {"plan": self.plan, "__module__": __name__, **options})
        App("loop").job(name="fill")(target)
        declared: JobClass[Any] = target.job_class
        return declared

    def work(self, overseer: Overseer | None = None, number: int = 0, **args: Any) -> JobSignal | None:
        """Let one of the run's jobs work until it ends; return how."""
        context = JobContext(
            job_of_run(RUN, number), "fill", "default", None, POD, 0, overseer=overseer or Overseer()
        )
        with running(context):
            return self.iterations.work(self.job_class, args, context)

    def transition(self, to: RunState, reason: str = "") -> Run:
        """Bring the run into a state, as a person does."""
        with self.stand.engine.begin() as connection:
            return self.shard.runs.transition(connection, RUN, to, reason=reason)

    def resume(self) -> None:
        """Let a paused or failed run go on, as a person does."""
        with self.stand.engine.begin() as connection:
            self.shard.runs.transition(connection, RUN, RunState.ENQUEUED)
            self.shard.partitions.reopen(connection, RUN)

    def _held_back(self) -> Held | None:
        return self.throttle()

    def run(self) -> Run:
        """The run as everybody sees it."""
        found = self.shard.runs.get(RUN)
        assert found is not None
        return found

    def parts(self) -> list[Partition]:
        """Its partitions."""
        return self.shard.partitions.of(RUN)

    def counts(self) -> list[int]:
        """How often each row was incremented."""
        return self.stand.counts()

    def told(self) -> list[str]:
        """Which hooks were called, and committed."""
        with self.stand.engine.connect() as connection:
            return list(connection.execute(text("SELECT what FROM told")).scalars())
