"""`podctl schedules`: what each pod runs again and again, when next, and whether it succeeds.

Promises: times are shown in the schedule's own zone. Leaves to others: changing schedules
(`schedule_changes`), and the schedules themselves (`podwork.schedules`).
"""

from __future__ import annotations

import time
from typing import Any

import click

from podwork_ops.cli import schedule_changes
from podwork_ops.cli.commands import Group
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.output import Column, moment
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.schedule_rows import COLUMNS, GET_COLUMNS, details, in_zone, row_of, schedules_of, until
from podwork_ops.cli.session import Session, session
from podwork_ops.composition import Platform

NEXT_RUNS = 5
FORECAST_COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("IN", "in_seconds", until),
    Column("RUN", "shown"),
    Column("DUE", "due_shown"),
    Column("SCHEDULE", "schedule", wide=True),
    Column("CLASS", "job_class", wide=True),
]
app_option = click.option(
    "--app", "app_target", metavar="MODULE:ATTRIBUTE", help="To foresee computed intervals, which are code."
)

schedules = Group("schedules", help="See what runs again and again; run, pause and change it.")


@schedules.command("list", examples=["podctl schedules list", "podctl schedules list --pod 7 -o json"])
@pod_option(help="Only this pod.")
@click.option("--removed", is_flag=True, help="Also those that the code has ceased to declare.")
@session
def list_schedules(session: Session, pod_id: int | None, removed: bool) -> None:
    """List the schedules: when they run, ran and succeeded.

    STATE late: it has not succeeded as often as it has to. changed: not as the code says.
    """
    with session.platform() as platform:
        answers, failures = ask_each(platform.chosen(pod_id), lambda pod: _rows(platform, pod, removed))
    rows = [row for rows in answers.values() for row in rows]
    if session.out.json:
        session.out.document({"schedules": rows})
    elif rows or not failures:
        session.out.rows(
            "schedules", rows, COLUMNS, "no schedules - an application declares them: app.schedule"
        )
    session.blame(failures)


@schedules.command(
    "get", examples=["podctl schedules get nightly-report", "podctl schedules get prune --pod 7"]
)
@click.argument("schedule", metavar="SCHEDULE")
@pod_option(help="Only this pod.")
@app_option
@session
def get(session: Session, schedule: str, pod_id: int | None, app_target: str | None) -> None:
    """Show one schedule and its next runs, in its own zone."""
    with session.platform() as platform:
        answers, failures = ask_each(
            platform.chosen(pod_id), lambda pod: _details(platform, pod, schedule, app_target)
        )
    if session.out.json and (answers or not failures):
        session.out.document({"schedules": list(answers.values())})
    for position, row in enumerate([] if session.out.json else answers.values()):
        session.out.write("\n" if position else "")
        session.out.record(row, GET_COLUMNS)
    session.blame(failures)


@schedules.command(
    "forecast",
    examples=["podctl schedules forecast --next 20 --pod 7", "podctl schedules forecast nightly-report"],
)
@click.argument("schedule", metavar="[SCHEDULE]", required=False)
@click.option(
    "--next", "most", type=click.IntRange(1, 1000), default=NEXT_RUNS, show_default=True, help="How many."
)
@pod_option(help="Only this pod.")
@app_option
@session
def forecast(
    session: Session, schedule: str | None, most: int, pod_id: int | None, app_target: str | None
) -> None:
    """Show the next runs of one schedule, or of all.

    RUN is in the schedule's zone. DUE differs where jitter spreads the pods.
    """
    with session.platform() as platform:
        answers, failures = ask_each(
            platform.chosen(pod_id), lambda pod: _runs(platform, pod, schedule, most, app_target)
        )
    runs = sorted(
        (run for runs in answers.values() for run in runs), key=lambda run: (run["due"], run["pod_id"])
    )
    if session.out.json:
        session.out.document({"runs": runs})
    elif runs or not failures:
        session.out.rows("runs", runs, FORECAST_COLUMNS, "nothing will run")
    session.blame(failures)


def _rows(platform: Platform, pod_id: int, removed: bool) -> list[dict[str, Any]]:
    return [row_of(pod_id, state) for state in schedules_of(platform, pod_id).list(removed=removed)]


def _details(platform: Platform, pod_id: int, name: str, app_target: str | None) -> dict[str, Any]:
    found = schedules_of(platform, pod_id, app_target)
    state = found.get(name)
    runs = [run.slot for run in found.forecast(NEXT_RUNS, name=name)]
    return details(row_of(pod_id, state), runs, state)


def _runs(
    platform: Platform, pod_id: int, name: str | None, most: int, app_target: str | None
) -> list[dict[str, Any]]:
    found, now = schedules_of(platform, pod_id, app_target), time.time()
    zones = {state.name: state.zone for state in found.list(removed=True)}
    return [
        {
            "pod_id": pod_id,
            "schedule": run.schedule,
            "job_class": run.job_class,
            "slot": moment(run.slot),
            "due": moment(run.due),
            "in_seconds": round(run.due - now, 1),
            "shown": in_zone(run.slot, zones[run.schedule]),
            "due_shown": in_zone(run.due, zones[run.schedule]).split()[2] if run.due != run.slot else None,
        }
        for run in found.forecast(most, name=name)
    ]


for command in (
    schedule_changes.run,
    schedule_changes.pause,
    schedule_changes.resume,
    schedule_changes.set_schedule,
    schedule_changes.reset,
):
    schedules.add_command(command)
