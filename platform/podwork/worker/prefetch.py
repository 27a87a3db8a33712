"""How many jobs a child holds that it has not started.

Owns: the measured mean duration and the rule. A thread may have about `prefetch_seconds` of work waiting,
the child at most `MOST_HELD` jobs; a job that takes longer than that window is never waited behind: with such
jobs only idle threads claim. Promises: the mean rises at once (half way to the latest) and falls slowly:
holding too few costs a round trip, holding too many makes a job wait that another worker could start. Leaves
to others: what to do with jobs that are held and do not move (`Manager` gives them back and calls `stalled`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MOST_HELD: Final = 80
"""Fewer than 500 on purpose: it costs no throughput, and a shop's first job waits behind less of a flood
(ops/docs/performance.md)."""
RISE: Final = 0.5
FALL: Final = 0.1


def allowance(mean_seconds: float | None, threads: int, prefetch_seconds: float) -> int:
    """Return how many jobs may wait for threads that are busy."""
    if mean_seconds is None:
        return 0
    return min(MOST_HELD, int(prefetch_seconds / max(mean_seconds, 1e-6)) * threads)


class Prefetch:
    """The rule together with what was measured."""

    def __init__(self, threads: int, prefetch_seconds: float) -> None:
        self.threads = threads
        self.prefetch_seconds = prefetch_seconds
        self.mean_seconds: float | None = None
        self.allowed = 0

    def measured(self, durations_seconds: Sequence[float]) -> None:
        """Take in the durations of jobs that ended."""
        if not durations_seconds:
            return
        latest = sum(durations_seconds) / len(durations_seconds)
        if self.mean_seconds is None:
            self._mean(latest)
            return
        weight = 1 - (1 - FALL) ** len(durations_seconds)
        if latest > self.mean_seconds:
            weight = max(RISE, weight)
        self._mean(self.mean_seconds + weight * (latest - self.mean_seconds))

    def stalled(self, seconds: float) -> None:
        """Take in that nothing ended for so long: the jobs that run are at least this long."""
        self._mean(max(self.mean_seconds or 0.0, seconds))

    def work_ahead_seconds(self, unstarted: int) -> float:
        """Return for how long the threads have work with so many jobs unstarted."""
        return unstarted * (self.mean_seconds or 0.0) / self.threads

    def _mean(self, seconds: float) -> None:
        self.mean_seconds = seconds
        self.allowed = allowance(seconds, self.threads, self.prefetch_seconds)
