"""How runs are shown: their rows and columns, those of their partitions and of what was left out.

Promises: parameters and errors are shown without secrets; what nobody knows is none. Leaves to others: which
runs (`run_places`), the screen (`run_screen`).
"""

from __future__ import annotations

import json
import time
from typing import Any

from podwork.iteration.collection import Cursor
from podwork.iteration.cursor import encode
from podwork.iteration.states import RunState
from podwork_ops.cli.output import Column, age, count, moment
from podwork_ops.masking import mask, mask_value
from podwork_pods.iteration.partition import Partition, PartitionState
from podwork_pods.iteration.quarantine import Quarantined
from podwork_pods.iteration.rollup import Rollup
from podwork_pods.iteration.status import RunStatus


def percent(share: float) -> str:
    """Write a share: 0%, 12.3%, 100%; never 100% before the last row."""
    if share >= 1.0:
        return "100%"
    return f"{min(share * 100, 99.9):.1f}%" if share else "0%"


def rate(rows_per_second: float) -> str:
    """Write a rate: 48,213/s, 3.2/s."""
    return f"{rows_per_second:,.0f}/s" if rows_per_second >= 10 else f"{rows_per_second:.1f}/s"


def of_total(row: dict[str, Any]) -> str:
    """Write how much of a whole is done: 1,204 of 1,469; the whole may be unknown."""
    done = f"{row['rows_done']:,}"
    return done if row["rows_total"] is None else f"{done} of {row['rows_total']:,}"


LIST_COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("RUN", "run_id"),
    Column("STATE", "state"),
    Column("ROWS DONE", "rows", right=True),
    Column("DONE", "share", percent, right=True),
    Column("RATE", "rows_per_second", rate, right=True),
    Column("ETA", "eta_seconds", age, right=True),
    Column("AGE", "age_seconds", age, right=True),
    Column("CLASS", "job_class", wide=True),
    Column("SHOP", "shop_id", right=True),
    Column("WHY", "why", wide=True),
]
GROUP_COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("STATE", "state"),
    Column("ROWS DONE", "rows", right=True),
    Column("DONE", "share", percent, right=True),
    Column("RATE", "rows_per_second", rate, right=True),
    Column("ETA", "eta_seconds", age, right=True),
    Column("PARTS", "parts", right=True),
    Column("INTERRUPTED", "interruptions", count, right=True),
    Column("ATTEMPTS", "attempts", count, right=True),
    Column("LEFT OUT", "quarantined", count, right=True),
    Column("REV", "revision", right=True),
    Column("WHY", "why", wide=True),
]
GET_COLUMNS = [
    Column("RUN", "id"),
    Column("CLASS", "job_class"),
    Column("PARAMETERS", "params", json.dumps),
    Column("SHOP", "shop_id"),
    Column("PODS", "pod_ids"),
    Column("STATE", "state_in_words"),
    Column("WHY", "why"),
    Column("ROWS DONE", "rows"),
    Column("DONE", "share", percent),
    Column("RATE", "rows_per_second", rate),
    Column("ETA", "eta_seconds", age),
    Column("WORKED FOR", "worked_seconds", age),
    Column("HELD BACK BY", "throttle_reasons", "; ".join),
    Column("AT MOST", "limits"),
    Column("PARTITIONS", "parts_in_words"),
    Column("INTERRUPTIONS", "interruptions", count),
    Column("PAUSES", "pauses", count),
    Column("THROTTLED", "throttled", "{:,} times".format),
    Column("FAILED ATTEMPTS", "attempts", count),
    Column("LEFT OUT", "quarantined", "{:,} items, see: podctl runs errors".format),
    Column("REVISION", "revision"),
    Column("CREATED", "created_at"),
    Column("STARTED", "started_at"),
    Column("ENDED", "ended_at"),
    Column("CREATED BY", "created_by"),
]
ALWAYS = {"id", "job_class", "state_in_words", "rows"}
"""What `get` shows also when it is nothing; the rest only when there is something to say."""
PARTITION_COLUMNS = [
    Column("PART", "number", right=True),
    Column("STATE", "state"),
    Column("ROWS DONE", "rows_done", count, right=True),
    Column("BATCHES", "batches", count, right=True),
    Column("LAST BATCH", "last_batch", right=True),
    Column("INTERRUPTED", "interruptions", count, right=True),
    Column("ATTEMPTS", "attempts", count, right=True),
    Column("REV", "revision", right=True),
    Column("HELD BY", "owner"),
    Column("WHY", "why", wide=True),
]
ERROR_COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("ITEM", "item", right=True),
    Column("PART", "partition", right=True),
    Column("KEY", "key", wide=True),
    Column("FAILED", "failed_seconds_ago", lambda seconds: f"{age(seconds)} ago", right=True),
    Column("DONE SINCE", "retried_seconds_ago", lambda seconds: f"{age(seconds)} ago", right=True),
    Column("ERROR", "error", wide=True),
]


def run_row(status: RunStatus) -> dict[str, Any]:
    """Return all that is known of a run."""
    run, progress = status.run, status.progress
    return {
        "pod_id": run.pod_id,
        "run_id": run.id,
        "group_id": run.group_id,
        "job_class": run.job_class,
        "shop_id": run.shop_id,
        "params": mask_value("", run.params),
        "state": run.state.value,
        "reason": mask(run.reason) or None,
        "rows_done": status.rows_done,
        "rows_total": run.rows_total,
        "share": None if progress.share is None else round(progress.share, 6),
        "rows_per_second": round(progress.rate, 1) if run.started else None,
        "eta_seconds": _rounded(progress.eta_seconds) if not run.state.is_over else None,
        "worked_seconds": round(progress.worked_seconds, 1),
        "age_seconds": round(max(0.0, status.now - run.created), 1),
        "throttle_reasons": [mask(reason) for reason in status.throttle_reasons],
        "partitions_total": len(status.partitions),
        "partitions_done": status.count(PartitionState.DONE),
        "partitions_held": status.held,
        "partitions_failed": status.count(PartitionState.FAILED),
        "interruptions": status.interruptions,
        "pauses": run.pauses,
        "throttled": run.throttled,
        "attempts": status.attempts,
        "quarantined": run.quarantined,
        "rate_limit": run.rows_per_second,
        "batch_limit": run.batch_most,
        "parallel": run.parallel,
        "revision": run.revision,
        "forced": run.forced,
        "created_at": moment(run.created),
        "started_at": _moment(run.started),
        "ended_at": _moment(run.ended),
        "updated_at": moment(run.updated),
        "created_by": run.created_by or None,
    }


def shown_run(row: dict[str, Any], words: str) -> dict[str, Any]:
    """Return the row with the phrases of tables."""
    return {
        **row,
        "rows": of_total(row),
        "share": None if row["rows_total"] is None else row["share"],
        "rows_per_second": row["rows_per_second"] or None,
        "parts": f"{row['partitions_done']}/{row['partitions_total']}",
        "why": mask(words),
    }


def rollup_row(rollup: Rollup) -> dict[str, Any]:
    """Return a run, or a group as one, with its runs."""
    first = rollup.runs[0].run
    rows = [run_row(status) for status in rollup.runs]
    reasons = dict.fromkeys(reason for row in rows for reason in row["throttle_reasons"])
    added = ("interruptions", "pauses", "throttled", "attempts", "quarantined")
    summed = ("partitions_total", "partitions_done", "partitions_held", "partitions_failed")
    return {
        "id": rollup.id if len(rollup.runs) > 1 else first.id,
        "job_class": first.job_class,
        "shop_id": first.shop_id,
        "params": mask_value("", first.params),
        "pods": [row["pod_id"] for row in rows],
        "state": rollup.state.value,
        "states": {state.value: number for state, number in rollup.states.items()},
        "rows_done": rollup.rows_done,
        "rows_total": rollup.rows_total,
        "share": None if rollup.share is None else round(rollup.share, 6),
        "rows_per_second": round(rollup.rate, 1) if rollup.started else None,
        "eta_seconds": _rounded(rollup.eta_seconds),
        "worked_seconds": round(rollup.worked_seconds, 1),
        "throttle_reasons": list(reasons),
        **{name: rollup.total(name) for name in added},
        **{name: sum(row[name] for row in rows) for name in summed},
        "created_at": moment(min(status.run.created for status in rollup.runs)),
        "started_at": _moment(rollup.started),
        "ended_at": _moment(rollup.ended),
        "runs": rows,
    }


def shown_rollup(rollup: Rollup) -> dict[str, Any]:
    """Return what `get` shows of a run, or of a group as one."""
    row = rollup_row(rollup)
    alone = row["runs"][0] if len(row["runs"]) == 1 else {}
    failed = [status.words for status in rollup.runs if status.run.state is RunState.FAILED]
    why = rollup.runs[0].words if alone else next(iter(failed), "")
    return {
        **row,
        "pod_ids": ", ".join(map(str, row["pods"])),
        "rows": of_total(row),
        "rows_per_second": row["rows_per_second"] or None,
        "state_in_words": states_in_words(rollup),
        "why": mask(why) if why not in row["throttle_reasons"] else None,
        "limits": limits_in_words(alone) if alone else None,
        "parts_in_words": parts_in_words(row),
        "revision": alone.get("revision") or None,
        "created_by": alone.get("created_by"),
        "worked_seconds": row["worked_seconds"] or None,
    }


def states_in_words(rollup: Rollup) -> str:
    """Write the state; of several that differ, how many stand how: running (2 running, 1 succeeded)."""
    if len(rollup.states) == 1:
        return rollup.state.value
    parts = [f"{number} {state}" for state, number in rollup.states.most_common()]
    return f"{rollup.state} ({', '.join(parts)})"


def limits_in_words(row: dict[str, Any]) -> str:
    """Write what a run may do at once: 500 rows/s, 100 rows a batch, 4 partitions at once."""
    limits = [
        f"{row['rate_limit']:,g} rows/s" if row["rate_limit"] is not None else "",
        f"{row['batch_limit']:,} rows a batch" if row["batch_limit"] is not None else "",
        f"{row['parallel']:,} partition{'s' if row['parallel'] > 1 else ''} at once",
    ]
    return ", ".join(filter(None, limits))


def parts_in_words(row: dict[str, Any]) -> str | None:
    """Write how the partitions stand: 3 of 8 done, 4 held, 1 failed."""
    if not row["partitions_total"]:
        return None
    words = [f"{row['partitions_done']:,} of {row['partitions_total']:,} done"]
    words += [
        f"{row[name]:,} {word}"
        for name, word in (("partitions_held", "held"), ("partitions_failed", "failed"))
        if row[name]
    ]
    return ", ".join(words)


def partition_rows(status: RunStatus) -> list[dict[str, Any]]:
    """Return all that is known of a run's partitions; their bounds and cursors as they are stored."""
    return [_partition_row(part, status.now) for part in status.partitions]


def _partition_row(part: Partition, now: float) -> dict[str, Any]:
    return {
        "number": part.number,
        "state": part.state.value,
        "rows_done": part.rows_done,
        "batches": part.batches,
        "after": _cursor(part.slice.after),
        "upto": _cursor(part.slice.upto),
        "cursor": _cursor(part.cursor),
        "owner": part.owner,
        "lease_epoch": part.lease_epoch,
        "leased_seconds_ago": round(max(0.0, now - part.leased_at), 1) if part.leased_at else None,
        "updated_seconds_ago": round(max(0.0, now - part.updated), 1),
        "attempts": part.attempts,
        "interruptions": part.interruptions,
        "throttle_reason": mask(part.throttle_reason) if part.throttle_reason else None,
        "last_error": mask(part.last_error) if part.last_error else None,
        "revision": part.revision,
    }


def shown_partition(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with what matters about its state."""
    error = row["last_error"] if row["attempts"] or row["state"] == "failed" else None
    why = row["throttle_reason"] or error
    return {
        **row,
        "last_batch": f"{age(row['updated_seconds_ago'])} ago" if row["batches"] else None,
        "why": why.partition("\n")[0] if why else None,
    }


def error_row(pod_id: int, item: Quarantined) -> dict[str, Any]:
    """Return an item that was left out."""
    now = time.time()
    return {
        "pod_id": pod_id,
        "run_id": item.run_id,
        "item": item.id,
        "partition": item.partition,
        "key": encode(item.cursor),
        "after": _cursor(item.after),
        "error": mask(item.error),
        "failed_at": moment(item.failed_at),
        "failed_seconds_ago": round(max(0.0, now - item.failed_at), 1),
        "retried_at": _moment(item.retried),
        "retried_seconds_ago": None if item.retried is None else round(max(0.0, now - item.retried), 1),
    }


def _cursor(cursor: Cursor | None) -> str | None:
    return None if cursor is None else encode(cursor)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else moment(seconds)
