"""One run as `podctl runs get` writes it: a record with its partitions, or a group with its runs.

Leaves to others: which runs (`run_places`), rows and columns (`run_rows`), a screen that is drawn again and
again (`run_screen`).
"""

from __future__ import annotations

from typing import Any

from podwork_ops.cli.output import Output
from podwork_ops.cli.run_rows import (
    ALWAYS,
    GET_COLUMNS,
    GROUP_COLUMNS,
    PARTITION_COLUMNS,
    partition_rows,
    rollup_row,
    run_row,
    shown_partition,
    shown_rollup,
    shown_run,
)
from podwork_pods.iteration.rollup import Rollup


def document_of(rollup: Rollup) -> dict[str, Any]:
    """Return a run, or a group as one, with its runs and their partitions."""
    document = rollup_row(rollup)
    for row, status in zip(document["runs"], rollup.runs, strict=True):
        row["partitions"] = partition_rows(status)
    return document


def write(out: Output, rollup: Rollup) -> None:
    """Write it."""
    if out.json:
        out.document(document_of(rollup))
        return
    row, statuses = shown_rollup(rollup), rollup.runs
    out.record(row, [column for column in GET_COLUMNS if column.key in ALWAYS or row.get(column.key)])
    if len(statuses) > 1:
        out.write("\n")
        out.rows("runs", [shown_run(run_row(status), status.words) for status in statuses], GROUP_COLUMNS)
    elif statuses[0].partitions:
        out.write("\n")
        parts = [shown_partition(row) for row in partition_rows(statuses[0])]
        out.rows("partitions", parts, PARTITION_COLUMNS)
