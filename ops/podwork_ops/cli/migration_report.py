"""The status of plans as tables: a line per plan, the matrix, what is under way, what to do next.

Leaves to others: rows (`migration_rows`), what is in the matrix (`migration_matrix`), a screen that is drawn
again and again (`migration_screen`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from podwork_migrations.plan.cells import Cell
from podwork_migrations.plan.deeds import Deed
from podwork_migrations.plan.status import Status
from podwork_ops.cli.migration_matrix import Matrix, matrix
from podwork_ops.cli.migration_rows import (
    MOVING_COLUMNS,
    PLAN_COLUMNS,
    document_of,
    moving_rows,
    next_actions,
    plan_row,
    shown_moving,
    shown_plan,
)
from podwork_ops.cli.output import Column, Output, age, moment
from podwork_ops.masking import mask

SPARSE = {
    "throttled", "failed", "blocked", "running", "eta_seconds", "slowest_words", "purpose",
    "rows", "share", "rows_per_second", "attempts", "why", "stage_words", "wave_words", "lag_words",
}  # fmt: skip
"""Columns that are left out where nothing stands in them."""
MOST_MOVING: Final = 40
MOST_ACTIONS: Final = 12
LETTERS = ", ".join(f"{cell.value} {cell.word}" for cell in Cell)


DEED_COLUMNS = [
    Column("WAS", "what"),
    Column("WHEN", "seconds_ago", lambda seconds: f"{age(seconds)} ago", right=True),
    Column("BY", "by", wide=True),
    Column("WHY", "reason", wide=True),
]


def write(
    out: Output, status: Status, waits: Mapping[int, str] = MappingProxyType({}), deeds: Sequence[Deed] = ()
) -> None:
    """Write it; `waits`: why pods do not begin; `deeds`: what persons did to the plan."""
    done = [_deed_row(deed, status.at) for deed in deeds]
    if out.json:
        out.document(document_of(status, waits) | {"deeds": done})
        return
    if not status.plans:
        out.message("no plans - make one: podctl migrations plan")
    else:
        plans = [shown_plan(plan_row(line)) for line in status.plans]
        out.rows("plans", plans, used(PLAN_COLUMNS, plans))
        _write_reason(out, status)
        _write_matrix(out, matrix(status, waits), status.number)
    moving = [shown_moving(row) for row in moving_rows(status)]
    if moving:
        out.write("\n")
        _write_moving(out, moving)
    if done:
        out.write("\n")
        out.rows("deeds", done, DEED_COLUMNS)
    _write_actions(out, next_actions(status))


def used(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Return the columns, without those of `SPARSE` in which nothing stands."""
    return [
        column
        for column in columns
        if column.key not in SPARSE or any(row.get(column.key) not in (None, "", 0) for row in rows)
    ]


def version_rows(seen: Matrix) -> list[dict[str, Any]]:
    """Return the migrations of the matrix, numbered, with how many pods stand how."""
    return [
        {
            "number": number,
            "id": f"{line.version}_{line.name}",
            "kind": line.kind,
            "pods": ", ".join(f"{count} {cell.word}" for cell, count in line.pods.items()),
        }
        for number, line in enumerate(seen.columns, 1)
    ]


def _deed_row(deed: Deed, now: float) -> dict[str, Any]:
    ago = round(max(0.0, now - deed.at), 1)
    reason = mask(deed.reason) or None
    return {
        "what": deed.what,
        "at": moment(deed.at),
        "seconds_ago": ago,
        "by": deed.by or None,
        "reason": reason,
    }


def _write_reason(out: Output, status: Status) -> None:
    for line in status.plans:
        if line.number == status.number and line.reason:
            reason = shown_plan(plan_row(line))["reason"]
            out.write(f"\nplan {line.number} is {line.state}: {reason}\n")


def _write_matrix(out: Output, seen: Matrix, number: int | None) -> None:
    out.write(f"\nplan {number}\n")
    if seen.columns:
        rows = version_rows(seen)
        columns = [
            Column("#", "number", right=True),
            Column("MIGRATION", "id"),
            Column("KIND", "kind"),
            Column("PODS", "pods", wide=True),
        ]
        out.rows("migrations", rows, columns)
    if seen.rest:
        out.write(f"{seen.rest}\n")
    out.write("\n")
    out.rows("pods", *_pods(seen))
    if seen.columns and not seen.in_words:
        out.write(f"{LETTERS}\n")


def _pods(seen: Matrix) -> tuple[list[dict[str, Any]], list[Column]]:
    numbers = [str(number) for number in range(1, len(seen.columns) + 1)]
    rows: list[dict[str, Any]] = []
    for group in seen.groups:
        words = [Cell(cell).word for cell in group.cells]
        cells = dict(zip(numbers, words, strict=True)) if seen.in_words else {"cells": group.cells}
        known = {"pods": group.which, "wave": group.wave_words, "state": group.state_words, "why": group.why}
        rows.append({**known, **cells})
    middle = [Column(number, number) for number in numbers] if seen.in_words else []
    if seen.columns and not seen.in_words:
        middle = [Column(f"1-{len(seen.columns)}", "cells", wide=True)]
    columns = [Column("PODS", "pods", wide=True), Column("WAVE", "wave"), Column("STATE", "state"), *middle]
    return rows, used([*columns, Column("WHY", "why", wide=True)], rows)


def _write_moving(out: Output, moving: Sequence[Mapping[str, Any]]) -> None:
    """Write who is under way, what failed first; what is too much for a person is counted."""
    first = sorted(moving, key=lambda row: row["state"] != "failed")[:MOST_MOVING]
    shown = sorted(first, key=lambda row: (row["pod_id"], row["version"]))
    out.rows("moving", shown, used(MOVING_COLUMNS, shown))
    if more := len(moving) - len(shown):
        out.write(f"{more:,} more: podctl migrations status -o json\n")


def _write_actions(out: Output, actions: Sequence[str]) -> None:
    if actions:
        out.write("\n")
    for action in actions[:MOST_ACTIONS]:
        out.write(f"next: {action}\n")
    more = len(actions) - MOST_ACTIONS
    if more > 0:
        out.write(f"{more:,} more to do: podctl migrations status -o json\n")
