"""The metrics of one `podctl workers` process: its children's observations, merged.

Owns: `WorkerMetrics`, the sums since the supervisor started and the latest state of each child. Promises:
counters only grow, also when children die and are replaced; the number of series is bounded (the first
`MAX_JOB_CLASSES` classes and `MAX_QUEUES` queues by name, the others as `_other`); a child that went
silent leaves the gauges. Leaves counting to the children and exposition to prometheus-client.
"""

from __future__ import annotations

import platform
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from podwork.observation import (
    DURATION_BUCKETS_SECONDS,
    WAIT_BUCKETS_SECONDS,
    Histogram,
    Observation,
    PodGauges,
)
from podwork_ops.metrics import table
from podwork_ops.metrics.memory import resident_bytes
from podwork_ops.metrics.pod import Series, pod_series
from podwork_ops.metrics.table import MetricRow

SILENT_AFTER_SECONDS = 10.0
"""Children report once a second; one that has not for this long is dead or stuck and leaves the gauges."""


@dataclass(slots=True)
class Sums:
    """The buckets of one histogram series, not cumulated, and the sum of what was observed."""

    counts: list[int]
    total: float = 0.0

    def add(self, part: Histogram) -> None:
        """Add what one child observed since its last report."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, part.counts, strict=True)]
        self.total += part.sum

    def cumulated(self, bounds: Sequence[float]) -> list[tuple[str, float]]:
        """Return (upper bound, count at or below it), as Prometheus wants buckets."""
        rows, below = [], 0
        for bound, count in zip([*map(str, map(float, bounds)), "+Inf"], self.counts, strict=True):
            below += count
            rows.append((bound, float(below)))
        return rows


class Names:
    """Lets the first `limit` names pass and calls every later one `_other`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: set[str] = set()

    def bounded(self, name: str) -> str:
        """Return the label value to use for the name."""
        if name not in self._known:
            if len(self._known) >= self._limit:
                return table.OTHER
            self._known.add(name)
        return name


@dataclass(frozen=True, slots=True)
class ChildState:
    """What a child said of itself last, and when (monotonic seconds)."""

    heard_seconds: float
    busy: int
    idle: int
    directory_epoch: int
    connected: bool
    pod: PodGauges | None = None
    """Of the pod's leader only; gone as soon as the child leads no more."""


@dataclass(slots=True)
class Totals:
    """Everything that only grows."""

    attempts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    enqueued: Counter[tuple[str, ...]] = field(default_factory=Counter)
    durations: dict[str, Sums] = field(default_factory=dict)
    waits: dict[str, Sums] = field(default_factory=dict)
    reclaimed: int = 0
    stale_epochs: int = 0
    children_started: int = 0


class WorkerMetrics(Collector):
    """Takes observations from the supervisor, any thread; answers Prometheus from `registry`."""

    def __init__(
        self, pod_id: int, revision: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._pod = str(pod_id)
        self._revision = revision
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._totals = Totals()
        self._children: dict[int, ChildState] = {}
        self._queues = Names(table.MAX_QUEUES)
        self._job_classes = Names(table.MAX_JOB_CLASSES)
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def observe(self, child_pid: int, observation: Observation) -> None:
        """Merge what a child counted since its last report."""
        now = self._monotonic()
        with self._lock:
            self._drop_silent(now)
            if child_pid not in self._children:
                self._totals.children_started += 1
            self._children[child_pid] = ChildState(
                now,
                observation.busy,
                observation.idle,
                observation.directory_epoch,
                observation.connected,
                observation.pod,
            )
            self._add(observation)

    def collect(self) -> Iterator[Metric]:
        """Yield every family of the table; prometheus-client calls this at each scrape."""
        with self._lock:
            self._drop_silent(self._monotonic())
            families = [*self._counters(), *self._histograms(), *self._gauges()]
        yield from families

    def describe(self) -> list[Metric]:
        """Return nothing: the registry need not collect once at registration."""
        return []

    def _add(self, observation: Observation) -> None:
        totals = self._totals
        for key, count in observation.attempts.items():
            queue, job_class, outcome = key.split("|")
            labels = (self._queues.bounded(queue), self._job_classes.bounded(job_class), outcome)
            totals.attempts[labels] += count
        for key, count in observation.enqueued.items():
            queue, job_class = key.split("|")
            totals.enqueued[self._queues.bounded(queue), self._job_classes.bounded(job_class)] += count
        for job_class, part in observation.durations.items():
            _series(totals.durations, self._job_classes.bounded(job_class), DURATION_BUCKETS_SECONDS).add(
                part
            )
        for queue, part in observation.waits.items():
            _series(totals.waits, self._queues.bounded(queue), WAIT_BUCKETS_SECONDS).add(part)
        totals.reclaimed += observation.reclaimed
        totals.stale_epochs += observation.stale_epochs

    def _drop_silent(self, now: float) -> None:
        oldest = now - SILENT_AFTER_SECONDS
        self._children = {
            pid: child for pid, child in self._children.items() if child.heard_seconds >= oldest
        }

    def _counters(self) -> Iterator[Metric]:
        totals = self._totals
        yield self._counter(table.JOBS_ENQUEUED, totals.enqueued)
        yield self._counter(table.JOB_ATTEMPTS, totals.attempts)
        yield self._counter(table.ROUTER_STALE_EPOCH, {(): totals.stale_epochs})
        yield self._counter(table.JOBS_RECLAIMED, {(): totals.reclaimed})
        yield self._counter(table.CHILDREN_STARTED, {(): totals.children_started})

    def _histograms(self) -> Iterator[Metric]:
        yield self._histogram(table.JOB_DURATION, self._totals.durations, DURATION_BUCKETS_SECONDS)
        yield self._histogram(table.QUEUE_WAIT, self._totals.waits, WAIT_BUCKETS_SECONDS)

    def _gauges(self) -> Iterator[Metric]:
        children = self._children.values()
        yield self._gauge(
            table.WORKER_SLOTS,
            {
                ("busy",): sum(child.busy for child in children),
                ("idle",): sum(child.idle for child in children),
            },
        )
        yield self._gauge(table.WORKER_CHILDREN, {(): len(children)})
        yield self._gauge(table.CHILDREN_MEMORY, {(): sum(map(resident_bytes, self._children))})
        yield self._gauge(
            table.DIRECTORY_EPOCH, {(): min((child.directory_epoch for child in children), default=0)}
        )
        connected = bool(children) and all(child.connected for child in children)
        yield self._gauge(table.COORDINATION_CONNECTED, {(): int(connected)})
        leaders = [child for child in children if child.pod is not None]
        latest = max(leaders, key=lambda child: child.heard_seconds, default=None)
        for row, series in pod_series(latest.pod if latest else None, self._queues.bounded).items():
            yield self._gauge(row, series)
        yield self._gauge(table.BUILD_INFO, {(_own_version(), self._revision, platform.python_version()): 1})

    def _counter(self, row: MetricRow, values: dict[tuple[str, ...], int]) -> Metric:
        family = CounterMetricFamily(row.full_name, row.help, labels=row.all_labels)
        for labels, value in sorted(values.items()):
            family.add_metric((self._pod, *labels), value)
        return family

    def _gauge(self, row: MetricRow, values: Series) -> Metric:
        family = GaugeMetricFamily(row.full_name, row.help, labels=row.all_labels)
        for labels, value in sorted(values.items()):
            family.add_metric((self._pod, *labels), value)
        return family

    def _histogram(self, row: MetricRow, series: dict[str, Sums], bounds: Sequence[float]) -> Metric:
        family = HistogramMetricFamily(row.full_name, row.help, labels=row.all_labels)
        for name, sums in sorted(series.items()):
            family.add_metric((self._pod, name), sums.cumulated(bounds), sums.total)
        return family


def _series(series: dict[str, Sums], name: str, bounds: Sequence[float]) -> Sums:
    if name not in series:
        series[name] = Sums([0] * (len(bounds) + 1))
    return series[name]


def _own_version() -> str:
    try:
        return version("podwork")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "unknown"
