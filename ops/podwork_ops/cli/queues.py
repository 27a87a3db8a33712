"""`podctl queues`: what waits on each pod, and for how long.

Promises: a pod whose Redis does not answer hides none of the others; it is named on standard error and in
the exit code.
"""

from __future__ import annotations

from typing import Any

from podwork_ops.cli.commands import Group
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.output import Column, age, count
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.session import Session, session
from podwork_ops.composition import Platform

STATES = ("ready", "held", "scheduled", "parked", "dead")
QUEUE_COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("QUEUE", "queue"),
    Column("READY", "ready", count, right=True),
    Column("OLDEST", "oldest_seconds", age, right=True),
    Column("SHOPS WAITING", "shops", count, right=True),
]
POD_COLUMNS = [
    Column("POD", "pod_id", right=True),
    *(Column(name.upper(), name, count, right=True) for name in STATES),
]

queues = Group("queues", help="See what waits on a pod, and for how long.")


@queues.command("list", examples=["podctl queues list", "podctl queues list --pod 7 -o json"])
@pod_option(help="Only this pod.")
@session
def list_queues(session: Session, pod_id: int | None) -> None:
    """List the queues that hold jobs, and each pod's jobs by state."""
    with session.platform() as platform:
        answers, failures = ask_each(platform.chosen(pod_id), lambda pod: _look(platform, pod))
    waiting = [row for rows, _ in answers.values() for row in rows]
    if answers or not failures:
        _write(session, waiting, [total for _, total in answers.values()])
    session.blame(failures)


def _look(platform: Platform, pod_id: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a row per queue of the pod, and its jobs by state."""
    inspection = platform.inspection(pod_id)
    states = [inspection.queue(name) for name in inspection.queue_names()]
    counts = inspection.counts()
    waiting = [
        {
            "pod_id": pod_id,
            "queue": state.name,
            "ready": state.ready,
            "oldest_seconds": state.oldest_seconds if state.ready else None,
            "shops": state.shops,
        }
        for state in states
    ]
    return waiting, {"pod_id": pod_id, **{name: getattr(counts, name) for name in STATES}}


def _write(session: Session, waiting: list[dict[str, Any]], totals: list[dict[str, Any]]) -> None:
    out = session.out
    if out.json:
        out.document({"queues": waiting, "pods": totals})
        return
    if waiting:
        out.rows("queues", waiting, QUEUE_COLUMNS)
        out.write("\n")
    elif totals:
        out.message("no queue holds a job")
    out.rows("pods", totals, POD_COLUMNS, empty="no pods - add one: podctl pods add --help")
