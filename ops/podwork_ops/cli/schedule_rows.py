"""A schedule as podctl shows it: its row, its columns, and moments in its own zone.

Leaves to others: asking (`schedules`), changing (`schedule_changes`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

from podwork.errors import ConfigurationError
from podwork.schedules.rhythm import zone_named
from podwork.schedules.schedules import Schedules
from podwork.schedules.state import Pause, ScheduleState
from podwork_ops.application import load_app
from podwork_ops.cli.output import Column, age, moment, span
from podwork_ops.composition import Platform
from podwork_ops.masking import mask_value

CATCH_UPS = {"none": "not caught up", "one": "one of them is caught up", "all": "all are caught up"}


def until(seconds: float) -> str:
    """Write how far ahead a run is; one that is due is written as now."""
    return "now" if seconds <= 0 else f"in {age(seconds)}"


def ago(seconds: float) -> str:
    """Write how long ago something was."""
    return f"{age(seconds)} ago"


def note_in_words(note: dict[str, Any]) -> str:
    """Write who did something, and why."""
    return f"{note['owner']}: {note['reason']} ({ago(note['since_seconds_ago'])})"


COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("SCHEDULE", "schedule"),
    Column("RUNS", "words", wide=True),
    Column("NEXT", "next_in_seconds", until),
    Column("LAST RUN", "last_run_seconds_ago", ago),
    Column("SUCCESS", "last_success_seconds_ago", ago),
    Column("STATE", "state", wide=True),
]
GET_COLUMNS = [
    Column("SCHEDULE", "schedule"),
    Column("POD", "pod_id"),
    Column("WHAT FOR", "description"),
    Column("STATE", "state"),
    Column("RUNS", "words"),
    Column("CRON", "cron"),
    Column("JITTER", "jitter_seconds", span),
    Column("MISSED RUNS", "catch_up", lambda catch_up: CATCH_UPS.get(catch_up, catch_up)),
    Column("CLASS", "job_class"),
    Column("QUEUE", "queue"),
    Column("ARGUMENTS", "args", json.dumps),
    Column("NEXT RUNS", "next_runs", "\n".join),
    Column("LAST RUN", "last_run_shown"),
    Column("LAST JOB", "last_job"),
    Column("LAST SUCCESS", "last_success_shown"),
    Column("HAS TO SUCCEED EVERY", "sla_seconds", span),
    Column("PAUSED BY", "paused", note_in_words),
    Column("CHANGED BY", "changed_by", note_in_words),
    Column("CHANGED", "changed_shown"),
    Column("FAULT", "fault"),
]


def schedules_of(platform: Platform, pod_id: int, app_target: str | None = None) -> Schedules:
    """Return a pod's schedules; with the application they also know its computed intervals."""
    functions = load_app(app_target).schedules.functions if app_target else {}
    return Schedules(platform.store(pod_id), pod_id, functions)


def row_of(pod_id: int, state: ScheduleState) -> dict[str, Any]:
    """Return the schedule as it is shown; moments in JSON are UTC."""
    now = time.time()
    return {
        "pod_id": pod_id,
        "schedule": state.name,
        "state": _state_in_words(state),
        "app": state.app,
        "description": state.description,
        "job_class": state.job_class,
        "queue": state.queue,
        "args": mask_value("", state.args),
        "words": state.words,
        "cron": state.cron,
        "zone": state.zone,
        "every_seconds": state.every_seconds,
        "computed": state.computed,
        "jitter_seconds": state.jitter_seconds or None,
        "catch_up": state.catch_up,
        "next_run": _moment(state.next_run),
        "next_in_seconds": None if state.next_run is None else round(state.next_run - now, 1),
        "last_run": _moment(state.last_run),
        "last_run_seconds_ago": _since(state.last_run, now),
        "last_job": state.last_job,
        "last_success": _moment(state.last_success),
        "last_success_seconds_ago": _since(state.last_success, now),
        "sla_seconds": state.sla_seconds,
        "breached": state.breached,
        "paused": _note(state.paused),
        "changed": state.changed,
        "changed_by": _note(state.changed_by),
        "removed": state.removed,
        "fault": state.fault or None,
    }


def details(row: dict[str, Any], next_runs: Sequence[float], state: ScheduleState) -> dict[str, Any]:
    """Return the row with what one schedule by itself shows more."""
    return {
        **row,
        "next_runs": [in_zone(run, state.zone) for run in next_runs],
        "last_run_shown": None if state.last_run is None else in_zone(state.last_run, state.zone),
        "last_success_shown": None if state.last_success is None else in_zone(state.last_success, state.zone),
        "changed_shown": {field: value for field, value in state.changed.items() if value},
    }


def in_zone(seconds: float, zone: str) -> str:
    """Write a moment as a clock in the zone shows it: Tue 2026-11-24 09:30:00 EST."""
    try:
        place: tzinfo = zone_named(zone)
    except ConfigurationError:  # a zone that this machine does not know
        place = zone_named("UTC")
    return datetime.fromtimestamp(seconds, place).strftime("%a %Y-%m-%d %H:%M:%S %Z")


def _state_in_words(state: ScheduleState) -> str:
    words = [
        "removed" if state.removed else "",
        "fault" if state.fault else "",
        "late" if state.breached else "",
        "paused" if state.paused else "",
        "changed" if state.changed else "",
    ]
    return ", ".join(filter(None, words)) or "ok"


def _note(note: Pause | None) -> dict[str, Any] | None:
    if note is None:
        return None
    return {
        "owner": note.owner,
        "reason": note.reason,
        "since": moment(note.since),
        "since_seconds_ago": _since(note.since, time.time()),
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else moment(seconds)


def _since(seconds: float | None, now: float) -> float | None:
    return None if seconds is None else round(max(0.0, now - seconds), 1)
