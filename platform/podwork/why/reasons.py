"""What a job may wait for: the codes with their meanings, and the form of an answer.

Owns: `Code`, `MEANINGS`, `Why`. Leaves to others: finding out (`podwork.why.explain`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, NamedTuple


class Code(StrEnum):
    """The reasons, in the order in which they are asked for."""

    NOT_HERE = "not_here"
    IN_OUTBOX = "in_outbox"
    DEAD = "dead"
    CANCELLED = "cancelled"
    LEASE_EXPIRED = "lease_expired"
    RUNNING = "running"
    SCHEDULED = "scheduled"
    AFTER_JOB = "after_job"
    HELD_POD = "held_pod"
    HELD_QUEUE = "held_queue"
    GATE_HOLD = "gate_hold"
    GATE_MOVED = "gate_moved"
    HELD_SHOP = "held_shop"
    HELD_CLASS = "held_class"
    LIMIT_CONCURRENCY = "limit_concurrency"
    LIMIT_RATE = "limit_rate"
    NO_WORKER = "no_worker"
    LETTING_IN = "letting_in"
    UNKNOWN_CLASS = "unknown_class"
    AWAITS_MIGRATION = "awaits_migration"
    ALL_QUIET = "all_quiet"
    WORKERS_BUSY = "workers_busy"


MEANINGS: Final[dict[Code, str]] = {
    Code.NOT_HERE: "the pod does not know it: it has ended, or it is on another pod",
    Code.IN_OUTBOX: "its transaction has committed, and no worker has fetched it from the shard yet",
    Code.DEAD: "it is in the dead set, with a reason",
    Code.CANCELLED: "a person has cancelled it while it ran; it is asked to stop, and never runs again",
    Code.LEASE_EXPIRED: "the process that holds it is silent; the job is given back when its lease has ended",
    Code.RUNNING: "a process has it in its hands: it runs, or is about to",
    Code.SCHEDULED: "it is for later: pushed so, snoozed, or retried after a failure",
    Code.AFTER_JOB: "it is unique, and runs once the job that has the lock has ended",
    Code.HELD_POD: "a person has paused the whole pod",
    Code.HELD_QUEUE: "a person has paused its queue",
    Code.GATE_HOLD: "its shop is being switched to another pod",
    Code.GATE_MOVED: "its shop has moved to another pod",
    Code.HELD_SHOP: "a person has paused its shop, or its shop in this queue",
    Code.HELD_CLASS: "a person has paused its class, perhaps only for its queue or shop",
    Code.LIMIT_CONCURRENCY: "as many jobs as a limit allows run at this moment",
    Code.LIMIT_RATE: "as many jobs as a limit allows have started a moment ago",
    Code.NO_WORKER: "no live worker serves its queue, or none lives at all",
    Code.LETTING_IN: "what it waited for is over; a worker lets it in next",
    Code.UNKNOWN_CLASS: "no live worker of its queue knows its class, or that version of it",
    Code.AWAITS_MIGRATION: "its class requires a migration that has not been applied on this pod yet",
    Code.ALL_QUIET: "all workers of its queue are quiet or stopping",
    Code.WORKERS_BUSY: "nothing stops it: it waits for its turn",
}


class Why(NamedTuple):
    """The one thing that a job waits for.

    Attributes:
        code: which. sentence: in words, with who, where and until when. remedy: what to do, or what to ask
        next. details: the facts of the sentence; times are seconds since 1970. also: what would stop it next,
        once this is over; only of a job that is ready.
    """

    code: Code
    sentence: str
    remedy: str
    details: dict[str, Any]
    also: tuple[Code, ...] = ()
