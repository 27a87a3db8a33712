"""The service level of a schedule: it has to succeed at least so often.

Owns: what a breach is, and the two events that are logged of one, when it begins and when it is over. A
success is that of a job that the schedule made (in its time, or run by hand); the scripts note it in the
step that ends the job. Promises: each event is logged once in the pod, by whoever wrote the change down. A
paused schedule is measured like any other: a pause that somebody forgot is what a service level is for.
"""

from __future__ import annotations

import logging

from msgspec.structs import replace

from podwork.schedules.entry import Entry

log = logging.getLogger("podwork.schedules")


def is_breached(entry: Entry, success_ms: int, now_ms: int) -> bool:
    """Return whether the last success (0: none) is older than promised."""
    promised_ms = entry.timing.at_least_every_ms
    if not promised_ms or entry.removed_ms:
        return False
    return now_ms - max(success_ms, entry.since_ms) > promised_ms


def judged(entry: Entry, success_ms: int, now_ms: int) -> Entry:
    """Return the entry with its breach begun or over; the same one if nothing has changed."""
    breached = is_breached(entry, success_ms, now_ms)
    if breached == bool(entry.breached_ms):
        return entry
    return replace(entry, breached_ms=now_ms if breached else 0)


def tell(name: str, before: Entry, after: Entry, success_ms: int, now_ms: int) -> None:
    """Log the event between the two entries."""
    promised_seconds = after.timing.at_least_every_ms / 1000
    facts = {"schedule": name, "sla_seconds": promised_seconds, "last_success": success_ms / 1000 or None}
    if after.breached_ms:
        ago = f"{(now_ms - success_ms) / 1000:.0f} s ago" if success_ms else "never"
        log.error(
            "schedule %s is to succeed every %g s and last did so %s",
            name, promised_seconds, ago, extra={"event_name": "schedule_sla_breached", **facts},
        )  # fmt: skip
    elif before.breached_ms:
        lasted_seconds = (now_ms - before.breached_ms) / 1000
        log.warning(
            "schedule %s keeps its service level again after %.0f s",
            name, lasted_seconds,
            extra={"event_name": "schedule_sla_kept_again", "breached_seconds": lasted_seconds, **facts},
        )  # fmt: skip
