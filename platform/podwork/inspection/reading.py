"""From what a script answers about a job to `JobState`.

Owns: that passage, and what the parts of a held value mean (`podwork.keys`). Promises: a record that somebody
broke is shown as what can be read of it, and never hides the others. Leaves to others: which jobs, and from
where.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from podwork import identity, keys, record
from podwork.fingerprint import fingerprint_of_reason
from podwork.inspection.states import HeldJob, JobState, State

_WRITTEN_BY_SCRIPTS: Final = ("poison pill: ", "its process ")
"""How reasons begin that a reclaim writes (`scripts/parts/judging.lua`) beside an older fingerprint."""


class Found(NamedTuple):
    """A job as Redis has it: `where` is its process or room, `more` what is held of it or its time there."""

    id: str
    state: State
    where: str
    more: str
    stored: bytes


class Held(NamedTuple):
    """The parts of a held value: when it was claimed, flags, keys of limits."""

    claimed_at: float
    flags: str
    limits: tuple[str, ...]


def held_value(text: str) -> Held:
    """Return the parts of what a process holds of a job."""
    time_ms, *rest = text.split("|")
    flags, *limits = rest or [""]
    return Held(int(time_ms) / 1000, flags, tuple(limits))


def fingerprint_of(head: record.Head, job_class: str, error: str) -> str:
    """Return the fingerprint of a job's last error; empty when it has failed in no way."""
    known = record.read_extras(head.extras).get("e", "")
    if error and (not known or error.startswith(_WRITTEN_BY_SCRIPTS)):
        return fingerprint_of_reason(job_class, error)
    return known


def job_state(found: Found) -> JobState:
    """Return the job as it is shown."""
    head, payload, error = _parts(found.stored)
    shop = identity.shop_text(found.id)
    state = JobState(
        found.id,
        found.state,
        payload.job_class,
        payload.args,
        head.queue,
        None if shop == keys.POD_LANE else int(shop),
        payload.epoch,
        head.attempts,
        head.interruptions,
        head.reclaims,
        identity.pushed_at_seconds(found.id),
        float(found.more if found.state == "scheduled" else head.due_ms) / 1000,
        error,
        found.where if found.state == "held" else None,
        version=payload.version,
        room=found.where if found.state == "parked" else "",
        fingerprint=fingerprint_of(head, payload.job_class, error),
        buried_at=float(found.more) / 1000 if found.state == "dead" else None,
        **_extras(head.extras),
    )
    if found.state != "held":
        return state
    held = held_value(found.more)
    return state._replace(claimed_at=held.claimed_at, is_cancelled="C" in held.flags)


def held_job(found: Found) -> HeldJob:
    """Return what a process has in its hands."""
    job, held = job_state(found), held_value(found.more)
    return HeldJob(
        job.id,
        job.job_class,
        job.queue,
        job.shop_id,
        held.claimed_at,
        found.where,
        "C" in held.flags,
        "S" in held.flags or "O" in held.flags,
    )


def _extras(text: str) -> dict[str, Any]:
    extras = record.read_extras(text)
    return {
        "snoozes": int(extras.get("z", 0)),
        "schedule": extras.get("s", ""),
        "expires_at": int(extras["x"]) / 1000 if "x" in extras else None,
        "failed_first_at": int(extras["f"]) / 1000 if "f" in extras else None,
        "is_unique": not extras.keys().isdisjoint("uwp"),
        "is_from_outbox": "o" in extras,
    }


def _parts(stored: bytes) -> tuple[record.Head, record.Payload, str]:
    """Return head, payload and error; of a record that somebody broke, what can be read."""
    try:
        head, encoded, error = record.split(stored)
    except ValueError:
        return record.Head("default", 0), record.Payload("", {}), "its record cannot be read"
    try:
        return head, record.decode_payload(encoded), error
    except msgspec.DecodeError:
        return head, record.Payload("", {}), error
