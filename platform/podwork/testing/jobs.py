"""What a test holds while an application pushes: the jobs, the clock, and the assertions.

Owns: `FakeJobs`. Promises: what is asked is about every job that was accepted since the block began (or
since `forget`), whatever has become of it; `state=` asks for those that stand there now. Leaves to others:
running jobs (`podwork.testing.draining`), opening and closing the block (`podwork.testing.modes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from podwork.testing import criteria as comparing
from podwork.testing.clock import VirtualClock
from podwork.testing.criteria import Criteria, JobRef
from podwork.testing.enqueued import EnqueuedJob
from podwork.testing.places import State
from podwork.testing.pods import MemoryPods

NO_ARGS: Mapping[str, Any] = {}


class FakeJobs:
    """The jobs of a test. In every method a job is the declared function or class, or a `.call()` of it.

    Arguments of the job are given by name, as many as matter. Those that are called like something else here
    (`queue`, `state`, `count`) go into `args={...}`.
    """

    def __init__(self, pods: MemoryPods) -> None:
        self._pods = pods

    @property
    def clock(self) -> VirtualClock:
        """The time of this test; `clock.advance(60)` lets a minute pass."""
        return self._pods.clock

    def enqueued(
        self,
        job: JobRef | None = None,
        *,
        shop_id: int | None = None,
        pod: int | None = None,
        queue: str | None = None,
        state: State | None = None,
        at: float | datetime | None = None,
        in_: float | timedelta | None = None,
        args: Mapping[str, Any] = NO_ARGS,
        **named: Any,
    ) -> list[EnqueuedJob]:
        """Return the jobs that were enqueued so, in the order of their pushes."""
        wanted = comparing.criteria(
            job, {**args, **named}, shop_id=shop_id, pod=pod, queue=queue, state=state, at=at, in_=in_
        )
        return self._such(wanted)

    def assert_enqueued(
        self,
        job: JobRef,
        *,
        shop_id: int | None = None,
        pod: int | None = None,
        queue: str | None = None,
        state: State | None = None,
        at: float | datetime | None = None,
        in_: float | timedelta | None = None,
        count: int | None = None,
        args: Mapping[str, Any] = NO_ARGS,
        **named: Any,
    ) -> list[EnqueuedJob]:
        """Fail unless such a job was enqueued; with `count`, exactly so many. Returns them.

        Args:
            job: the job. shop_id: its shop. pod: the pod, for work without a shop, or where the shop is.
            queue: where it was queued. state: where it stands now.
            at: when it was to run. in_: how long after its push it was to run; 0: at once.
            count: how many there are. args, named: some of its arguments; defaults count as given.

        Raises:
            AssertionError: there is none; the message names the nearest miss.
            InvalidArguments: the job takes no such argument.
        """
        __tracebackhide__ = True
        wanted = comparing.criteria(
            job, {**args, **named}, shop_id=shop_id, pod=pod, queue=queue, state=state, at=at, in_=in_
        )
        found, jobs = self._such(wanted), self._pods.jobs()
        if count is not None and len(found) != count:
            raise AssertionError(comparing.miscounted(wanted, count, found, jobs))
        if count is None and not found:
            raise AssertionError(comparing.not_found(wanted, jobs))
        return found

    def refute_enqueued(
        self,
        job: JobRef,
        *,
        shop_id: int | None = None,
        pod: int | None = None,
        queue: str | None = None,
        state: State | None = None,
        at: float | datetime | None = None,
        in_: float | timedelta | None = None,
        args: Mapping[str, Any] = NO_ARGS,
        **named: Any,
    ) -> None:
        """Fail if such a job was enqueued. Raises as `assert_enqueued` does."""
        __tracebackhide__ = True
        wanted = comparing.criteria(
            job, {**args, **named}, shop_id=shop_id, pod=pod, queue=queue, state=state, at=at, in_=in_
        )
        if found := self._such(wanted):
            raise AssertionError(comparing.unexpected(wanted, found))

    def assert_nothing_enqueued(self) -> None:
        """Fail if any job was enqueued."""
        __tracebackhide__ = True
        if jobs := self._pods.jobs():
            raise AssertionError("\n".join(["jobs were enqueued", *comparing.listed(jobs)]))

    def waiting(self) -> list[EnqueuedJob]:
        """Return the jobs that are still to run, now or later."""
        return [job for job in self._pods.jobs() if job.state not in ("ended", "dead")]

    def forget(self) -> None:
        """Forget all jobs, also those that still wait; locks of unique jobs are free again."""
        self._pods.forget()

    def _such(self, wanted: Criteria) -> list[EnqueuedJob]:
        return [job for job in self._pods.jobs() if not wanted.differences(job)]
