"""`podctl jobs`: which jobs there are, where one stands, and why it does not run.

Promises: lists are read a page at a time, and a page does not keep Redis busy however much waits; a pod that
does not answer hides none of the others. Leaves to others: pushing (`job_enqueue`) and changing jobs
(`job_changes`).
"""

from __future__ import annotations

from typing import Any

import click

from podwork.why import Code, Why, explain
from podwork_ops.cli import job_changes, job_enqueue, job_lists
from podwork_ops.cli.commands import Group
from podwork_ops.cli.job_choice import filter_of, filter_options
from podwork_ops.cli.job_places import find, home_of, written_at
from podwork_ops.cli.job_rows import columns_of, job_row
from podwork_ops.cli.output import Column
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.session import Session, session
from podwork_ops.composition import Platform
from podwork_ops.errors import JobNotFound
from podwork_ops.masking import mask, mask_value

WHY_COLUMNS = [
    Column("JOB", "job_id"),
    Column("CLASS", "job_class"),
    Column("POD", "pod_id"),
    Column("REASON", "code"),
    Column("BECAUSE", "sentence"),
    Column("TO DO", "remedy"),
    Column("AFTER THAT", "also", ", ".join),
]

jobs = Group(
    "jobs",
    help="List jobs; see where one stands and why; retry, discard, cancel, move, enqueue.",
    examples=[
        "podctl jobs list --state dead --group-by fingerprint",
        "podctl jobs why 0199f2c1a3b5d0e1f2a3b-330",
        "podctl jobs retry --fingerprint 3f2a9c01 --pod 7",
        "podctl jobs enqueue shop.collect --shop 330 --arg basket_id=9 --app shop:app",
    ],
)


@jobs.command(
    "list",
    examples=[
        "podctl jobs list --pod 7",
        "podctl jobs list --state dead --class shop.collect --search basket",
        "podctl jobs list --state dead --group-by fingerprint",
        "podctl jobs list --shop 330 --limit 200 -o json",
    ],
)
@filter_options()
@pod_option(help="Only this pod.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@click.option("--cursor", metavar="CURSOR", help="Go on where the list before ended.")
@click.option(
    "--group-by",
    type=click.Choice(["fingerprint"]),
    help="Count the dead by their error instead of listing them.",
)
@session
def list_jobs(
    session: Session,
    /,
    *,
    pod_id: int | None,
    limit: int,
    cursor: str | None,
    group_by: str | None,
    **choice: Any,
) -> None:
    """List jobs, a page at a time.

    First what is held, then ready, scheduled (first due first), parked, dead (last buried first). An AGE
    counts from the push. Finished jobs are not kept.
    """
    wanted = filter_of(choice)
    with session.platform() as platform:
        pods = platform.chosen(pod_id)
        if group_by:
            job_lists.write_dead_groups(session, platform, pods, wanted)
        else:
            job_lists.write(session, job_lists.read(platform, pods, wanted, limit, cursor), wanted, pods)


@jobs.command(
    "get",
    examples=["podctl jobs get 0199f2c1a3b5d0e1f2a3b-330", "podctl jobs get 0199f2c1a3 --pod 7 -o json"],
)
@click.argument("job_id", metavar="ID")
@pod_option(help="Look only there.")
@session
def get(session: Session, job_id: str, pod_id: int | None) -> None:
    """Show where a job stands. Jobs that succeeded are not kept.

    ID may be the beginning of an id, if it is the only such job.
    """
    with session.platform() as platform:
        row = job_row(*find(platform, job_id, pod_id))
    session.out.record(row, columns_of(row))


@jobs.command(
    "why", examples=["podctl jobs why 0199f2c1a3b5d0e1f2a3b-330", "podctl jobs why 0199f2c1a3 -o json"]
)
@click.argument("job_id", metavar="ID")
@pod_option(help="Ask only there.")
@session
def why(session: Session, job_id: str, pod_id: int | None) -> None:
    """Say why a job does not run, and what to do.

    It is the one thing that stops it now; what would stop it after that is named, too.
    """
    with session.platform() as platform:
        row = _explained(platform, job_id, pod_id)
    session.out.record(row, [column for column in WHY_COLUMNS if row[column.key]])


def _explained(platform: Platform, text: str, pod_id: int | None) -> dict[str, Any]:
    """Return what is said of the job. Raises as `find` does, unless the shard's outbox still has it."""
    try:
        pod, job = find(platform, text, pod_id)
    except JobNotFound:
        pod = pod_id or home_of(platform, text) or 0
        answer = _in_outbox(platform, text, pod) if pod else None
        if answer is None:
            raise
        return _why_row(text, None, pod, answer)
    return _why_row(job.id, job.job_class, pod, explain(platform.store(pod), job.id, pod_id=pod))


def _in_outbox(platform: Platform, text: str, pod: int) -> Why | None:
    answer = explain(
        platform.store(pod), text, pod_id=pod, outbox=lambda job_id: written_at(platform, pod, job_id)
    )
    return answer if answer.code is Code.IN_OUTBOX else None


def _why_row(job_id: str, job_class: str | None, pod_id: int, answer: Why) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "job_class": job_class,
        "pod_id": pod_id,
        "code": answer.code.value,
        "sentence": mask(answer.sentence),
        "remedy": answer.remedy,
        "details": mask_value("", answer.details),
        "also": [code.value for code in answer.also],
    }


for command in (
    job_changes.retry,
    job_changes.discard,
    job_changes.cancel,
    job_changes.move_queue,
    job_enqueue.enqueue,
):
    jobs.add_command(command)
