"""Statuses of plans as a test wants them, without a database."""

from __future__ import annotations

from collections import Counter
from typing import Any

from podwork_migrations.ledger.states import EntryState
from podwork_migrations.plan.cells import Cell, state_of
from podwork_migrations.plan.states import PlanState
from podwork_migrations.plan.status import MovingLine, Outcome, PlanLine, PodLine, Status, VersionLine

NOW = 1_795_000_000.0


def plan_line(number: int = 3, pods: int = 8, **given: Any) -> PlanLine:
    """Return a plan that is running, two of its eight pods done."""
    known: dict[str, Any] = {
        "number": number,
        "state": PlanState.RUNNING,
        "reason": "",
        "purpose": "release 42",
        "digest": "ab" * 32,
        "versions": 2,
        "leg": 0,
        "legs": 1,
        "wave": 1,
        "waves": 3,
        "pods": pods,
        "done": 2,
        "running": 1,
        "failed": 0,
        "blocked": 0,
        "waiting": pods - 3,
        "throttled": 0,
        "slowest_pod_id": None,
        "soak_seconds_left": None,
        "eta_seconds": 120.0,
        "created": NOW - 60,
        "started": NOW - 50,
        "ended": None,
        "next_action": "",
    }
    return PlanLine(**known | given)


def pod_line(pod_id: int, cells: str, wave: int = 1, **given: Any) -> PodLine:
    """Return a pod whose state follows from its cells."""
    known: dict[str, Any] = {
        "state": state_of(cells),
        "blocked": None,
        "heard_seconds_ago": 1.0,
        "error": "",
        "next_action": "",
    }
    return PodLine(pod_id, wave, cells=cells, **known | given)


def moving_line(pod_id: int, version: str, **given: Any) -> MovingLine:
    """Return a backfill that is under way."""
    known: dict[str, Any] = {
        "plan": 3,
        "state": EntryState.RUNNING,
        "stage": "backfilling",
        "route": "data",
        "rows_done": 250,
        "rows_total": 1_000,
        "rows_per_second": 50.0,
        "eta_seconds": 15.0,
        "throttle_reason": "",
        "heartbeat_seconds": 0.4,
        "attempts": 1,
        "error": "",
        "next_action": "",
    }
    return MovingLine(pod_id, version, **known | given)


def status(
    *lines: PodLine,
    plans: tuple[PlanLine, ...] = (),
    moving: tuple[MovingLine, ...] = (),
    outcome: Outcome = Outcome.RUNNING,
) -> Status:
    """Return the status of these pods; its versions are named by their places."""
    columns = list(zip(*(line.cells for line in lines), strict=True))
    versions = [
        VersionLine(
            version_of(place),
            f"change_{place + 1}",
            "schema",
            0,
            {Cell(cell): number for cell, number in Counter(column).items()},
        )
        for place, column in enumerate(columns)
    ]
    shown = plans or (plan_line(pods=len(lines), versions=len(versions)),)
    return Status(NOW, outcome, shown, shown[0].number, versions, lines, moving)


def version_of(place: int) -> str:
    """Return the version of a place, from 0 on."""
    return f"{20261124120001 + place}"
