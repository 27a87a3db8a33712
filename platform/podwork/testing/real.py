"""Jobs of a test in a real Redis, run by the worker's own code in the test's process.

Owns: `worker` and `RedisWorker`. Promises: pushes, claims, locks, limits and follow-ups are those of the
scripts; jobs run in the calling thread, or in `threads` of them, and their errors come to the test; when the
block ends nothing is held any more. Leaves out the processes: no supervisor, no fork, no hard time limit, no
heartbeat beside a job that runs (the lease is long instead). Leaves to others: the server, and emptying its
database between tests.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NoReturn

from podwork.errors import LeaseLost, StoreUnavailable
from podwork.identity import new_incarnation
from podwork.inspection import Inspection
from podwork.interfaces import SystemClock
from podwork.observation import Tally
from podwork.queues import Queues
from podwork.single import SingleRouter
from podwork.store import Store
from podwork.testing.client import BlockClient
from podwork.testing.draining import FIRST_QUEUES
from podwork.testing.modes import bound
from podwork.testing.pods import RouterFence
from podwork.testing.running import Performed, Runner
from podwork.worker.awaiting import Runnable
from podwork.worker.boot import publish_limits
from podwork.worker.life import Life
from podwork.worker.promoter import promote_due, unpark_known
from podwork.worker.reclaimer import sweep

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from podwork.app import App
    from podwork.client import Client
    from podwork.interfaces import Router
    from podwork.lease import Lease
    from podwork.worker.middleware import Middleware

LEASE_SECONDS: Final = 600.0
PAUSE_SECONDS: Final = 0.005


class RedisWorker:
    """A worker of one pod, in this process."""

    def __init__(
        self,
        app: App,
        queues: Queues,
        client: Client,
        router: Router,
        threads: int,
        middleware: Sequence[Middleware],
    ) -> None:
        self.inspection = Inspection(queues.store)
        """What can be asked about the pod: jobs by id, counts, queues."""
        self._queues = queues
        self._app = app
        self._order = _order(app)
        self._life = Life(new_incarnation(), LEASE_SECONDS, end=self._lost)
        self._life.valid_until = math.inf
        pod_id = router.pod_ids()[0]
        fence, clock = RouterFence(router, pod_id), SystemClock()
        self._runners = [
            Runner(app, pod_id, queues, client, fence, self._life, clock, middleware) for _ in range(threads)
        ]

    def drain(self, *, timeout_seconds: float = 30.0, raises: bool = True) -> list[Performed]:
        """Run jobs until none is ready or held; return the runs in the order in which they ended.

        What is scheduled for later, parked or dead stays so.

        Args:
            timeout_seconds: jobs that nobody has run by then are an error; one that runs is not broken off.
            raises: raise what a job raises, once its failure is written down; the rest stays queued. False:
                go on with the others, as a worker does.

        Raises:
            AssertionError: jobs were left: they are on hold, or their queue is none of the application's.
        """
        __tracebackhide__ = True
        shift = _Shift(time.monotonic() + timeout_seconds, raises)
        if len(self._runners) == 1:
            self._work(self._runners[0], shift)
        else:
            with ThreadPoolExecutor(len(self._runners)) as threads:
                for each in [threads.submit(self._work, runner, shift) for runner in self._runners]:
                    each.result()
        for run in shift.runs:
            run.raise_failure(only_fatal=not raises)
        return shift.runs

    def open(self) -> None:
        """Register."""
        names = ",".join(self._order)
        fields: dict[str, str | int] = {"pid": os.getpid(), "host": socket.gethostname(), "queues": names}
        self._queues.register(self._life.incarnation, fields)
        publish_limits(self._queues, self._app)

    def close(self) -> None:
        """Leave, and give back what is held, if anything is."""
        if self._queues.deregister(self._life.incarnation):
            self._queues.reclaim()

    def _work(self, runner: Runner, shift: _Shift) -> None:
        while not shift.is_over:
            lease = self._next()
            if lease is not None:
                shift.ran(runner.run(lease))
            elif not (left := self.inspection.counts()).ready + left.held:
                return
            elif time.monotonic() > shift.deadline:
                raise AssertionError(
                    f"jobs were left: {left.ready} are ready, and {left.held} held by others"
                )
            else:
                time.sleep(PAUSE_SECONDS)

    def _next(self) -> Lease | None:
        """Do what a worker's timekeeper does, and claim the next job."""
        if self._queues.heartbeat(self._life.incarnation, {"busy": 0}).expired:
            sweep(self._queues, Tally())
        unpark_known(self._queues, Runnable(self._app, whatever_they_require=True).versions)
        promote_due(self._queues)
        self._queues.sound_alarms()
        leases = self._queues.claim(self._life.incarnation, self._order, 1)
        return leases[0] if leases else None

    def _lost(self, _code: int) -> NoReturn:
        raise LeaseLost(self._life.incarnation)


class _Shift:
    """One drain: what ran so far, and whether it is over."""

    def __init__(self, deadline: float, raises: bool) -> None:
        self.deadline = deadline
        self.runs: list[Performed] = []
        self.is_over = False
        self._raises = raises

    def ran(self, performed: Performed) -> None:
        self.runs.append(performed)
        self.is_over = self.is_over or performed.failure(only_fatal=not self._raises) is not None


@contextmanager
def worker(
    app: App,
    url: str,
    *,
    threads: int = 1,
    router: Router | None = None,
    middleware: Sequence[Middleware] = (),
    shard: Engine | Connection | None = None,
) -> Iterator[RedisWorker]:
    """Let the application push to a real Redis, and run its jobs there with `drain()`.

        with worker(app, "redis://127.0.0.1:6379/9") as pod:
            place_order(shop_id=7, order_id=3)
            pod.drain()

    Args:
        app: the application. url: an empty database of a Redis or Valkey, for this test alone.
        threads: how many run jobs; with one, jobs run in the calling thread.
        router: knows shops and their epochs; without one every shop is here. Its first pod is this one.
        middleware: what the application's workers run around jobs.
        shard: where iteration jobs find their rows; each does all of its batches when it runs.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    router = router or SingleRouter()
    store = Store(url)
    queues = Queues(store, lease_seconds=LEASE_SECONDS)
    client = BlockClient(router, {router.pod_ids()[0]: queues}.__getitem__, SystemClock())
    made = RedisWorker(app, queues, client, router, threads, middleware)
    try:
        made.open()
        with bound(app, client, shard):
            yield made
    finally:
        with suppress(StoreUnavailable):  # its lease ends by itself
            made.close()
        store.close()


def _order(app: App) -> list[str]:
    """Return the queues of the application: critical, default, low, then by name."""
    names = {job_class.queue for job_class in app.job_classes.values()}
    names |= {declaration.work.queue for declaration in app.schedules}
    known = [name for name in FIRST_QUEUES if name in names]
    return known + sorted(names.difference(known))
