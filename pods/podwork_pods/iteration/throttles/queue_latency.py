"""A throttle over how long jobs wait in the pod's queues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from podwork import keys
from podwork.errors import ConfigurationError
from podwork.inspection.reading import job_state
from podwork.inspection.walk import read_lanes
from podwork.iteration.throttle import Held, Surroundings, Throttle
from podwork_pods.iteration.throttles.limits import check_limit

LANES_LOOKED_AT: Final = 100
"""Of how many shops the oldest job is looked at in each queue: a bounded price, paid once a second."""


@dataclass(frozen=True)
class QueueLatency(Throttle):
    """Holds a run back while the oldest ready job of one of the queues has been due for longer.

        throttles = (QueueLatency(("critical", "default"), limit_seconds=30),)

    A queue that is empty, or that nobody has used, has no latency; shops whose work is on hold do not count.
    Where more than 100 shops have work in a queue, the 100 whose turn is next stand for all of them.
    """

    queues: tuple[str, ...]
    limit_seconds: float = 10.0

    name: ClassVar[str] = "queue_latency"

    def __post_init__(self) -> None:
        if type(self.queues) is not tuple or not self.queues:
            raise ConfigurationError(
                f"{self.name}: queues = {self.queues!r}", 'give a tuple of names: ("critical",)'
            )
        check_limit(self.name, "limit_seconds", self.limit_seconds)

    def held(self, around: Surroundings) -> Held | None:
        """Look at the heads of the queues' lanes."""
        latencies = {queue: _latency_seconds(around, queue) for queue in self.queues}
        queue = max(latencies, key=latencies.__getitem__)
        if latencies[queue] <= self.limit_seconds:
            return None
        return Held(f"{self.name} {queue} {latencies[queue]:.1f} s, limit {self.limit_seconds:g} s")


def _latency_seconds(around: Surroundings, queue: str) -> float:
    ring = around.store.command("LRANGE", keys.ring(queue), 0, LANES_LOOKED_AT - 1)
    heads = read_lanes(around.store, queue, [shop.decode() for shop in ring], LANES_LOOKED_AT, each=1)
    due = [job_state(head.found).due_at for head in heads if head.found is not None]
    return around.clock.now() - min(due) if due else 0.0
