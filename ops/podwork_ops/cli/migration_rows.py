"""How plans, pods and migrations that are under way are shown: their rows and columns.

Promises: errors are shown without secrets; what nobody knows is none. Leaves to others: asking
(`migration_status`), the matrix (`migration_matrix`), the screen (`migration_screen`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from podwork_migrations.plan.cells import Cell
from podwork_migrations.plan.status import Lag, MovingLine, PlanLine, PodLine, Status, VersionLine
from podwork_ops.cli.output import Column, age, moment
from podwork_ops.cli.run_rows import of_total, percent, rate
from podwork_ops.masking import mask

PLAN_COLUMNS = [
    Column("PLAN", "plan", right=True),
    Column("STATE", "state"),
    Column("WAVE", "wave_words"),
    Column("DONE", "done_words", right=True),
    Column("RUNNING", "running", right=True),
    Column("THROTTLED", "throttled", right=True),
    Column("FAILED", "failed", right=True),
    Column("BLOCKED", "blocked", right=True),
    Column("ETA", "eta_seconds", age, right=True),
    Column("SLOWEST", "slowest_words"),
    Column("FOR", "purpose", wide=True),
]
MOVING_COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("MIGRATION", "id"),
    Column("STATE", "state"),
    Column("STAGE", "stage_words"),
    Column("ROWS DONE", "rows", right=True),
    Column("DONE", "share", percent, right=True),
    Column("RATE", "rows_per_second", rate, right=True),
    Column("ETA", "eta_seconds", age, right=True),
    Column("LAG", "lag_words", right=True),
    Column("BEAT", "heartbeat_seconds", age, right=True),
    Column("ATTEMPT", "attempts", right=True),
    Column("WHY", "why", wide=True),
]
# What SQLAlchemy puts around a driver's error: its own class, the statement, and where to read on.
_WRAPPER = re.compile(r"(?P<before>^|: )sqlalchemy\.exc\.\w+: \((?:[\w.]+\.)?(?P<kind>\w+)\) ")
_WRAPPED = re.compile(
    r"\s*\[SQL: .*?(?=\s*\(Background|$)|\s*\(Background on this error at: [^)]*\)", re.DOTALL
)

LET_GO: Final = "let go"
"""A pod that may begin, and has not yet."""


def document_of(status: Status, waits: Mapping[int, str]) -> dict[str, Any]:
    """Return all that is known, for `-o json`; `waits`: why pods do not begin."""
    return {
        "at": moment(status.at),
        "outcome": status.outcome.value,
        "plans": [plan_row(line) for line in status.plans],
        "plan": status.number,
        "migrations": [_version_row(line) for line in status.versions],
        "pods": [pod_row(line, status.versions, waits) for line in status.pods],
        "moving": moving_rows(status),
        "next_actions": next_actions(status),
    }


def plan_row(line: PlanLine) -> dict[str, Any]:
    """Return what is known of a plan."""
    return {
        "plan": line.number,
        "state": line.state.value,
        "reason": mask(line.reason) or None,
        "purpose": line.purpose or None,
        "digest": line.digest,
        "migrations": line.versions,
        "leg": line.leg + 1,
        "legs": line.legs,
        "wave": line.wave,
        "waves": line.waves,
        "pods": line.pods,
        "done": line.done,
        "running": line.running,
        "failed": line.failed,
        "blocked": line.blocked,
        "waiting": line.waiting,
        "throttled": line.throttled,
        "slowest_pod_id": line.slowest_pod_id,
        "soak_seconds_left": _rounded(line.soak_seconds_left),
        "eta_seconds": _rounded(line.eta_seconds),
        "created_at": moment(line.created),
        "started_at": _moment(line.started),
        "ended_at": _moment(line.ended),
        "next_action": line.next_action or None,
    }


def shown_plan(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with the phrases of tables."""
    wave = "canary" if row["wave"] == 0 else f"{row['wave']} of {row['waves'] - 1}"
    if row["legs"] > 1:
        wave += f", leg {row['leg']} of {row['legs']}"
    if row["soak_seconds_left"] is not None and row["state"] == "soaking":
        wave += f", {age(row['soak_seconds_left'])} left"
    is_over = row["state"] in ("succeeded", "cancelled", "draft")
    counted = ("running", "failed", "blocked", "throttled")
    return {
        **row,
        **{name: row[name] or None for name in counted},
        "reason": brief(row["reason"]),
        "wave_words": None if is_over else wave,
        "done_words": f"{row['done']} of {row['pods']}",
        "slowest_words": f"pod {row['slowest_pod_id']}" if row["slowest_pod_id"] else None,
    }


def pod_row(line: PodLine, versions: Sequence[VersionLine], waits: Mapping[int, str]) -> dict[str, Any]:
    """Return what is known of a pod in a plan, and how it stands with each version."""
    return {
        "pod_id": line.pod_id,
        "wave": line.wave,
        "state": line.state.value,
        "blocked": mask(line.blocked) if line.blocked else None,
        "waits_for": waits.get(line.pod_id),
        "heard_seconds_ago": _rounded(line.heard_seconds_ago),
        "error": mask(line.error) or None,
        "next_action": line.next_action or None,
        "migrations": {
            version.version: Cell(cell).word for version, cell in zip(versions, line.cells, strict=True)
        },
    }


def moving_rows(status: Status) -> list[dict[str, Any]]:
    """Return what is known of each pod that is in the middle of a migration, or has failed there."""
    names = {line.version: line.name for line in status.versions}
    return [_moving_row(line, names.get(line.version)) for line in status.moving]


def _moving_row(line: MovingLine, name: str | None) -> dict[str, Any]:
    share = line.rows_done / line.rows_total if line.rows_total and line.rows_done is not None else None
    return {
        "pod_id": line.pod_id,
        "version": line.version,
        "id": f"{line.version}_{name}" if name else line.version,
        "plan": line.plan,
        "state": line.state.value if line.state else LET_GO,
        "stage": line.stage or None,
        "route": line.route or None,
        "rows_done": line.rows_done,
        "rows_total": line.rows_total,
        "share": None if share is None else round(min(1.0, share), 6),
        "rows_per_second": _rounded(line.rows_per_second),
        "eta_seconds": _rounded(line.eta_seconds),
        "replica_lag_seconds": _rounded(line.lag.seconds) if line.lag else None,
        "replica_lag_words": _lag_words(line.lag),
        "replica_lag_why": (line.lag.why or None) if line.lag else None,
        "throttle_reason": mask(line.throttle_reason) or None,
        "heartbeat_seconds": _rounded(line.heartbeat_seconds),
        "attempts": line.attempts,
        "error": mask(line.error) or None,
        "next_action": line.next_action or None,
    }


def shown_moving(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with the phrases of tables."""
    stage = row["stage"] if row["stage"] != row["route"] else None
    words = [word for word in (row["route"], stage) if word]
    is_going = row["state"] in ("running", "reverting")
    return {
        **row,
        "stage_words": ": ".join(words) or None,
        "rows": None if row["rows_done"] is None else of_total(row),
        "rows_per_second": row["rows_per_second"] if is_going else None,
        "eta_seconds": row["eta_seconds"] if is_going else None,
        "attempts": row["attempts"] or None,
        "lag_words": row["replica_lag_words"] if is_going else None,
        "why": brief(row["error"] if row["state"] == "failed" else row["throttle_reason"] or _stopped(row)),
    }


def _lag_words(lag: Lag | None) -> str | None:
    """Return how far replicas are behind, for people: 12s, stopped, ? where it could not be asked."""
    if lag is None:
        return None
    if lag.seconds is not None:
        return age(lag.seconds)
    return "stopped" if lag.is_known else "?"


def _stopped(row: Mapping[str, Any]) -> str | None:
    """Return why replicas do not follow, if that is known."""
    why = row["replica_lag_why"] if row["replica_lag_words"] == "stopped" else None
    return f"a replica does not follow: {why}" if why else None


def next_actions(status: Status) -> list[str]:
    """Return what a person would do next, each once, the plan's first."""
    plans = [f"plan {line.number}: {line.next_action}" for line in status.plans if line.next_action]
    pods = [f"pod {line.pod_id}: {line.next_action}" for line in status.moving if line.next_action]
    told = {line.pod_id for line in status.moving if line.next_action}
    pods += [
        f"pod {line.pod_id}: {line.next_action}"
        for line in status.pods
        if line.next_action and line.pod_id not in told
    ]
    return [mask(action) for action in dict.fromkeys([*plans, *pods])]


def brief(text: str | None) -> str | None:
    """Return the first line of what went wrong, in the database's own words; the ledger has all of it."""
    if not text:
        return None
    line = _WRAPPED.sub("", _WRAPPER.sub(lambda found: f"{found['before']}{found['kind']}: ", text))
    return line.partition("\n")[0].strip()


def _version_row(line: VersionLine) -> dict[str, Any]:
    return {
        "version": line.version,
        "name": line.name,
        "id": f"{line.version}_{line.name}",
        "kind": line.kind,
        "leg": line.leg + 1,
        "pods": {cell.word: number for cell, number in line.pods.items()},
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 1)


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else moment(seconds)
