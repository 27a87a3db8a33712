"""`podctl queues`: what waits on each pod, for how long, and what is paused by whom and why.

Promises: a pod whose Redis does not answer hides none of the others; it is named on standard error and in
the exit code. Leaves to others: pausing and emptying a queue (`queue_changes`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from podwork.holds import ANY, Hold, Holds
from podwork.inspection import ProcessState, QueueState
from podwork.limits import Limits
from podwork_ops.cli import purging, queue_changes
from podwork_ops.cli.commands import Group
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.hold_changes import on_parts, pausing
from podwork_ops.cli.output import Column, age, count, left, moment, plural
from podwork_ops.cli.pod_options import completed, pod_option, queues_of_settings
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import QueueName
from podwork_ops.composition import Platform

STATES = ("ready", "held", "scheduled", "parked", "dead")


def paused_in_words(paused: dict[str, Any] | None) -> str:
    """Write who paused a queue, why, and how long that lasts."""
    if not paused:
        return ""
    return f"{paused['owner']}: {paused['reason']} ({_rest(paused['left_seconds'])})"


def _served_in_words(served: dict[str, int]) -> str:
    if not served["processes"]:
        return "nobody - start one: podctl workers"
    return f"{plural(served['processes'], 'process', 'processes')}, {plural(served['threads'], 'thread')}"


def _rest(seconds: float | None) -> str:
    return left(seconds) if seconds is None else f"{left(seconds)} left"


QUEUE_COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("QUEUE", "queue"),
    Column("READY", "ready", count, right=True),
    Column("OLDEST", "oldest_shown", right=True),
    Column("SHOPS", "shops", count, right=True),
    Column("PAUSED BY, WHY", "paused_shown", wide=True),
]
POD_COLUMNS = [
    Column("POD", "pod_id", right=True),
    *(Column(name.upper(), name, count, right=True) for name in STATES),
]
GET_COLUMNS = [
    Column("POD", "pod_id"),
    *QUEUE_COLUMNS[1:],
    Column("SERVED BY", "served_by", _served_in_words),
    Column("HOLDS ON PARTS", "holds_on_parts", ", ".join),
    Column("LIMITS", "limits", ", ".join),
]

queues = Group("queues", help="See what waits on a pod, and for how long; pause and purge queues.")


@queues.command("list", examples=["podctl queues list", "podctl queues list --pod 7 -o json"])
@pod_option(help="Only this pod.")
@session
def list_queues(session: Session, pod_id: int | None) -> None:
    """List the queues and each pod's jobs by state.

    SHOPS is how many shops wait in the queue, each with a line of its own. OLDEST 12s+: where very many
    wait, not all are asked, and one may be older.
    """
    with session.platform() as platform:
        answers, failures = ask_each(platform.chosen(pod_id), lambda pod: _look(platform, pod))
    waiting = [row for rows, _ in answers.values() for row in rows]
    if answers or not failures:
        _write(session, waiting, [total for _, total in answers.values()])
    session.blame(failures)


@queues.command("get", examples=["podctl queues get default", "podctl queues get default --pod 7 -o json"])
@click.argument("queue", metavar="QUEUE", type=QueueName(), shell_complete=completed(queues_of_settings))
@pod_option(help="Only this pod.")
@session
def get(session: Session, queue: str, pod_id: int | None) -> None:
    """Show one queue: what waits, what stops it, who serves it."""
    with session.platform() as platform:
        answers, failures = ask_each(platform.chosen(pod_id), lambda pod: _details(platform, pod, queue))
    if session.out.json:
        session.out.document({"queues": list(answers.values())})
    else:
        for position, row in enumerate(answers.values()):
            session.out.write("\n" if position else "")
            session.out.record(_shown(row), GET_COLUMNS)
    session.blame(failures)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row as a table shows it: a pause in words, or what holds stop a part; 12s+: or older."""
    oldest = row["oldest_seconds"]
    parts = f"in part: {', '.join(row['holds_on_parts'])}" if row["holds_on_parts"] else ""
    return {
        **row,
        "oldest_shown": None if oldest is None else age(oldest) + ("+" if row["oldest_is_partial"] else ""),
        "paused_shown": paused_in_words(row["paused"]) or parts,
    }


def _look(platform: Platform, pod_id: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a row per queue of the pod, and its jobs by state."""
    inspection, holds = platform.inspection(pod_id), Holds(platform.store(pod_id)).list()
    held = {hold.queue for hold in holds if hold.queue != ANY and pausing(holds, hold.queue)}
    names = sorted({*inspection.queue_names(), *held})
    rows = [_row(platform, pod_id, name, holds) for name in names]
    counts = inspection.counts()
    return rows, {"pod_id": pod_id, **{name: getattr(counts, name) for name in STATES}}


def _row(platform: Platform, pod_id: int, queue: str, holds: Sequence[Hold]) -> dict[str, Any]:
    state = platform.inspection(pod_id).queue(queue)
    hold = pausing(holds, queue)
    return {
        "pod_id": pod_id,
        "queue": queue,
        "ready": state.ready,
        "oldest_seconds": _age(state, state.oldest_seconds),
        "latency_seconds": _age(state, state.latency_seconds),
        "oldest_is_partial": state.is_partial,
        "shops": state.shops,
        "shops_outside": state.outside,
        "paused": None if hold is None else _paused(hold),
        "holds_on_parts": on_parts(holds, queue),
    }


def _age(state: QueueState, seconds: float) -> float | None:
    """Return how old the oldest is; None: nothing waits, or only behind holds, where nobody looks."""
    return round(seconds, 3) if state.ready and state.shops > state.outside else None


def _paused(hold: Hold) -> dict[str, Any]:
    return {
        "hold": hold.name,
        "owner": hold.owner,
        "reason": hold.reason,
        "since": moment(hold.since),
        "until": None if hold.until is None else moment(hold.until),
        "left_seconds": None if hold.until is None else round(max(0.0, hold.until - time.time()), 1),
    }


def _details(platform: Platform, pod_id: int, queue: str) -> dict[str, Any]:
    store = platform.store(pod_id)
    holds = Holds(store).list()
    processes = [one for one in platform.inspection(pod_id).processes() if _serves(one, queue)]
    return {
        **_row(platform, pod_id, queue, holds),
        "served_by": {
            "processes": len(processes),
            "threads": sum(int(one.fields.get("slots", 0)) for one in processes),
        },
        "limits": [limit.name for limit in Limits(store).list() if limit.queue in (ANY, queue)],
    }


def _serves(process: ProcessState, queue: str) -> bool:
    is_live = process.lease_seconds > 0 and process.fields.get("quiet") != "1"
    return is_live and queue in process.fields.get("queues", "").split(",")


def _write(session: Session, waiting: list[dict[str, Any]], totals: list[dict[str, Any]]) -> None:
    out = session.out
    if out.json:
        out.document({"queues": waiting, "pods": totals})
        return
    if waiting:
        out.rows("queues", [_shown(row) for row in waiting], QUEUE_COLUMNS)
        out.write("\n")
    elif totals:
        out.message("no queue holds a job")
    out.rows("pods", totals, POD_COLUMNS, empty="no pods - add one: podctl pods add --help")


for command in (queue_changes.pause, queue_changes.resume, purging.purge):
    queues.add_command(command)
