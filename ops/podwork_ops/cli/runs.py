"""`podctl runs`: how far iteration jobs are on each pod, what holds them back, and what failed.

Promises: what is shown stands in the shards, so that it is there though Redis is empty and no worker runs; a
pod that does not answer hides none of the others. Leaves to others: watching (`run_watch`), starting
(`run_start`), changing (`run_changes`), doing what was left out (`run_redoing`).
"""

from __future__ import annotations

from typing import Any

import click

from podwork.iteration.states import RunState
from podwork_ops.cli import run_changes, run_redoing, run_start
from podwork_ops.cli.commands import Group
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.run_places import Found, find
from podwork_ops.cli.run_report import write
from podwork_ops.cli.run_rows import (
    ERROR_COLUMNS,
    LIST_COLUMNS,
    PARTITION_COLUMNS,
    error_row,
    partition_rows,
    run_row,
    shown_partition,
    shown_run,
)
from podwork_ops.cli.run_watch import watch_option, watch_run
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import SHOP, ClassName, Duration
from podwork_ops.composition import Platform
from podwork_pods.iteration.status import RunStatus

run_argument = click.argument("run", metavar="RUN")

runs = Group(
    "runs",
    help="See how far iteration jobs are; start, pause, resume, cancel and pace them.",
    examples=[
        "podctl runs list --state running",
        "podctl runs start shop.FillNetPrice --all-pods --param percent=95 --app shop:app",
        "podctl runs get 0199f2c1a3 --watch",
        "podctl runs set 0199f2c1a3 --rate 5000 --parallel 4",
        "podctl runs pause 0199f2c1a3",
    ],
)


@runs.command(
    "list",
    examples=[
        "podctl runs list",
        "podctl runs list --state running --state throttled",
        "podctl runs list --class shop.FillNetPrice --pod 7 -o json",
    ],
)
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in RunState]),
    multiple=True,
    metavar="STATE",
    help=f"Only in this state: {', '.join(RunState)}; may be repeated.",
)
@click.option("--class", "job_class", type=ClassName(), metavar="CLASS", help="Only this job class.")
@click.option("--shop", "shop_id", type=SHOP, metavar="SHOP", help="Only this shop's runs.")
@click.option("--group", "group_id", metavar="GROUP", help="Only what one start on all pods began.")
@pod_option(help="Only this pod.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@session
def list_runs(
    session: Session,
    *,
    states: tuple[str, ...],
    job_class: str | None,
    shop_id: int | None,
    group_id: str | None,
    pod_id: int | None,
    limit: int,
) -> None:
    """List runs, the latest first.

    RATE is the average over the time that a run has been working, ETA how long it goes on at that rate.
    """
    wanted = [RunState(state) for state in states]

    def ask(pod: int) -> list[RunStatus]:
        listing = platform.runs(pod).listing
        return listing.page(wanted, job_class, group_id, shop_id, limit=limit + 1)

    with session.platform() as platform:
        answers, failures = ask_each(platform.chosen(pod_id), ask)
    found = [status for statuses in answers.values() for status in statuses]
    found.sort(key=lambda status: (-status.run.created, status.run.pod_id, status.run.id))
    shown = found[:limit]
    if session.out.json:
        session.out.document({"runs": [run_row(status) for status in shown], "more": len(found) > limit})
    elif shown or not failures:
        rows = [shown_run(run_row(status), status.words) for status in shown]
        columns = [column for column in LIST_COLUMNS if column.key != "shop_id" or any(map(_shop, rows))]
        session.out.rows("runs", rows, columns, "no runs" + (" fit" if _is_filter(states, job_class) else ""))
        if len(found) > limit:
            session.out.message("there are more: give --state or --class, or a higher --limit")
    session.blame(failures)


@runs.command(
    "get",
    examples=[
        "podctl runs get 0199f2c1a3b5d0e1f2a3b-330",
        "podctl runs get 0199f2c1a3 --watch",
        "podctl runs get 0199f2c1a3 -o json | jq .share",
    ],
)
@run_argument
@pod_option(help="Look only there.")
@watch_option
@click.option(
    "--every", "every_seconds", type=Duration(), default=1.0, help="How often to look (default: 1s)."
)
@session
def get(session: Session, *, run: str, pod_id: int | None, watch: bool, every_seconds: float) -> int | None:
    """Show how far a run is, on one pod or on all.

    RUN is a run's id, that of a start on all pods, or the beginning of one. With --watch: until it has ended;
    q or Ctrl-C leaves it before. In a pipe that is a line per look, with -o json a document. It ends with 1
    if the run failed or was cancelled.
    """
    with session.platform() as platform:
        if watch:
            return watch_run(session, platform, run, pod_id, every_seconds)
        found = find(platform, run, pod_id)
        write(session.out, found.rollup)
    session.blame(found.failures)
    return None


@runs.command(
    "errors",
    examples=["podctl runs errors 0199f2c1a3", "podctl runs errors 0199f2c1a3 --all --limit 1000 -o json"],
)
@run_argument
@pod_option(help="Look only there.")
@click.option("--all", "everything", is_flag=True, help="Also those that were done since.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many.")
@session
def errors(session: Session, *, run: str, pod_id: int | None, everything: bool, limit: int) -> None:
    """List what was left out of a run, with its errors.

    Also the errors of batches that have failed just now. What was left out is done by: podctl runs
    retry-quarantined.
    """
    with session.platform() as platform:
        found = find(platform, run, pod_id)
        items = [row for status in found.rollup.runs for row in _items(platform, status, everything, limit)]
    failing = [
        {"pod_id": status.run.pod_id, "run_id": status.run.id, **shown_partition(row)}
        for status in found.rollup.runs
        for row in partition_rows(status)
        if row["last_error"] and (row["attempts"] or row["state"] == "failed")
    ]
    if session.out.json:
        parts = [
            {name: value for name, value in row.items() if name not in ("why", "last_batch")}
            for row in failing
        ]
        session.out.document({"items": items[:limit], "more": len(items) > limit, "partitions": parts})
    else:
        _write_errors(session, found, items[:limit], failing, len(items) > limit)
    session.blame(found.failures)


def _items(platform: Platform, status: RunStatus, everything: bool, limit: int) -> list[dict[str, Any]]:
    run = status.run
    retried = None if everything else False
    found = platform.runs(run.pod_id).quarantine.page(run.id, limit=limit + 1, retried=retried)
    return [error_row(run.pod_id, item) for item in found]


def _write_errors(
    session: Session, found: Found, items: list[dict[str, Any]], failing: list[dict[str, Any]], more: bool
) -> None:
    out = session.out
    if items:
        columns = [
            column
            for column in ERROR_COLUMNS
            if column.key != "retried_seconds_ago" or any(row["retried_at"] for row in items)
        ]
        out.rows("items", items, columns)
        out.message("there are more: give a higher --limit" if more else _how_to_retry(found))
    if failing:
        out.write("\n" if items else "")
        out.rows("partitions", failing, [ERROR_COLUMNS[0], *PARTITION_COLUMNS])
    if not (items or failing):
        out.message("nothing was left out")


def _how_to_retry(found: Found) -> str:
    return f"after mending the cause: podctl runs retry-quarantined {found.rollup.runs[0].run.id}"


def _shop(row: dict[str, Any]) -> bool:
    return row["shop_id"] is not None


def _is_filter(states: tuple[str, ...], job_class: str | None) -> bool:
    return bool(states or job_class)


for command in (
    run_start.start,
    run_changes.pause,
    run_changes.resume,
    run_changes.cancel,
    run_changes.force,
    run_changes.set_run,
    run_redoing.retry_quarantined,
):
    runs.add_command(command)
