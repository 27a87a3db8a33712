"""The pods of a test, and all that was pushed to them.

Owns: `MemoryPods`. Promises: jobs are listed in the order in which they were accepted, whatever became of
them since. Leaves to others: one pod's jobs (`podwork.testing.memory`), pushing (`podwork.testing.client`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from podwork import identity
from podwork.errors import InvalidRoute, StaleEpoch
from podwork.interfaces import Router
from podwork.queues import Queues
from podwork.single import SingleRouter
from podwork.testing.clock import VirtualClock
from podwork.testing.enqueued import EnqueuedJob, enqueued_job
from podwork.testing.memory import MemoryStore


class _Push(NamedTuple):
    """What was pushed, and when."""

    record: bytes
    at_ms: int


class MemoryPods:
    """The pods that `pod_ids` names, with their jobs in memory."""

    def __init__(self, clock: VirtualClock, pod_ids: Callable[[], Sequence[int]]) -> None:
        self.clock = clock
        self._pod_ids = pod_ids
        self._stores: dict[int, MemoryStore] = {}
        self._pushes: dict[tuple[int, str], _Push] = {}
        """By pod and id: a schedule's jobs have the same ids on every pod."""

    def queues(self, pod_id: int) -> Queues:
        """Return a pod's queues. Raises InvalidRoute when this test has no such pod."""
        return Queues(self.store(pod_id))

    def store(self, pod_id: int) -> MemoryStore:
        """Return a pod's jobs. Raises as `queues` does."""
        if pod_id not in self._pod_ids():
            known = ", ".join(map(str, self._pod_ids()))
            raise InvalidRoute(
                f"this test has no pod {pod_id}", f"push to one of {known}, or name it in pods="
            )
        store = self._stores.get(pod_id)
        if store is None:  # two threads may come here: the first one's stays
            store = self._stores.setdefault(pod_id, MemoryStore(pod_id, self.clock, self._note))
        return store

    def queues_by_pod(self) -> dict[int, Queues]:
        """Return the queues of all pods."""
        return {pod_id: self.queues(pod_id) for pod_id in self._pod_ids()}

    def all(self) -> list[tuple[int, MemoryStore]]:
        """Return the pods that ever had a job."""
        return sorted(self._stores.items())

    def jobs(self) -> list[EnqueuedJob]:
        """Return all jobs that were accepted, the first first."""
        return [self._job(*place, push) for place, push in list(self._pushes.items())]

    def forget(self) -> None:
        """Forget all jobs, their locks, and who pushed what."""
        self._pushes.clear()
        for store in self._stores.values():
            store.forget()

    def _note(self, pod_id: int, job_id: str, stored: bytes) -> None:
        # A unique job that is replaced keeps its place: it is the same job with another content.
        is_new = (pod_id, job_id) not in self._pushes
        at_ms = round(identity.pushed_at_seconds(job_id) * 1000) if is_new else self.clock.now_ms()
        self._pushes[pod_id, job_id] = _Push(stored, at_ms)

    def _job(self, pod_id: int, job_id: str, push: _Push) -> EnqueuedJob:
        places = self._stores[pod_id].places
        state, ended = places.state(job_id), places.ended.get(job_id)
        now = ended.record if ended else places.records[job_id]
        outcome = ended.outcome if ended else ""
        return enqueued_job(pod_id, job_id, push.record, push.at_ms, now, state, outcome)


class RouterFence:
    """Lets a shop run on the pod where the router sees it, under the epoch that it sees."""

    def __init__(self, router: Router, pod_id: int) -> None:
        self._router = router
        self._pod_id = pod_id

    def admit(self, shop_id: int, epoch: int) -> int:
        """Return the shop's epoch. Raises StaleEpoch when the shop is on another pod."""
        route = self._router.route(shop_id)
        if route.pod_id != self._pod_id:
            raise StaleEpoch(shop_id, epoch, f"the shop is on pod {route.pod_id}")
        return route.epoch


class MemoryRouter(SingleRouter):
    """Every shop is on the first of the pods; jobs without a shop may go to any of them."""

    def __init__(self, pod_ids: Sequence[int]) -> None:
        super().__init__(pod_ids[0])
        self._pod_ids = list(pod_ids)

    def pod_ids(self) -> Sequence[int]:
        """Return the pods of the test."""
        return self._pod_ids
