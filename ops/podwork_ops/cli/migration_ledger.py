"""What a pod's own ledger says: `podctl migrations status --pod N`.

Promises: it stands in the pod's shard, so that it is true whatever plans know. Leaves to others: the ledger
(`podwork_migrations.ledger`).
"""

from __future__ import annotations

import time
from typing import Any

from podwork_migrations.ledger.entry import Entry
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.line import LineState
from podwork_ops.cli.migration_report import used
from podwork_ops.cli.migration_rows import brief
from podwork_ops.cli.output import Column, Output, age, moment
from podwork_ops.cli.run_rows import of_total
from podwork_ops.composition import Platform
from podwork_ops.masking import mask

COLUMNS = [
    Column("MIGRATION", "id"),
    Column("KIND", "kind"),
    Column("STATE", "state"),
    Column("ROUTE", "route"),
    Column("STAGE", "stage"),
    Column("ROWS DONE", "rows", right=True),
    Column("ATTEMPTS", "attempts", right=True),
    Column("BEGUN", "begun", right=True),
    Column("TOOK", "took_seconds", age, right=True),
    Column("PLAN", "plan_id"),
    Column("WHY", "why", wide=True),
]


def write_ledger(out: Output, platform: Platform, pod_id: int) -> None:
    """Write it."""
    line = platform.migrations.control(pod_id).state()
    rows = [row_of(entry) for entry in platform.migrations.entries(pod_id)]
    edited, lost = _edited(platform, rows), platform.migrations.lost_runs(pod_id)
    if out.json:
        known = {"migrations": rows, "edited": edited, "lost_runs": lost}
        out.document({"pod_id": pod_id, "line": _line_row(line), **known})
        return
    shown = [_shown(row) for row in rows]
    out.rows("migrations", shown, used(COLUMNS, shown), f"pod {pod_id} has had no migration")
    for said in _said(line):
        out.message(f"pod {pod_id}: {said}")
    for version in edited:
        out.message(f"pod {pod_id}: the file of {version} was edited after it ran; it does not run again")
    for version in lost:
        out.message(
            f"pod {pod_id}: runs of {version} are gone from podwork_runs: which rows they did is not known"
        )


def row_of(entry: Entry) -> dict[str, Any]:
    """Return all of an entry, moments written as JSON carries them."""
    times = ("requested", "started", "heartbeat", "ready", "completed", "not_before", "hold_until")
    prose = ("throttle_reason", "override_reason", "error", "statement")
    row = {name: value for name, value in entry._asdict().items() if name not in ("change", "reported")}
    row |= {name: None if row[name] is None else moment(row[name]) for name in times}
    row |= {name: mask(row[name]) or None for name in prose}
    return {
        "id": entry.id,
        **row,
        "artefacts": [each._asdict() for each in entry.artefacts],
        "run_ids": list(entry.run_ids),
        "begun_seconds_ago": round(max(0.0, time.time() - entry.started), 1),
        "took_seconds": round(entry.completed - entry.started, 1)
        if entry.completed and entry.attempts
        else None,
    }


def _edited(platform: Platform, rows: list[dict[str, Any]]) -> list[str]:
    """Return the migrations whose file is not the one that ran; none where there are no files here."""
    if not platform.settings.migrations.folder:
        return []
    library = platform.migrations.library
    return [
        row["id"]
        for row in rows
        if row["version"] in library and library[row["version"]].checksum != row["checksum"]
    ]


def _line_row(line: LineState) -> dict[str, Any]:
    return {
        "owner": line.owner or None,
        "epoch": line.epoch,
        "heartbeat_at": moment(line.heartbeat_at) if line.heartbeat_at else None,
        "is_held": line.is_held,
        "hold_reason": line.hold_reason,
        "hold_by": line.hold_by or None,
        "trouble": mask(line.trouble) or None,
    }


def _said(line: LineState) -> list[str]:
    said = [f"held by {line.hold_by}: {line.hold_reason}"] if line.is_held else []
    return [*said, *([mask(line.trouble)] if line.trouble and not line.is_held else [])]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    is_failed = row["state"] == EntryState.FAILED
    why = row["error"] if is_failed else row["override_reason"] or row["throttle_reason"]
    return {
        **row,
        "stage": row["stage"] if row["stage"] != row["route"] else None,
        "rows": None if row["rows_done"] is None else of_total(row),
        "begun": f"{age(row['begun_seconds_ago'])} ago",
        "attempts": row["attempts"] or None,
        "why": brief(why),
    }
