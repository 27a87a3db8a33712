"""The jobs of a test that runs them: when it says so, or at every push.

Owns: `DrainingJobs` and `InlineJobs`. Promises: jobs run one after the other in the calling thread, by queue
(critical, default, low, then by name) and shop by shop in turn, until none is due by the test's clock; what
they enqueue runs in the same drain. A job that fails is first written down as in production (retried,
buried), and then its error is raised to the test. Leaves out: limits, holds, and the hard time limit. Leaves
to others: one run (`podwork.testing.running`).
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from podwork import record
from podwork.testing.criteria import JobRef, declared, listed
from podwork.testing.jobs import FakeJobs
from podwork.testing.places import EVERYTHING
from podwork.testing.running import Performed, Runner
from podwork.testing.schedules import Slots
from podwork.worker.life import Life

if TYPE_CHECKING:
    from podwork.schedules.catalogue import Catalogue
    from podwork.testing.pods import MemoryPods

FIRST_QUEUES: Final = ("critical", "default", "low")
QUEUES: Final = (*FIRST_QUEUES, EVERYTHING)
INCARNATION: Final = "test:0:0"
Runners: TypeAlias = Callable[[int, Life], Runner]
"""Makes the runner of a pod."""


class EndlessDrain(AssertionError):
    """Raised when jobs go on enqueueing jobs that are due at once."""


class DrainingJobs(FakeJobs):
    """The jobs of a test, and the means to run them."""

    def __init__(self, pods: MemoryPods, runners: Runners, schedules: Catalogue, most_runs: int) -> None:
        super().__init__(pods)
        self._schedules = schedules
        self._life = Life(INCARNATION, math.inf)
        self._life.valid_until = math.inf
        self._most_runs = most_runs
        self._performed: list[Performed] = []
        self._new_runner = runners
        self._runners: dict[int, Runner] = {}

    def perform_next(
        self, job_class: JobRef | None = None, *, queue: str | None = None, raises: bool = True
    ) -> Performed:
        """Run the next job that is due; of a class, or of a queue.

        Raises:
            AssertionError: none is due. With `raises`, also what the job raises.
        """
        __tracebackhide__ = True
        performed = self._perform(job_class, queue)
        if performed is None:
            raise AssertionError("\n".join(["no such job is due", *listed(self.waiting())]))
        performed.raise_failure(only_fatal=not raises)
        return performed

    def drain(
        self,
        job_class: JobRef | None = None,
        *,
        queue: str | None = None,
        limit: int | None = None,
        raises: bool = True,
    ) -> list[Performed]:
        """Run what is due, and what that enqueues, until nothing is due; return the runs in their order.

        Args:
            job_class: run only jobs of this class. queue: only jobs of this queue.
            limit: stop after so many runs, whatever is still due.
            raises: raise what a job raises, once its failure is written down; the rest stays queued. False:
                go on with the others, as a worker does. Signals (`Snooze`, `Retry`, ...) are never raised.

        Raises:
            EndlessDrain: so many jobs ran that it looks as if they enqueued each other for ever.
        """
        __tracebackhide__ = True
        runs: list[Performed] = []
        while limit is None or len(runs) < limit:
            performed = self._perform(job_class, queue)
            if performed is None:
                break
            runs.append(performed)
            performed.raise_failure(only_fatal=not raises)
            if limit is None and len(runs) > self._most_runs:
                raise EndlessDrain(_endless(runs, self._most_runs))
        return runs

    def run_for(
        self, duration: float | timedelta, *, schedules: bool = False, raises: bool = True
    ) -> list[Performed]:
        """Let time pass, and run each job when it is due; return the runs in their order.

        `schedules` also pushes what the application's schedules push in that time, to every pod. Raises as
        `drain` does; the clock then stands where the job failed.
        """
        __tracebackhide__ = True
        seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
        end_ms = self.clock.now_ms() + round(seconds * 1000)
        slots = Slots(self._schedules, self.clock.now_ms()) if schedules else None
        runs = self.drain(raises=raises)
        while (due_ms := self._next_due_ms(slots)) is not None and due_ms <= end_ms:
            self._advance_to(due_ms)
            if slots is not None:
                slots.tick(due_ms, self._pods.queues_by_pod())
            runs += self.drain(raises=raises)
        self._advance_to(end_ms)
        return runs

    def performed(self, job: JobRef | None = None) -> list[Performed]:
        """Return all runs so far, in their order; of one job class, if given."""
        job_class = declared(job)
        return [run for run in self._performed if job_class is None or run.job_class == job_class.name]

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """Let jobs believe, inside the block, that the worker stops: `should_stop()` answers yes."""
        self._life.stopping = True
        try:
            yield
        finally:
            self._life.stopping = False

    def forget(self) -> None:
        """Forget all jobs and runs; locks of unique jobs are free again."""
        super().forget()
        self._performed.clear()

    def _perform(
        self, job: JobRef | None, queue: str | None, passed_over: Collection[str] = ()
    ) -> Performed | None:
        """Run the next job; `passed_over` are ids that are left alone."""
        job_class = declared(job)

        def wanted(job_id: str, stored: bytes) -> bool:
            return job_id not in passed_over and (job_class is None or _class_of(stored) == job_class.name)

        for pod_id, store in self._pods.all():
            lease = store.take(INCARNATION, [queue] if queue else QUEUES, wanted)
            if lease is not None:
                performed = self._runner(pod_id).run(lease)
                self._performed.append(performed)
                return performed
        return None

    def _runner(self, pod_id: int) -> Runner:
        if pod_id not in self._runners:
            self._runners[pod_id] = self._new_runner(pod_id, self._life)
        return self._runners[pod_id]

    def _next_due_ms(self, slots: Slots | None) -> int | None:
        due = [store.places.next_due_ms() for _, store in self._pods.all()]
        due.append(slots.next_ms() if slots is not None else None)
        return min((due_ms for due_ms in due if due_ms is not None), default=None)

    def _advance_to(self, moment_ms: int) -> None:
        self.clock.advance(max(0, moment_ms - self.clock.now_ms()) / 1000)


class InlineJobs(DrainingJobs):
    """The jobs of a test that run at their push, before it returns.

    A push that a job makes waits until that job has ended, as in a worker; then it runs too, before the
    outermost push returns. What is due later, was snoozed, or is to be retried stays queued, until `drain()`
    finds it due.
    """

    def __init__(self, pods: MemoryPods, runners: Runners, schedules: Catalogue, most_runs: int) -> None:
        super().__init__(pods, runners, schedules, most_runs)
        self._busy = threading.local()

    def pushed(self) -> None:
        """Run what is due, each job once. Called after every push; raises what jobs raise."""
        __tracebackhide__ = True
        if getattr(self._busy, "is_running", False):
            return
        ran: list[Performed] = []
        self._busy.is_running = True
        try:
            while performed := self._perform(None, None, passed_over={run.job_id for run in ran}):
                ran.append(performed)
                performed.raise_failure()
                if len(ran) > self._most_runs:
                    raise EndlessDrain(_endless(ran, self._most_runs))
        finally:
            self._busy.is_running = False


def _class_of(stored: bytes) -> str:
    return record.decode_payload(record.split(stored)[1]).job_class


def _endless(runs: Sequence[Performed], most: int) -> str:
    counts = Counter(run.job_class for run in runs).most_common(3)
    often = ", ".join(f"{name} {times} times" for name, times in counts)
    return (
        f"more than {most} jobs ran one after the other: {often} - a job that enqueues itself never ends: "
        "give it in_=, pass limit= to drain(), or allow more with most_runs="
    )
