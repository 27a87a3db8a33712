"""What a worker saw since it last said so: counts and histograms, small enough to send every second.

Owns: the buckets, `Observation` (a delta, sent child -> supervisor) and `Tally`, where a child collects it.
Promises: every attempt is counted exactly once in exactly one delta; adding is one lock a batch, not one a
job. Leaves to others: the metrics registry and its names (`podwork_ops.metrics`), and the transport.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

DURATION_BUCKETS_SECONDS = (0.05, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0, 1800.0)
WAIT_BUCKETS_SECONDS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

OUTCOMES = (
    "succeeded", "retried", "dead", "interrupted", "snoozed", "lost", "discarded", "cancelled", "expired",
    "forwarded", "parked", "crashed",
)  # fmt: skip
"""How an attempt may end. `lost`: it ran, but the lease was gone when its end was to be written. `crashed`:
its own process died (`--isolate`)."""


class Attempt(NamedTuple):
    """One attempt that ended: what a tally needs to know of it. The times are `None` where no code ran."""

    queue: str
    job_class: str
    outcome: str
    duration_seconds: float | None
    wait_seconds: float | None


class Histogram(msgspec.Struct):
    """Counts by bucket, one per upper bound and one for what lies above the last; not cumulative."""

    counts: list[int]
    sum: float = 0.0

    def add(self, other: Histogram) -> None:
        """Add another histogram over the same buckets."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum


class ScheduleGauges(msgspec.Struct, frozen=True):
    """A schedule's service level; `last_success` (seconds since 1970) and `sla_seconds` of 0 mean: none."""

    last_success: float
    sla_seconds: float
    breached: bool


class PodGauges(msgspec.Struct, frozen=True):
    """The pod as a whole, as its leader saw it last: jobs by `queue|state` or by state, and its schedules."""

    queue_jobs: dict[str, int] = {}
    queue_latency_seconds: dict[str, float] = {}
    jobs: dict[str, int] = {}
    schedules: dict[str, ScheduleGauges] = {}
    lacks_jobs: bool = False
    """Whether Redis has lost jobs that the shard's outbox knows."""


class Observation(msgspec.Struct):
    """A delta of counters since the last one, and the gauges as they stand.

    `attempts` is keyed `queue|job_class|outcome`, `enqueued` `queue|job_class`, `durations` by job class,
    `waits` by queue. Only the child that leads its pod has something to say of the `pod`.
    """

    attempts: dict[str, int] = {}
    enqueued: dict[str, int] = {}
    durations: dict[str, Histogram] = {}
    waits: dict[str, Histogram] = {}
    reclaimed: int = 0
    stale_epochs: int = 0
    busy: int = 0
    idle: int = 0
    directory_epoch: int = 0
    connected: bool = True
    pod: PodGauges | None = None


class Tally:
    """Collects observations from all threads of a process; one thread takes them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pod: PodGauges | None = None
        self._lacks_jobs = False
        self._reset()

    def attempt(
        self,
        queue: str,
        job_class: str,
        outcome: str,
        duration_seconds: float | None = None,
        wait_seconds: float | None = None,
    ) -> None:
        """Count one attempt."""
        self.attempts([Attempt(queue, job_class, outcome, duration_seconds, wait_seconds)])

    def attempts(self, ended: Iterable[Attempt]) -> None:
        """Count attempts that ended, under one lock."""
        with self._lock:
            attempts, durations, waits = self._attempts, self._durations, self._waits
            for queue, job_class, outcome, duration_seconds, wait_seconds in ended:
                key = (queue, job_class, outcome)
                attempts[key] = attempts.get(key, 0) + 1
                if duration_seconds is not None:
                    _count(durations, job_class, DURATION_BUCKETS_SECONDS, duration_seconds)
                if wait_seconds is not None:
                    _count(waits, queue, WAIT_BUCKETS_SECONDS, wait_seconds)

    def enqueued(self, queue: str, job_class: str, jobs: int) -> None:
        """Count jobs that this process pushed and a pod accepted."""
        with self._lock:
            key = (queue, job_class)
            self._enqueued[key] = self._enqueued.get(key, 0) + jobs

    def reclaimed(self, jobs: int) -> None:
        """Count jobs that this process gave back for processes that died."""
        with self._lock:
            self._reclaimed += jobs

    def stale_epoch(self) -> None:
        """Count a run that the fence refused."""
        with self._lock:
            self._stale_epochs += 1

    def surveyed(self, pod: PodGauges | None) -> None:
        """Say how the pod stands until the next call; None: this process does not know, or does not lead."""
        with self._lock:
            self._pod = pod

    def compared(self, *, lacks_jobs: bool) -> None:
        """Say whether Redis has lost jobs that the outbox knows, until the next call."""
        with self._lock:
            self._lacks_jobs = lacks_jobs

    def take(
        self, *, busy: int = 0, idle: int = 0, directory_epoch: int = 0, connected: bool = True
    ) -> Observation:
        """Return what was counted since the last call, with the gauges given, and start again at zero."""
        with self._lock:
            pod = self._pod
            if pod is not None and self._lacks_jobs:
                pod = msgspec.structs.replace(pod, lacks_jobs=True)
            observation = Observation(
                attempts={"|".join(key): count for key, count in self._attempts.items()},
                enqueued={"|".join(key): count for key, count in self._enqueued.items()},
                durations=self._durations,
                waits=self._waits,
                reclaimed=self._reclaimed,
                stale_epochs=self._stale_epochs,
                busy=busy,
                idle=idle,
                directory_epoch=directory_epoch,
                connected=connected,
                pod=pod,
            )
            self._reset()
        return observation

    def _reset(self) -> None:
        self._attempts: dict[tuple[str, str, str], int] = {}
        self._enqueued: dict[tuple[str, str], int] = {}
        self._durations: dict[str, Histogram] = {}
        self._waits: dict[str, Histogram] = {}
        self._reclaimed = 0
        self._stale_epochs = 0


def _count(into: dict[str, Histogram], key: str, bounds: tuple[float, ...], value: float) -> None:
    histogram = into.get(key)
    if histogram is None:
        histogram = into[key] = Histogram([0] * (len(bounds) + 1))
    histogram.counts[bisect_left(bounds, value)] += 1
    histogram.sum += value
