"""`podctl processes`: every worker process that a pod's Redis knows, whether it is alive, and what it
holds.

Promises: a process whose lease ran out is shown as silent until somebody reclaims it: it is not hidden.
Leaves to others: telling processes what to do (`process_orders`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import click

from podwork import keys
from podwork.inspection import ProcessState
from podwork_ops.cli import process_orders
from podwork_ops.cli.commands import Group
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.output import Column, age, count, mebibytes
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.process_targets import find, state_of
from podwork_ops.cli.session import Session, session
from podwork_ops.composition import Platform

JOBS_SHOWN = 20
"""Of one process; it may hold a few hundred that it has not started."""

COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("STATE", "state"),
    Column("BUSY", "threads", right=True),
    Column("HELD", "held", count, right=True),
    Column("RSS", "rss_bytes", mebibytes, right=True),
    Column("BEAT", "heartbeat_age_seconds", age, right=True),
    Column("REVISION", "revision", wide=True),
    Column("PROCESS", "incarnation", wide=True),
    Column("SERVES", "serves", wide=True),
]
JOB_COLUMNS = [
    Column("PROCESS", "incarnation", wide=True),
    Column("HELD FOR", "held_seconds", age, right=True),
    Column("CLASS", "job_class", wide=True),
    Column("SHOP", "shop_id", right=True),
    Column("JOB", "job_id", wide=True),
]
GET_COLUMNS = [
    Column("PROCESS", "incarnation"),
    *COLUMNS[:7],
    Column("HOST", "host"),
    Column("PID", "pid"),
    Column("QUEUES", "queues", ", ".join),
    Column("ROLE", "roles"),
    Column("CLASSES", "classes", lambda classes: ", ".join(sorted(classes))),
]

processes = Group("processes", help="See the worker processes and what they do; tell them what to do.")


@processes.command("list", examples=["podctl processes list", "podctl processes list --pod 7 -v -o json"])
@pod_option(help="Only this pod.")
@click.option("-v", "--verbose", is_flag=True, help="Show the jobs that each holds, too.")
@session
def list_processes(session: Session, pod_id: int | None, verbose: bool) -> None:
    """List worker processes and how they are.

    STATE live, quiet (claims nothing), stopping or silent (its lease ran out). BUSY is running jobs and
    threads at the last heartbeat, HELD what is claimed now.
    """
    with session.platform() as platform:
        answers, failures = ask_each(platform.chosen(pod_id), lambda pod: _rows(platform, pod, verbose))
    rows = [row for rows in answers.values() for row in rows]
    if session.out.json:
        session.out.document({"processes": rows})
    elif rows or not failures:
        session.out.rows(
            "processes", _shown(rows), COLUMNS, empty="no processes - start one: podctl workers --pod N"
        )
        if verbose and rows:
            session.out.write("\n")
            session.out.rows(
                "jobs", [job for row in rows for job in row["jobs"]], JOB_COLUMNS, "no job is held"
            )
    session.blame(failures)


@processes.command("get", examples=["podctl processes get 4711", "podctl processes get web3:4711 -o json"])
@click.argument("target", metavar="PROCESS")
@pod_option(help="Look only there.")
@session
def get(session: Session, target: str, pod_id: int | None) -> None:
    """Show one process and the jobs that it holds.

    The oldest are those that run. PROCESS is its incarnation, host:pid or pid, as the list shows them.
    """
    with session.platform() as platform:
        [found] = find(platform, platform.chosen(pod_id), [target])
        leader = _leader(platform, found.pod_id)
        row = {
            **_row(found.pod_id, found.process, leader),
            "jobs": _jobs(platform, found.pod_id, found.incarnation),
        }
    if session.out.json:
        session.out.document(row)
        return
    session.out.record(_shown([row])[0], GET_COLUMNS)
    session.out.write("\n")
    session.out.rows("jobs", row["jobs"], JOB_COLUMNS[1:], "it holds no job")


def _rows(platform: Platform, pod_id: int, verbose: bool) -> list[dict[str, Any]]:
    leader = _leader(platform, pod_id)
    rows = [_row(pod_id, process, leader) for process in platform.inspection(pod_id).processes()]
    for row in rows if verbose else []:
        row["jobs"] = _jobs(platform, pod_id, row["incarnation"])
    return rows


def _shown(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows as a table shows them."""
    return [
        {
            **row,
            "threads": f"{row['busy']}/{row['slots']}",
            "serves": ", ".join(row["queues"]) + (f" ({roles})" if (roles := _roles(row)) else ""),
            "roles": roles,
        }
        for row in rows
    ]


def _roles(row: dict[str, Any]) -> str:
    return ", ".join(role for role in ("leader", "isolate") if row[f"is_{role}"])


def _row(pod_id: int, process: ProcessState, leader: str) -> dict[str, Any]:
    """Return the process as it is shown.

    A heartbeat sets the lease to its full length, so its age is what has run out of it since.
    """
    said = process.fields
    full_lease_seconds = int(said.get("lease_ms", 0)) / 1000
    return {
        "pod_id": pod_id,
        "state": state_of(process),
        "busy": int(said.get("busy", 0)),
        "slots": int(said.get("slots", 0)),
        "held": process.held,
        "heartbeat_age_seconds": round(max(0.0, full_lease_seconds - process.lease_seconds), 3),
        "host": said.get("host", ""),
        "pid": int(said.get("pid", 0)),
        "revision": said.get("revision", ""),
        "queues": said.get("queues", "").split(","),
        "rss_bytes": int(said.get("rss_bytes", 0)),
        "is_leader": process.incarnation == leader,
        "is_isolate": said.get("isolate") == "1",
        "classes": json.loads(said.get("classes", "{}")),
        "incarnation": process.incarnation,
    }


def _leader(platform: Platform, pod_id: int) -> str:
    return (platform.store(pod_id).command("GET", keys.LEADER) or b"").decode()


def _jobs(platform: Platform, pod_id: int, incarnation: str) -> list[dict[str, Any]]:
    """Return what the process holds, that which it has held longest first."""
    now = time.time()
    return [
        {
            "incarnation": incarnation,
            "job_id": job.id,
            "job_class": job.job_class,
            "queue": job.queue,
            "shop_id": job.shop_id,
            "held_seconds": round(max(0.0, now - job.since), 3),
            "cancelled": job.is_cancelled,
        }
        for job in platform.inspection(pod_id).held_jobs(incarnation)[:JOBS_SHOWN]
    ]


for command in (process_orders.quiet, process_orders.resume, process_orders.stop, process_orders.dump):
    processes.add_command(command)
