"""`podctl processes`: every worker process that a pod's Redis knows, and whether it is alive.

Promises: a process whose lease ran out is shown as silent until somebody reclaims it: it is not hidden.
"""

from __future__ import annotations

from typing import Any

from podwork.inspection import ProcessState
from podwork_ops.cli.commands import Group
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.output import Column, age, count
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.session import Session, session
from podwork_ops.composition import Platform

COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("STATE", "state"),
    Column("BUSY", "threads", right=True),
    Column("HELD", "held", count, right=True),
    Column("HEARTBEAT", "heartbeat_age_seconds", age, right=True),
    Column("HOST", "host", wide=True),
    Column("PID", "pid", right=True),
    Column("REVISION", "revision", wide=True),
    Column("INCARNATION", "incarnation", wide=True),
]

processes = Group("processes", help="See the worker processes and what they do.")


@processes.command("list", examples=["podctl processes list", "podctl processes list --pod 7 -o json"])
@pod_option(help="Only this pod.")
@session
def list_processes(session: Session, pod_id: int | None) -> None:
    """List worker processes: live, quiet (claims nothing) or silent (its lease ran out)."""
    with session.platform() as platform:
        answers, failures = ask_each(platform.chosen(pod_id), lambda pod: _rows(platform, pod))
    rows = [row for rows in answers.values() for row in rows]
    if session.out.json:
        session.out.document({"processes": rows})
    elif rows or not failures:
        shown = [{**row, "threads": f"{row['busy']}/{row['slots']}"} for row in rows]
        session.out.rows(
            "processes", shown, COLUMNS, empty="no processes - start one: podctl workers --pod N"
        )
    session.blame(failures)


def _rows(platform: Platform, pod_id: int) -> list[dict[str, Any]]:
    return [_row(pod_id, process) for process in platform.inspection(pod_id).processes()]


def _row(pod_id: int, process: ProcessState) -> dict[str, Any]:
    """Return the process as it is shown.

    A heartbeat sets the lease to its full length, so its age is what has run out of it since.
    """
    said = process.fields
    full_lease_seconds = int(said.get("lease_ms", 0)) / 1000
    return {
        "pod_id": pod_id,
        "state": _state(process),
        "busy": int(said.get("busy", 0)),
        "slots": int(said.get("slots", 0)),
        "held": process.held,
        "heartbeat_age_seconds": round(max(0.0, full_lease_seconds - process.lease_seconds), 3),
        "host": said.get("host", ""),
        "pid": int(said.get("pid", 0)),
        "revision": said.get("revision", ""),
        "queues": said.get("queues", "").split(","),
        "rss_bytes": int(said.get("rss_bytes", 0)),
        "incarnation": process.incarnation,
    }


def _state(process: ProcessState) -> str:
    if process.lease_seconds <= 0:
        return "silent"
    return "quiet" if process.fields.get("quiet") == "1" else "live"
