"""A job as a test sees it: what was pushed, and what has become of it.

Owns: `EnqueuedJob`, and its form as one line. Leaves to others: keeping them (`podwork.testing.pods`),
comparing them with what a test expects (`podwork.testing.criteria`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from podwork import identity, keys, record
from podwork.testing.places import State


@dataclass(frozen=True, slots=True)
class EnqueuedJob:
    """A job that was accepted.

    Attributes:
        id: its id. job_class: its name. queue: where it was queued. shop_id: its shop, or None.
        pod_id: the pod to which it was pushed.
        args: its arguments, as they come out of JSON; those left out at the push are not there.
        pushed_at: when it was pushed; due_at: when it was to run; expires_at: when it was to have started, if
            ever. All in seconds since 1970.
        state: where it stands now: ready, scheduled, parked (it waits for the end of another job), held (it
            runs), dead or ended.
        outcome: how it ended: succeeded, discarded, cancelled or expired; empty until then.
        attempts: how often it failed. error: how it failed last. next_at: when it is due now.
    """

    id: str
    job_class: str
    queue: str
    shop_id: int | None
    pod_id: int
    args: dict[str, Any] = field(hash=False)
    pushed_at: float
    due_at: float
    expires_at: float | None
    state: State
    outcome: str
    attempts: int
    error: str
    next_at: float

    @property
    def in_seconds(self) -> float:
        """How long after its push it was to run; 0: at once."""
        return round(self.due_at - self.pushed_at, 3)

    def __str__(self) -> str:
        where = f"pod={self.pod_id}" if self.shop_id is None else f"shop_id={self.shop_id}"
        parts = [self.job_class, where, *(f"{name}={value!r}" for name, value in self.args.items())]
        parts.append(f"queue={self.queue}")
        if self.in_seconds > 0:
            parts.append(f"in_={self.in_seconds:g}")
        parts.append(f"({self.outcome or self.state})")
        return " ".join(parts)


def enqueued_job(
    pod_id: int, job_id: str, pushed: bytes, pushed_ms: int, now: bytes, state: State, outcome: str
) -> EnqueuedJob:
    """Return the job; `pushed` is the record as it was pushed, at `pushed_ms`, and `now` as it is."""
    first, payload, _ = record.split(pushed)
    head, _, error = record.split(now)
    decoded = record.decode_payload(payload)
    shop = identity.shop_text(job_id)
    expires_ms = record.read_extras(first.extras).get("x")
    return EnqueuedJob(
        id=job_id,
        job_class=decoded.job_class,
        queue=first.queue,
        shop_id=None if shop == keys.POD_LANE else int(shop),
        pod_id=pod_id,
        args=decoded.args,
        pushed_at=pushed_ms / 1000,
        due_at=first.due_ms / 1000,
        expires_at=None if expires_ms is None else int(expires_ms) / 1000,
        state=state,
        outcome=outcome,
        attempts=head.attempts,
        error=error,
        next_at=head.due_ms / 1000,
    )
