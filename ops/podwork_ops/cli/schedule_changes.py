"""`podctl schedules run|pause|resume|set|reset`: what an operator does to a schedule.

Promises: what an operator sets survives deployments, until it is reset; jobs that a schedule has made
already run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import click

from podwork.schedules.declaration import Timing
from podwork.schedules.rhythm import zone_named
from podwork.schedules.schedules import Schedules
from podwork.schedules.state import ScheduleState
from podwork_ops.cli.commands import Command
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.grounds import owner_option, reason_option
from podwork_ops.cli.pod_options import pods_meant, pods_option
from podwork_ops.cli.schedule_rows import row_of, schedules_of
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import Duration, DurationOrNone

schedule_argument = click.argument("schedule", metavar="SCHEDULE")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")


class _Step(NamedTuple):
    """A change of one schedule: how it is made, whether it changes anything, and what is said of it."""

    make: Callable[[Schedules], ScheduleState]
    changes: Callable[[ScheduleState], bool]
    would: str
    done: Callable[[ScheduleState], str]


@click.command(
    "run",
    cls=Command,
    examples=[
        "podctl schedules run nightly-report --pod 7",
        "podctl schedules run prune --all-pods --dry-run",
    ],
)
@schedule_argument
@pods_option("On this pod.")
@dry_run_option
@session
def run(session: Session, schedule: str, pod_id: int | None, all_pods: bool, dry_run: bool) -> None:
    """Push a schedule's job now, paused or not.

    Its own times stay as they are. Prints the jobs' ids.
    """

    def push(platform_pod: int) -> dict[str, Any]:
        found = schedules_of(platform, platform_pod)
        state = found.get(schedule)
        job_id = None if dry_run else found.run(schedule)
        return {"pod_id": platform_pod, "schedule": schedule, "job_class": state.job_class, "job_id": job_id}

    with session.platform() as platform:
        answers, failures = ask_each(pods_meant(platform, pod_id, all_pods), push)
    if session.out.json and (answers or not failures):
        session.out.document({"runs": list(answers.values()), "dry_run": dry_run})
    for row in [] if session.out.json else answers.values():
        if dry_run:
            session.out.message(f"pod {row['pod_id']}: {row['job_class']} would be pushed")
        else:
            session.out.write(f"{row['job_id']}\n")
    session.blame(failures)


@click.command(
    "pause",
    cls=Command,
    examples=['podctl schedules pause nightly-report --all-pods --reason "shard is being copied"'],
)
@schedule_argument
@pods_option("On this pod.")
@reason_option
@owner_option
@dry_run_option
@session
def pause(
    session: Session,
    *,
    schedule: str,
    pod_id: int | None,
    all_pods: bool,
    reason: str,
    owner: str,
    dry_run: bool,
) -> None:
    """Let a schedule make no more jobs until it is resumed. Its service level is measured on."""
    step = _Step(
        lambda found: found.pause(schedule, reason=reason, owner=owner),
        lambda _: True,
        "would be paused",
        lambda _: "is paused",
    )
    _change(session, schedule, pod_id, all_pods, step, dry_run)


@click.command(
    "resume",
    cls=Command,
    examples=["podctl schedules resume nightly-report --pod 7", "podctl schedules resume prune --all-pods"],
)
@schedule_argument
@pods_option("On this pod.")
@dry_run_option
@session
def resume(session: Session, schedule: str, pod_id: int | None, all_pods: bool, dry_run: bool) -> None:
    """Let a paused schedule go on; its runs are not caught up."""
    step = _Step(
        lambda found: found.resume(schedule),
        lambda state: state.paused is not None,
        "would go on",
        lambda _: "goes on",
    )
    _change(session, schedule, pod_id, all_pods, step, dry_run)


@click.command(
    "set",
    cls=Command,
    examples=[
        """podctl schedules set report --cron "30 2 * * *" --zone America/Toronto --pod 7 --reason load""",
        'podctl schedules set prune --every 10m --jitter 30s --all-pods --reason "too often" --dry-run',
        'podctl schedules set prune --at-least-every none --all-pods --reason "known to be late"',
    ],
)
@schedule_argument
@click.option("--cron", metavar="TEXT", help="Minute, hour, day, month, weekday: '30 2 * * *'.")
@click.option("--zone", metavar="ZONE", help="The zone of the cron expression: America/Toronto.")
@click.option(
    "--every", type=Duration(), metavar="10m", help="At every multiple of a period, instead of cron."
)
@click.option(
    "--jitter", type=DurationOrNone(), metavar="30s", help="Spread jobs over so long; none: do not."
)
@click.option("--catch-up", type=click.Choice(["none", "one", "all"]), help="What becomes of missed runs.")
@click.option(
    "--at-least-every",
    type=DurationOrNone(),
    metavar="1h",
    help="How often it has to succeed; none: nothing said.",
)
@pods_option("On this pod.")
@reason_option
@owner_option
@dry_run_option
@session
def set_schedule(
    session: Session,
    *,
    schedule: str,
    cron: str | None,
    zone: str | None,
    every: float | None,
    jitter: float | None,
    catch_up: str | None,
    at_least_every: float | None,
    pod_id: int | None,
    all_pods: bool,
    reason: str,
    owner: str,
    dry_run: bool,
) -> None:
    """Change when a schedule runs, until it is reset.

    What is not given stays.
    """
    given = {
        "cron": cron,
        "zone": zone,
        "every": every,
        "jitter": jitter,
        "catch_up": catch_up,
        "at_least_every": at_least_every,
    }
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not wanted:
        raise click.UsageError("nothing to set - give --cron, --every, --zone, --jitter or another")
    step = _Step(
        lambda found: found.set(schedule, reason=reason, owner=owner, **wanted),
        lambda _: True,
        _rehearsed(schedule, wanted) if dry_run else "",
        _runs,
    )
    _change(session, schedule, pod_id, all_pods, step, dry_run)


@click.command(
    "reset",
    cls=Command,
    examples=[
        "podctl schedules reset nightly-report --pod 7",
        "podctl schedules reset prune --all-pods --dry-run",
    ],
)
@schedule_argument
@pods_option("On this pod.")
@dry_run_option
@session
def reset(session: Session, schedule: str, pod_id: int | None, all_pods: bool, dry_run: bool) -> None:
    """Let a schedule run as the code says again; a pause stays."""
    step = _Step(
        lambda found: found.reset(schedule),
        lambda state: bool(state.changed),
        "would run as the code says",
        lambda state: f"{_runs(state)}, as the code says",
    )
    _change(session, schedule, pod_id, all_pods, step, dry_run)


def _change(
    session: Session, name: str, pod_id: int | None, all_pods: bool, step: _Step, dry_run: bool
) -> None:
    """Make a change on each pod, and say so; then name the pods that could not."""

    def make(pod: int) -> tuple[dict[str, Any], str]:
        found = schedules_of(platform, pod)
        before = found.get(name)
        if not step.changes(before):
            return {**row_of(pod, before), "did_change": False}, "nothing to change"
        after = before if dry_run else step.make(found)
        return {**row_of(pod, after), "did_change": not dry_run}, step.would if dry_run else step.done(after)

    with session.platform() as platform:
        answers, failures = ask_each(pods_meant(platform, pod_id, all_pods), make)
    if session.out.json and (answers or not failures):
        session.out.document({"schedules": [row for row, _ in answers.values()], "dry_run": dry_run})
    for pod, (_, said) in [] if session.out.json else answers.items():
        session.out.message(
            f"pod {pod}: {name} {said}" if said != "nothing to change" else f"pod {pod}: {said}"
        )
    session.blame(failures)


def _rehearsed(name: str, wanted: Mapping[str, Any]) -> str:
    """Return what would come of a change. Raises ConfigurationError, as the change itself would."""
    if "zone" in wanted:
        zone_named(wanted["zone"])
    if not wanted.keys() & {"cron", "every"}:
        return "would be set"
    every_ms = round(wanted.get("every", 0) * 1000)
    timing = Timing(cron=wanted.get("cron", ""), zone=wanted.get("zone", "UTC"), every_ms=every_ms)
    timing.check(f"schedule {name}", {"every_ms": "every"})
    rhythm = timing.rhythm()
    assert rhythm is not None, "it is not computed"
    return f"would run {rhythm.words[:1].lower()}{rhythm.words[1:]}"


def _runs(state: ScheduleState) -> str:
    return f"runs {state.words[:1].lower()}{state.words[1:]}"
