"""How a job is shown: its row, the columns, and one phrase that says what matters in its state.

Promises: arguments and errors are shown without secrets. Leaves to others: which jobs (`jobs`).
"""

from __future__ import annotations

import json
import time
from typing import Any

from podwork.inspection import JobState
from podwork_ops.cli.output import Column, age, count, moment
from podwork_ops.masking import mask, mask_value

_ROOMS = {
    "unknown": "no worker knows {}",
    "hold": "on hold: {}",
    "limit": "over limit {}",
    "after": "unique, after another",
}

LIST_COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("JOB", "job_id"),
    Column("STATE", "state"),
    Column("AGE", "age_seconds", age, right=True),
    Column("CLASS", "job_class", wide=True),
    Column("WHERE, WHY", "note", wide=True),
]
COLUMNS = [
    Column("JOB", "job_id"),
    Column("STATE", "state"),
    Column("CLASS", "job_class"),
    Column("VERSION", "version"),
    Column("SHOP", "shop_id"),
    Column("POD", "pod_id"),
    Column("QUEUE", "queue"),
    Column("WAITS IN", "room"),
    Column("ARGUMENTS", "args", json.dumps),
    Column("EPOCH", "epoch"),
    Column("FAILURES", "attempts"),
    Column("INTERRUPTIONS", "interruptions"),
    Column("RECLAIMS", "reclaims"),
    Column("SNOOZES", "snoozes"),
    Column("AGE", "age_seconds", age),
    Column("DUE", "due_at"),
    Column("EXPIRES", "expires_at"),
    Column("SCHEDULE", "schedule"),
    Column("HELD BY", "incarnation"),
    Column("HELD SINCE", "claimed_at"),
    Column("DIED", "buried_at"),
    Column("ERROR", "error"),
    Column("FINGERPRINT", "fingerprint"),
]
ALWAYS = {"job_id", "state", "job_class", "shop_id", "pod_id", "queue", "args", "attempts", "age_seconds"}
"""What a single job shows also when it is nothing; the rest only when there is something to say."""
DEAD_COLUMNS = [
    Column("FINGERPRINT", "fingerprint"),
    Column("JOBS", "jobs", count, right=True),
    Column("LAST", "last_seconds", age, right=True),
    Column("FIRST", "first_seconds", age, right=True),
    Column("CLASS", "job_class", wide=True),
    Column("ERROR OF THE LAST", "error", wide=True),
]


def job_row(pod_id: int, job: JobState) -> dict[str, Any]:
    """Return all that is known of a job."""
    return {
        "job_id": job.id,
        "state": job.state,
        "job_class": job.job_class,
        "version": job.version,
        "args": mask_value("", job.args),
        "shop_id": job.shop_id,
        "pod_id": pod_id,
        "queue": job.queue,
        "room": job.room or None,
        "epoch": job.epoch,
        "attempts": job.attempts,
        "interruptions": job.interruptions,
        "reclaims": job.reclaims,
        "snoozes": job.snoozes,
        "pushed_at": moment(job.pushed_at),
        "due_at": moment(job.due_at),
        "expires_at": _moment(job.expires_at),
        "failed_first_at": _moment(job.failed_first_at),
        "age_seconds": round(max(0.0, time.time() - job.pushed_at), 3),
        "schedule": job.schedule or None,
        "unique": job.is_unique,
        "from_outbox": job.is_from_outbox,
        "incarnation": job.holder,
        "claimed_at": _moment(job.claimed_at),
        "cancelled": job.is_cancelled,
        "buried_at": _moment(job.buried_at),
        "error": mask(job.error) or None,
        "fingerprint": job.fingerprint or None,
    }


def list_row(pod_id: int, job: JobState) -> dict[str, Any]:
    """Return the job with its phrase."""
    return {**job_row(pod_id, job), "note": note(job, time.time())}


def columns_of(row: dict[str, Any]) -> list[Column]:
    """Return the columns that have something to say about this job."""
    ordinary = {"version": 1, "due_at": row["pushed_at"]}
    if row["state"] not in ("scheduled", "ready"):
        ordinary["due_at"] = row["due_at"]  # it has been due for long
    return [
        column
        for column in COLUMNS
        if column.key in ALWAYS or (row[column.key] and row[column.key] != ordinary.get(column.key))
    ]


def note(job: JobState, now: float) -> str:
    """Return what matters about a job in its state."""
    match job.state:
        case "dead":
            return first_line(job.error)
        case "held":
            stopping = ", asked to stop" if job.is_cancelled else ""
            return f"{short(job.holder or '')} for {age(now - (job.claimed_at or now))}{stopping}"
        case "scheduled":
            return f"{_due(job, now)}{_history(job)}"
        case "parked":
            return _in_room(job.room)
    return f"queue {job.queue}{_history(job)}"


def first_line(error: str) -> str:
    """Return the first line of an error, without secrets."""
    return mask(error.partition("\n")[0])


def short(incarnation: str) -> str:
    """Return host and process of an incarnation; the rest of its name tells lives apart."""
    return incarnation.rpartition(":")[0] or incarnation


def _in_room(room: str) -> str:
    kind, _, what = room.removeprefix("!").partition(":")
    return _ROOMS.get(kind, "{}").format(what.removesuffix("@1"))


def _due(job: JobState, now: float) -> str:
    return f"in {age(job.due_at - now)}" if job.due_at > now else "due"


def _history(job: JobState) -> str:
    if job.attempts and job.error:
        return f", retry {job.attempts}: {first_line(job.error)}"
    return f", snoozed {job.snoozes}x" if job.snoozes else ""


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else moment(seconds)
