"""`podctl pods rebuild`: an emptied Redis gets back what the pod's shard knows.

Promises: it may be run at any time, again, and while workers run: nothing is there twice because of it
(`podwork_pods.outbox.rebuild`). What it cannot give back is said, not left to be found out.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from podwork_ops.cli.commands import Command
from podwork_ops.cli.output import Column, count, plural
from podwork_ops.cli.pod_options import pod_argument
from podwork_ops.cli.session import Session, confirm, session
from podwork_ops.errors import PodConflict
from podwork_pods.outbox.rebuild import NOT_RESTORED, Once, Rebuilt
from podwork_pods.outbox.standing import Standing

COLUMNS = [
    Column("POD", "pod_id"),
    Column("REDIS", "redis"),
    Column("JOBS IN THE OUTBOX", "rows", count),
    Column("PUSHED", "pushed", count),
    Column("WERE THERE", "there", count),
    Column("HAD ENDED", "ended", count),
    Column("SHOP ON HOLD", "on_hold", count),
    Column("SHOP MOVED", "moved", count),
    Column("MAY HAVE STARTED", "once", lambda ids: count(len(ids))),
    Column("GATES SET", "gates", count),
]
STANDINGS = {
    Standing.COMPLETE: "was not emptied",
    Standing.EMPTIED: "was emptied",
    Standing.BEHIND: "had lost its last writes",
}


@click.command(
    "rebuild",
    cls=Command,
    examples=[
        "podctl pods rebuild 7 --dry-run",
        "podctl pods rebuild 7 --yes",
        "podctl pods rebuild 7 --yes --at-most-once run -o json",
    ],
)
@pod_argument
@click.option(
    "--at-most-once",
    "once",
    type=click.Choice([choice.value for choice in Once]),
    default=Once.LEAVE.value,
    show_default=True,
    help="What becomes of jobs that may start only once and may have started: leave, run or drop them.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@session
def rebuild(session: Session, pod_id: int, once: str, yes: bool, dry_run: bool) -> None:
    """Enqueue again the jobs of the pod's outbox that its Redis lacks.

    For a Redis that was emptied, or that lost its last writes in a failover. Jobs that are there are left as
    they are: running it for nothing, or while workers run, does no harm.
    """
    with session.platform() as platform:
        platform.pod(pod_id)
        work = platform.rebuild(pod_id, Once(once))
        if dry_run:
            done = work.look()
        else:
            confirm(f"enqueue again what the Redis of pod {pod_id} lacks", yes)
            done = work.run()
    _report(session, pod_id, done, dry_run)
    if done.on_hold and not dry_run:
        raise PodConflict(
            f"pod {pod_id}: {plural(done.on_hold, 'job')} not pushed, their shops are being switched",
            "run it again when the shops are open",
        )


def _report(session: Session, pod_id: int, done: Rebuilt, dry_run: bool) -> None:
    row: dict[str, Any] = {"pod_id": pod_id, **asdict(done), "redis": STANDINGS[done.standing]}
    if session.out.json:
        changed = bool(done.pushed or done.gates) and not dry_run
        session.out.document(
            {**row, "not_restored": list(NOT_RESTORED), "changed": changed, "dry_run": dry_run}
        )
        return
    session.out.record(row, COLUMNS)
    for job_id in done.once:
        session.out.message(f"{job_id} may start only once and may have started: see --at-most-once")
    if done.standing is not Standing.COMPLETE:
        session.out.message(f"cannot be given back: {'; '.join(NOT_RESTORED)}")
    if dry_run:
        session.out.message(f"pod {pod_id}: nothing was changed")
