"""One frame of `podctl top`: from looks at pods to rows with rates, the worst first.

Owns: `Frame`, the sense of its rows, and their order. A function of what was seen; it asks nobody. A rate
is what a counter grew by between two looks, by the time between them; after a restart of a Redis, whose
counters begin anew, there is none. Leaves to others: how it looks (`top_screen`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from podwork.inspection import ProcessState, QueueState
from podwork_ops.cli.hold_changes import on_parts, pausing
from podwork_ops.cli.process_targets import state_of
from podwork_ops.cli.top_sample import Glance, Look
from podwork_ops.masking import mask

ENDED = ("acknowledged", "discarded", "expired", "cancelled", "dropped", "forwarded")
"""The counters of jobs that came to an end here, not counting the dead set."""


class Frame(NamedTuple):
    """What is shown: a row per pod, per queue and per process, as JSON has them."""

    pods: list[dict[str, Any]]
    queues: list[dict[str, Any]]
    processes: list[dict[str, Any]]


def frame_of(glances: Mapping[int, Glance]) -> Frame:
    """Return the frame; silent pods, the longest waits and processes that are not live come first."""
    pods = [_pod(pod_id, glance) for pod_id, glance in glances.items()]
    queues = [row for pod_id, glance in glances.items() for row in _queues(pod_id, glance)]
    processes = [
        _process(pod_id, process)
        for pod_id, glance in glances.items()
        for process in (glance.now.processes if glance.now else ())
    ]
    pods.sort(key=lambda row: (row["error"] is None, -(row["latency_seconds"] or 0), row["pod_id"]))
    queues.sort(key=_how_well)
    processes.sort(key=lambda row: (_RANKS[row["state"]], -_load(row), row["pod_id"], row["incarnation"]))
    return Frame(pods, queues, processes)


def rate(before: Look | None, now: Look, *counters: str) -> float | None:
    """Return by how much the counters together grow in a second; None: that cannot be said."""
    if before is None or now.at <= before.at:
        return None
    grown = sum(now.totals.get(name, 0) - before.totals.get(name, 0) for name in counters)
    return None if grown < 0 else round(grown / (now.at - before.at), 2)


def _how_well(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what queues are sorted by: who waits longest comes first, what is paused behind those."""
    rank = 2 if not row["ready"] else 1 if row["paused"] else 0
    return rank, -(row["latency_seconds"] or 0), -row["ready"], row["pod_id"], row["queue"]


_RANKS = {"silent": 0, "stopping": 1, "quiet": 2, "live": 3}


def _pod(pod_id: int, glance: Glance) -> dict[str, Any]:
    error = None if glance.error is None else mask(str(glance.error))
    row: dict[str, Any] = {"pod_id": pod_id, "error": error}
    before, now = glance.before, glance.now
    if now is None or glance.error is not None:
        return {**row, "latency_seconds": None}
    waiting = [queue for queue in now.queues if queue.ready and not pausing(now.holds, queue.name)]
    return {
        **row,
        **now.counts._asdict(),
        "in_per_second": rate(before, now, "accepted"),
        "out_per_second": rate(before, now, *ENDED),
        "retried_per_second": rate(before, now, "retried"),
        "buried_per_second": rate(before, now, "buried"),
        "busy": sum(_number(process, "busy") for process in now.processes),
        "slots": sum(_number(process, "slots") for process in now.processes),
        "processes": len(now.processes),
        "holds": len(now.holds),
        "latency_seconds": max((queue.latency_seconds for queue in waiting), default=None),
    }


def _queues(pod_id: int, glance: Glance) -> list[dict[str, Any]]:
    if glance.now is None or glance.error is not None:
        return []
    return [_queue(pod_id, queue, glance.before, glance.now) for queue in glance.now.queues]


def _queue(pod_id: int, queue: QueueState, before: Look | None, now: Look) -> dict[str, Any]:
    hold, parts = pausing(now.holds, queue.name), on_parts(now.holds, queue.name)
    why = f"{hold.owner}: {hold.reason}" if hold else f"in part: {', '.join(parts)}" if parts else None
    growth = _growth(queue, before, now)
    counter = f"claimed:{queue.name}"
    claimed = rate(before, now, counter) if counter in now.totals else None
    seen = queue.ready and queue.shops > queue.outside  # else it waits behind holds, where nobody looks
    return {
        "pod_id": pod_id,
        "queue": queue.name,
        "ready": queue.ready,
        "growth_per_second": growth,
        "in_per_second": None if claimed is None or growth is None else max(0.0, round(growth + claimed, 2)),
        "out_per_second": claimed,
        "latency_seconds": round(queue.latency_seconds, 3) if seen else None,
        "oldest_seconds": round(queue.oldest_seconds, 3) if seen else None,
        "shops": queue.shops,
        "paused": hold is not None,
        "why": why,
    }


def _growth(queue: QueueState, before: Look | None, now: Look) -> float | None:
    if before is None or now.at <= before.at:
        return None
    earlier = sum(other.ready for other in before.queues if other.name == queue.name)
    return round((queue.ready - earlier) / (now.at - before.at), 2)


def _process(pod_id: int, process: ProcessState) -> dict[str, Any]:
    full_lease_seconds = _number(process, "lease_ms") / 1000
    return {
        "pod_id": pod_id,
        "incarnation": process.incarnation,
        "state": state_of(process),
        "busy": _number(process, "busy"),
        "slots": _number(process, "slots"),
        "held": process.held,
        "rss_bytes": _number(process, "rss_bytes"),
        "heartbeat_age_seconds": round(max(0.0, full_lease_seconds - process.lease_seconds), 1),
        "revision": process.fields.get("revision", ""),
    }


def _number(process: ProcessState, field: str) -> int:
    return int(process.fields.get(field, 0))


def _load(row: Mapping[str, Any]) -> float:
    return float(row["busy"] / row["slots"]) if row["slots"] else 0.0
