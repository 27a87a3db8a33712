"""The modes: what becomes of the jobs that an application pushes inside a block of a test.

Owns: `fake`, `draining` and `inline`. Promises: inside the block the application pushes to pods in memory,
whatever client it was bound to before; afterwards it is bound to that one again, also after an error. Blocks
may be nested: the innermost counts. Leaves to others: what the test can ask and do (`podwork.testing.jobs`,
`draining`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from podwork.testing.client import BlockClient
from podwork.testing.clock import VirtualClock
from podwork.testing.draining import DrainingJobs, InlineJobs, Runners
from podwork.testing.iterating import ShardOfTest
from podwork.testing.jobs import FakeJobs
from podwork.testing.pods import MemoryPods, MemoryRouter, RouterFence
from podwork.testing.running import Runner
from podwork.worker.life import Life

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from podwork.app import App
    from podwork.client import Client
    from podwork.interfaces import Router
    from podwork.worker.middleware import Middleware

ONE_POD: Final = (1,)
MOST_RUNS: Final = 1000


@contextmanager
def fake(
    app: App,
    *,
    clock: VirtualClock | None = None,
    pods: Sequence[int] = ONE_POD,
    router: Router | None = None,
) -> Iterator[FakeJobs]:
    """Check and record what the application pushes; nothing runs.

        with fake(app) as jobs:
            place_order(shop_id=7, order_id=3)
        jobs.assert_enqueued(send_receipt, shop_id=7, order_id=3)

    Args:
        app: the application. clock: its time; without one it stands at the present.
        pods: the numbers of the pods; every shop is on the first.
        router: knows pods and shops instead; the application's own, for example, so that epochs are right.
    """
    stand = Stand.of(clock, pods, router)
    with bound(app, stand.client):
        yield FakeJobs(stand.pods)


@contextmanager
def draining(
    app: App,
    *,
    clock: VirtualClock | None = None,
    pods: Sequence[int] = ONE_POD,
    router: Router | None = None,
    middleware: Sequence[Middleware] = (),
    shard: Engine | Connection | None = None,
    most_runs: int = MOST_RUNS,
) -> Iterator[DrainingJobs]:
    """Record what the application pushes, and run it when the test says so.

        with draining(app) as jobs:
            place_order(shop_id=7, order_id=3)
            jobs.drain()

    Args:
        app, clock, pods, router: as in `fake`.
        middleware: what the application's workers run around jobs.
        shard: where iteration jobs find their rows; each does all of its batches when it runs.
        most_runs: a drain with more runs than this is taken for endless.
    """
    stand = Stand.of(clock, pods, router)
    with bound(app, stand.client, shard):
        yield DrainingJobs(stand.pods, stand.runners(app, middleware), app.schedules, most_runs)


@contextmanager
def inline(
    app: App,
    *,
    clock: VirtualClock | None = None,
    pods: Sequence[int] = ONE_POD,
    router: Router | None = None,
    middleware: Sequence[Middleware] = (),
    shard: Engine | Connection | None = None,
    most_runs: int = MOST_RUNS,
) -> Iterator[InlineJobs]:
    """Run what the application pushes before the push returns, arguments through JSON and back.

        with inline(app):
            place_order(shop_id=7, order_id=3)
        assert outbox_of_mails == ["receipt 3"]

    What the job raises, the push raises. What it pushes runs after it, before the outermost push returns.
    With `transaction=` it runs after the commit. What is due later waits for `clock.advance()` and `drain()`.

    Args: as of `draining`.
    """
    stand = Stand.of(clock, pods, router)
    jobs = InlineJobs(stand.pods, stand.runners(app, middleware), app.schedules, most_runs)
    stand.client.pushed = jobs.pushed
    with bound(app, stand.client, shard):
        yield jobs


@contextmanager
def bound(app: App, client: Client, shard: Engine | Connection | None = None) -> Iterator[None]:
    """Let the application push through the client inside the block, and as before afterwards.

    With a shard its iteration jobs run there.
    """
    before = app._client, app._iterations
    app.bind(client, None if shard is None else lambda: ShardOfTest(shard))
    try:
        yield
    finally:
        app.bind(*before)


class Stand(NamedTuple):
    """What a mode stands on."""

    router: Router
    pods: MemoryPods
    client: BlockClient

    @classmethod
    def of(cls, clock: VirtualClock | None, pods: Sequence[int], router: Router | None) -> Stand:
        """Return a new one."""
        router = router or MemoryRouter(pods)
        memory = MemoryPods(clock or VirtualClock(), router.pod_ids)
        return cls(router, memory, BlockClient(router, memory.queues, memory.clock))

    def runners(self, app: App, middleware: Sequence[Middleware]) -> Runners:
        """Return what makes the runner of a pod."""

        def runner(pod_id: int, life: Life) -> Runner:
            return Runner(
                app, pod_id, self.pods.queues(pod_id), self.client, RouterFence(self.router, pod_id), life,
                self.pods.clock, middleware,
            )  # fmt: skip

        return runner
