"""The table of a worker's metrics: the collector, the tests and `ops/docs/metrics.md` are made from it.

Owns: names, types, labels and help of everything a worker exposes. Promises: a metric that is not in the
table cannot be exposed (`worker.py` builds its families from rows), and a row that is never exposed fails
a test. Every row of ours carries `pod_id` first; `pod` and `job` belong to Kubernetes and Prometheus.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "podwork_"
MAX_JOB_CLASSES = 200
MAX_QUEUES = 8
MAX_SCHEDULES = 200
OTHER = "_other"


class Kind(StrEnum):
    """The Prometheus types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric: `name` without the prefix, `labels` without `pod_id`, `help` with the unit."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str

    @property
    def full_name(self) -> str:
        """The name as Prometheus stores it (a histogram adds _bucket, _sum and _count)."""
        return PREFIX + self.name

    @property
    def all_labels(self) -> tuple[str, ...]:
        """The labels as exposed."""
        return ("pod_id", *self.labels)


JOBS_ENQUEUED = MetricRow(
    "jobs_enqueued_total",
    Kind.COUNTER,
    ("queue", "job_class"),
    "Jobs that this worker's own jobs pushed and a pod accepted.",
)
JOB_ATTEMPTS = MetricRow(
    "job_attempts_total",
    Kind.COUNTER,
    ("queue", "job_class", "outcome"),
    "Attempts that ended, by outcome.",
)
JOB_DURATION = MetricRow(
    "job_duration_seconds",
    Kind.HISTOGRAM,
    ("job_class",),
    "How long an attempt ran, in seconds.",
)
QUEUE_WAIT = MetricRow(
    "queue_wait_seconds",
    Kind.HISTOGRAM,
    ("queue",),
    "How long a job waited from the moment it was due until it started, in seconds.",
)
ROUTER_STALE_EPOCH = MetricRow(
    "router_stale_epoch_total",
    Kind.COUNTER,
    (),
    "Jobs refused by the fence because their shop's epoch was no longer current.",
)
JOBS_RECLAIMED = MetricRow(
    "jobs_reclaimed_total",
    Kind.COUNTER,
    (),
    "Jobs that this worker gave back to their queues after another process's lease had expired.",
)
WORKER_SLOTS = MetricRow(
    "worker_slots", Kind.GAUGE, ("state",), "Processors of the live children, by state (busy or idle)."
)
WORKER_CHILDREN = MetricRow("worker_children", Kind.GAUGE, (), "Children heard from in the last seconds.")
CHILDREN_STARTED = MetricRow(
    "worker_children_started_total",
    Kind.COUNTER,
    (),
    "Children heard from since the start; what exceeds `--processes` are replacements.",
)
CHILDREN_MEMORY = MetricRow(
    "worker_children_resident_memory_bytes",
    Kind.GAUGE,
    (),
    "Resident memory of all live children together, in bytes; pages shared after a fork count in each.",
)
DIRECTORY_EPOCH = MetricRow(
    "router_directory_epoch",
    Kind.GAUGE,
    (),
    "The directory's latest change number that the child furthest behind has read.",
)
COORDINATION_CONNECTED = MetricRow(
    "coordination_connected",
    Kind.GAUGE,
    (),
    "1 while every child has its session with the registry of pods, else 0.",
)
QUEUE_JOBS = MetricRow(
    "queue_jobs",
    Kind.GAUGE,
    ("queue", "state"),
    "Jobs of a queue that are ready, or held by a process; from the pod's leader only.",
)
QUEUE_LATENCY = MetricRow(
    "queue_latency_seconds",
    Kind.GAUGE,
    ("queue",),
    "For how long the oldest ready job of a queue has been due, in seconds; from the pod's leader only.",
)
POD_JOBS = MetricRow(
    "pod_jobs",
    Kind.GAUGE,
    ("state",),
    "Jobs of the pod that are scheduled for later, parked, or dead; from the pod's leader only.",
)
SCHEDULE_LAST_SUCCESS = MetricRow(
    "schedule_last_success_timestamp_seconds",
    Kind.GAUGE,
    ("schedule",),
    "When a job of the schedule last succeeded, in seconds since 1970, 0: never; from the pod's leader only.",
)
SCHEDULE_SLA = MetricRow(
    "schedule_sla_seconds",
    Kind.GAUGE,
    ("schedule",),
    "How often the schedule has to succeed, in seconds; only of schedules that have to.",
)
SCHEDULE_BREACHED = MetricRow(
    "schedule_breached",
    Kind.GAUGE,
    ("schedule",),
    "1 while the schedule's last success is older than it may be, else 0; only of schedules that have to.",
)
REDIS_LACKS_JOBS = MetricRow(
    "redis_lacks_jobs",
    Kind.GAUGE,
    (),
    "1 while Redis has lost jobs that the shard's outbox knows (podctl pods rebuild); from the leader only.",
)
BUILD_INFO = MetricRow(
    "build_info",
    Kind.GAUGE,
    ("version", "revision", "python"),
    "Always 1: podwork's version, the application's revision, and Python's version.",
)

WORKER_METRICS: tuple[MetricRow, ...] = (
    JOBS_ENQUEUED,
    JOB_ATTEMPTS,
    JOB_DURATION,
    QUEUE_WAIT,
    ROUTER_STALE_EPOCH,
    JOBS_RECLAIMED,
    WORKER_SLOTS,
    WORKER_CHILDREN,
    CHILDREN_STARTED,
    CHILDREN_MEMORY,
    DIRECTORY_EPOCH,
    COORDINATION_CONNECTED,
    QUEUE_JOBS,
    QUEUE_LATENCY,
    POD_JOBS,
    SCHEDULE_LAST_SUCCESS,
    SCHEDULE_SLA,
    SCHEDULE_BREACHED,
    REDIS_LACKS_JOBS,
    BUILD_INFO,
)

OUTCOMES: dict[str, str] = {
    "succeeded": "the job ran to its end and was acknowledged",
    "retried": "the attempt failed and the job is scheduled again",
    "dead": "the attempt failed and was the last; the job stands in the dead set",
    "discarded": "the job raised `Discard`",
    "cancelled": "a person cancelled the job while it ran, or it cancelled itself",
    "expired": "the job had not started in the time that it was given; it is dropped",
    "interrupted": "the job was given back before its end; no attempt is spent",
    "snoozed": "the job put itself off; no attempt is spent",
    "crashed": "the job's own process died (`--isolate`)",
    "forwarded": "the shop lives on another pod; the job was pushed there",
    "parked": "this revision does not know the job class; the job waits for one that does",
    "lost": "the lease was gone when the attempt ended; another process has the job",
}
