"""Pods with few and with many jobs in one Redis, for what must not cost more where more is queued.

Small: 500 shops with 2 jobs each. Large: 10,000 shops with 100 jobs each. Both have more shops in the ring
than a claim takes jobs, so that a claim does the same work in both: 50 shops, one job each. What is left to
differ is the processor's caches: the small pod's keys stay in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from podwork.client import Client
from podwork.identity import new_incarnation
from podwork.queues import Queues
from podwork.single import SingleRouter
from podwork.store import Store
from tests.benchmarks.peers.podwork import app, noop
from tests.benchmarks.servers import RedisUnderTest

SMALL, LARGE = (500, 2), (10_000, 100)
"""(shops, jobs of each)."""
QUEUE = "default"
CLAIM = 50
T = TypeVar("T")


class QueuedPod:
    """A pod in one database of Redis, with jobs in its queue and a process that may claim them."""

    def __init__(self, redis: RedisUnderTest, database: int, shops: int, jobs_each: int) -> None:
        self._redis = redis
        self.shops = shops
        self.store = Store(f"{redis.url.rsplit('/', 1)[0]}/{database}")
        self.queues = Queues(self.store, lease_seconds=3600.0)
        self._client = Client(SingleRouter(), lambda _pod_id: self.queues)
        self.incarnation = new_incarnation()
        self.queues.register(self.incarnation, {"pid": 0})
        self.push(shop for _ in range(jobs_each) for shop in range(1, shops + 1))

    def push(self, shops: Iterable[int]) -> None:
        """Queue a job for each shop named."""
        app.bind(self._client)
        noop.enqueue_bulk({"shop_id": shop, "n": 0} for shop in shops)

    def turn(self) -> float:
        """Claim once, end it, queue as much again; return Redis's time of the claim alone, microseconds."""
        leases, spent_us = self.metered(lambda: self.queues.claim(self.incarnation, [QUEUE], CLAIM))
        self.queues.acknowledge(self.incarnation, leases)
        self.push(lease.shop_id for lease in leases if lease.shop_id is not None)
        return spent_us

    def metered(self, call: Callable[[], T]) -> tuple[T, float]:
        """Return what the call answers and the microseconds that Redis spent on it."""
        before = self._redis.spent_seconds()
        answer = call()
        return answer, (self._redis.spent_seconds() - before) * 1e6
