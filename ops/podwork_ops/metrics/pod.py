"""The metrics of a pod as a whole, from what its leader said last.

Owns: the passage from `PodGauges` to series. Promises: the number of series is bounded, as everywhere:
queues beyond the bound are added up as `_other` (of their latencies the largest counts), schedules beyond
`MAX_SCHEDULES`, by name, have none. Leaves to others: whether this worker's child is the leader; from one
that is not there is nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from podwork.observation import PodGauges
from podwork_ops.metrics import table
from podwork_ops.metrics.table import MetricRow

Series = Mapping[tuple[str, ...], float]


def pod_series(pod: PodGauges | None, bounded: Callable[[str], str]) -> dict[MetricRow, Series]:
    """Return the series of each row, none where nothing is known; `bounded` gives a queue's label."""
    lacks_jobs: Series = {} if pod is None else {(): int(pod.lacks_jobs)}
    pod = pod or PodGauges()
    jobs: dict[tuple[str, ...], float] = {}
    latencies: dict[tuple[str, ...], float] = {}
    for key, count in sorted(pod.queue_jobs.items()):
        queue, state = key.split("|")
        labels = (bounded(queue), state)
        jobs[labels] = jobs.get(labels, 0) + count
    for queue, seconds in sorted(pod.queue_latency_seconds.items()):
        label = (bounded(queue),)
        latencies[label] = max(latencies.get(label, 0.0), seconds)
    schedules = {(name,): pod.schedules[name] for name in sorted(pod.schedules)[: table.MAX_SCHEDULES]}
    promised = {label: gauges for label, gauges in schedules.items() if gauges.sla_seconds}
    return {
        table.QUEUE_JOBS: jobs,
        table.QUEUE_LATENCY: latencies,
        table.POD_JOBS: {(state,): count for state, count in pod.jobs.items()},
        table.SCHEDULE_LAST_SUCCESS: {label: gauges.last_success for label, gauges in schedules.items()},
        table.SCHEDULE_SLA: {label: gauges.sla_seconds for label, gauges in promised.items()},
        table.SCHEDULE_BREACHED: {label: int(gauges.breached) for label, gauges in promised.items()},
        table.REDIS_LACKS_JOBS: lacks_jobs,
    }
