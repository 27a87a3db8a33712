"""Jobs on the pods of a stack, put there as workers would have left them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from podwork.inspection import Inspection, State
from podwork.queues import Queues
from podwork_ops.composition import Platform, connect
from tests.support.engine import A, B, claim, push
from tests.support.standing import stand_everywhere

PODS = (1, 2)
SHOPS_OF_2 = (42, 43)
FINGERPRINT = "3f2a9c01"


class Standing:
    """The two pods of a stack, empty at first; shops 42 and 43 live on pod 2, the others on pod 1."""

    def __init__(self, platform: Platform) -> None:
        self.queues = {pod: Queues(platform.store(pod), lease_seconds=3600) for pod in PODS}
        self.inspections: dict[int, Inspection] = {pod: platform.inspection(pod) for pod in PODS}
        shops = dict.fromkeys((7, 8, 9, 10, 330), 1) | dict.fromkeys(SHOPS_OF_2, 2)
        platform.directory.assign_many(shops)
        for queues in self.queues.values():
            queues.store.client.flushdb()
            for who in (A, B):
                queues.register(who, {"pid": 1, "host": "web-3", "queues": "default", "lease_ms": 3_600_000})

    def everywhere(self, pod: int = 1) -> dict[State, list[str]]:
        """Bring jobs into every state; return their ids by state."""
        return stand_everywhere(self.queues[pod])

    def dead(
        self,
        number: int,
        shop: str = "330",
        job_class: str = "shop.collect",
        fingerprint: str = FINGERPRINT,
    ) -> list[str]:
        """Bury some jobs of one fingerprint on the shop's pod."""
        queues = self.queues[self.pod_of(shop)]
        pushed = push(queues, (shop, number), job_class=job_class, queue="burial")
        for lease in claim(queues, number, names=("burial",)):
            queues.bury(A, lease, f"ValueError: basket {lease.id} token=hunter2", {"e": fingerprint})
        return pushed

    def state(self, job_id: str) -> str:
        """Where the job is; `ended` when it is nowhere."""
        found = [inspection.job(job_id) for inspection in self.inspections.values()]
        return next((job.state for job in found if job), "ended")

    @staticmethod
    def pod_of(shop: str) -> int:
        """The pod of a shop."""
        return 2 if shop in map(str, SHOPS_OF_2) else 1


@contextmanager
def standing_at(config: Path) -> Iterator[Standing]:
    """Yield the pods of the stack with these settings, and empty them afterwards."""
    platform = connect(config=config)
    try:
        standing = Standing(platform)
        yield standing
        for queues in standing.queues.values():
            queues.store.client.flushdb()
    finally:
        platform.close()
