"""A schedule as people and metrics see it.

Owns: `ScheduleState`, `Forecast`, and the passage from an entry to either. Times are seconds since 1970, on
Redis's clock. Leaves to others: the memory behind it (`entry`), and changing it (`schedules`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from podwork.schedules import service_level
from podwork.schedules.entry import Entry, Note
from podwork.schedules.rhythm import Computed, NextRun, NoSlots


class Pause(NamedTuple):
    """Who stopped a schedule, why, and since when."""

    owner: str
    reason: str
    since: float


class ScheduleState(NamedTuple):
    """One schedule of a pod.

    `words`: its rhythm in words. `changed`: what an operator has set over the code's declaration, and
    `changed_by` who and why. `removed`: the code does not declare it any more. `fault`: why it cannot tick.
    """

    name: str
    app: str
    description: str
    job_class: str
    queue: str
    args: dict[str, Any]
    words: str
    cron: str | None
    zone: str
    every_seconds: float | None
    computed: bool
    jitter_seconds: float
    catch_up: str
    paused: Pause | None
    changed: dict[str, Any]
    changed_by: Pause | None
    removed: bool
    fault: str
    last_run: float | None
    last_job: str | None
    last_success: float | None
    next_run: float | None
    sla_seconds: float | None
    breached: bool


class Forecast(NamedTuple):
    """A run to come: its slot, and when its job is due, which jitter may put later."""

    slot: float
    due: float
    schedule: str
    job_class: str


def state_of(entry: Entry, success_ms: int, now_ms: int, next_run: NextRun | None = None) -> ScheduleState:
    """Return the schedule as it stands at `now_ms`."""
    declaration, timing = entry.declaration, entry.timing
    words, fault = _words(entry)
    slots = upcoming(entry, now_ms, 1, next_run)
    return ScheduleState(
        name=declaration.name,
        app=declaration.app,
        description=declaration.description,
        job_class=declaration.work.job_class,
        queue=declaration.work.queue,
        args=msgspec.json.decode(declaration.work.args),
        words=words,
        cron=timing.cron or None,
        zone=timing.zone,
        every_seconds=timing.every_ms / 1000 or None,
        computed=timing.computed,
        jitter_seconds=timing.jitter_ms / 1000,
        catch_up=timing.catch_up,
        paused=_pause(entry.pause),
        changed=_readable(entry.change.fields) if entry.change else {},
        changed_by=_pause(entry.change.note) if entry.change else None,
        removed=bool(entry.removed_ms),
        fault=fault or entry.fault,
        last_run=entry.last_slot_ms / 1000 or None,
        last_job=entry.last_job or None,
        last_success=success_ms / 1000 or None,
        next_run=slots[0] / 1000 if slots else None,
        sla_seconds=timing.at_least_every_ms / 1000 or None,
        breached=service_level.is_breached(entry, success_ms, now_ms),
    )


def upcoming(entry: Entry, after_ms: int, most: int, next_run: NextRun | None = None) -> list[int]:
    """Return the next slots after the moment; of a computed interval without its function, one at most."""
    if not entry.is_ticking:
        return []
    try:
        rhythm = entry.timing.rhythm(next_run)
        if rhythm is None:
            return [entry.next_ms] if entry.next_ms > after_ms else []
        recent = (*entry.recent, entry.next_ms) if entry.next_ms else entry.recent
        slots: list[int] = []
        slot = rhythm.first_after(after_ms, recent)
        while slot is not None and len(slots) < most:
            slots.append(slot)
            slot = rhythm.first_after(slot, slots if isinstance(rhythm, Computed) else ())
    except NoSlots:
        return []
    return slots


def _words(entry: Entry) -> tuple[str, str]:
    """Return the rhythm in words, or what is the matter with it."""
    try:
        rhythm = entry.timing.rhythm()
        return (rhythm.words if rhythm else "Computed by the application"), ""
    except NoSlots as error:
        return "", str(error)


def _pause(note: Note | None) -> Pause | None:
    return Pause(note.owner, note.reason, note.since_ms / 1000) if note else None


def _readable(fields: dict[str, Any]) -> dict[str, Any]:
    """Return an operator's changes with lengths in seconds."""
    return {
        field.replace("_ms", "_seconds"): value / 1000 if field.endswith("_ms") else value
        for field, value in fields.items()
    }
