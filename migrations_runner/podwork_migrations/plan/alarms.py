"""Alarms over the jobs of the pods that migrate: how long they wait, and how many of their attempts fail.

Owns: `QueueLatency` and `ErrorRate`. Promises: each looks at the pods that have migrated, or are about to,
and says which of them is the worst; one whose Redis does not answer cannot be measured, and nobody goes.
Leaves to others: when they are asked (`gate`), and what an alarm does (`halting`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from podwork.errors import ConfigurationError
from podwork.inspection import Inspection

Look = Callable[[int], Inspection]
"""Gives the inspection of a pod's jobs."""

# What `Inspection.totals` counts: attempts that failed and are tried again, and those that were the last.
_FAILED = ("retried", "buried")
_SUCCEEDED = "acknowledged"


class QueueLatency:
    """Rings when the oldest ready job of a queue has been due for longer.

    Args:
        look: gives the inspection of a pod.
        limit_seconds: how long is long.
        queues: which count; none: every queue that ever had a job.
    """

    def __init__(self, look: Look, limit_seconds: float, queues: Sequence[str] = ()) -> None:
        if not limit_seconds > 0:
            raise ConfigurationError(f"a latency of {limit_seconds} s halts a plan", "give seconds above 0")
        self._look = look
        self._limit_seconds = limit_seconds
        self._queues = queues

    def __call__(self, pod_ids: Sequence[int], /) -> str | None:
        """Return which jobs wait for too long."""
        worst = max((self._worst(pod_id) for pod_id in pod_ids), default=None)
        if worst is None or worst[0] <= self._limit_seconds:
            return None
        seconds, pod_id, queue = worst
        return f"pod {pod_id}: jobs in queue {queue} wait {seconds:.0f} s, limit {self._limit_seconds:g} s"

    def _worst(self, pod_id: int) -> tuple[float, int, str]:
        inspection = self._look(pod_id)
        queues = self._queues or inspection.queue_names()
        return max(
            ((inspection.queue(queue).latency_seconds, pod_id, queue) for queue in queues),
            default=(0.0, pod_id, ""),
        )


class _Counted(NamedTuple):
    failed: int
    ended: int


class ErrorRate:
    """Rings when a larger share of a pod's attempts fails than may, since this process looked before.

    Args:
        look: gives the inspection of a pod.
        limit: the share, from 0 to 1.
        least: so many attempts have to have ended since: of a few, one failure says nothing.
    """

    def __init__(self, look: Look, limit: float, least: int = 50) -> None:
        if not 0 < limit <= 1:
            raise ConfigurationError(
                f"a share of {limit} of failures halts a plan", "give one above 0, up to 1"
            )
        self._look = look
        self._limit = limit
        self._least = least
        self._before: dict[int, _Counted] = {}
        self._lock = threading.Lock()

    def __call__(self, pod_ids: Sequence[int], /) -> str | None:
        """Return where too many attempts fail."""
        worst = max(((self._share(pod_id), pod_id) for pod_id in pod_ids), default=None)
        if worst is None or worst[0] <= self._limit:
            return None
        return f"pod {worst[1]}: {worst[0]:.0%} of the attempts of its jobs fail, limit {self._limit:.0%}"

    def _share(self, pod_id: int) -> float:
        totals = self._look(pod_id).totals()
        failed = sum(totals.get(name, 0) for name in _FAILED)
        now = _Counted(failed, failed + totals.get(_SUCCEEDED, 0))
        with self._lock:
            before = self._before.get(pod_id)
            # Its Redis was emptied, or this is the first look: from here on.
            if before is None or now.ended < before.ended or now.failed < before.failed:
                self._before[pod_id] = now
                return 0.0
            ended = now.ended - before.ended
            if ended < self._least:
                return 0.0
            self._before[pod_id] = now
        return (now.failed - before.failed) / ended
