"""In which order a worker looks into its queues: strictly, or by weights.

Owns: `QueueOrder`. `critical,default` is strict: a later queue is served when the earlier ones are empty.
With weights, `critical:6,default:3,low:1`, each claim draws an order: a queue comes first as often as its
weight is of the sum, and no queue starves. Promises: every queue is looked into by every claim that has room
left, so weights cost no idle time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from podwork.errors import ConfigurationError
from podwork.job import QUEUE_NAME


class QueueOrder:
    """The queues of a worker; calling it gives the order for one claim."""

    def __init__(self, queues: Sequence[str], randomness: Callable[[], float] = random.random) -> None:
        parsed = [_parse(queue) for queue in queues]
        self.names = tuple(name for name, _ in parsed)
        self._weights = [weight for _, weight in parsed]
        self._is_weighted = any(":" in queue for queue in queues)
        self._randomness = randomness

    def __call__(self) -> tuple[str, ...]:
        """Return the names, first to be looked into first."""
        if not self._is_weighted:
            return self.names
        # Efraimidis and Spirakis (2006): sorting by u^(1/w) draws without replacement, in proportion to w.
        keyed = [
            (self._randomness() ** (1 / weight), name)
            for name, weight in zip(self.names, self._weights, strict=True)
        ]
        return tuple(name for _, name in sorted(keyed, reverse=True))


def _parse(queue: str) -> tuple[str, int]:
    name, colon, weight = queue.partition(":")
    if not QUEUE_NAME.fullmatch(name):
        raise ConfigurationError(f"{queue!r} is no queue", "use lower-case letters, digits, - _ and .")
    if colon and (not weight.isdecimal() or int(weight) < 1):
        raise ConfigurationError(f"queue {queue!r}: the weight is no number", "write critical:6,default:3")
    return name, int(weight) if colon else 1
