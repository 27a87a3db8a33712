"""`podctl jobs retry|discard|cancel|move-queue`: what a person does to jobs, one by one or all that fit.

Promises: named jobs are changed where they are; what is chosen by a filter is frozen and counted first, and
asked about (`job_bulk`). A job that does not stand where the change is meant for is left alone, and said to
be. Leaves to others: the changes themselves (`podwork.interventions`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click
from msgspec import structs

from podwork.inspection import STATES, Filter, State
from podwork.interventions import Interventions, Outcome
from podwork.selection import Action
from podwork_ops.cli import job_bulk
from podwork_ops.cli.commands import Command
from podwork_ops.cli.job_choice import filter_of, filter_options
from podwork_ops.cli.job_places import by_pod, likely_pods, named
from podwork_ops.cli.output import Column
from podwork_ops.cli.pod_options import completed, pods_meant, pods_option, queues_of_settings
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import QueueName
from podwork_ops.composition import Platform
from podwork_ops.errors import JobNotFound, JobsLeftAlone

OUTCOME_COLUMNS = [
    Column("JOB", "job_id"),
    Column("POD", "pod_id", right=True),
    Column("OUTCOME", "outcome"),
]


class Change(NamedTuple):
    """One command: what it does, the states it may be for, and those it is for when none is named."""

    action: Action
    may: Sequence[State]
    usual: tuple[State, ...]


RETRY = Change(Action("retry"), ("dead", "scheduled"), ("dead",))
DISCARD = Change(Action("discard"), ("dead",), ("dead",))
CANCEL = Change(Action("cancel"), STATES, ("held", "ready", "scheduled", "parked"))
MOVABLE: tuple[State, ...] = ("ready", "scheduled", "parked")


def change_options(states: Sequence[State]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ids, a filter, pods, --selection, --yes and --dry-run."""
    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.argument("job_ids", metavar="[ID]...", nargs=-1),
        filter_options(states),
        pods_option("On this pod (default with ids and --shop: where they are)."),
        click.option(
            "--selection", metavar="SELECTION", help="The jobs that an earlier command has frozen on --pod."
        ),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Freeze and count the jobs, and change none."),
    ]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command(
    "retry",
    cls=Command,
    examples=[
        "podctl jobs retry 0199f2c1a3b5d0e1f2a3b-330",
        "podctl jobs retry --fingerprint 3f2a9c01 --all-pods",
        "podctl jobs retry --state dead --class shop.collect --pod 7 --dry-run",
    ],
)
@change_options(RETRY.may)
@session
def retry(session: Session, /, **choice: Any) -> None:
    """Run dead jobs again from the start; or scheduled ones now.

    With a filter, dead ones are meant unless --state scheduled says so.
    """
    _change(session, RETRY, choice)


@click.command(
    "discard",
    cls=Command,
    examples=[
        "podctl jobs discard 0199f2c1a3b5d0e1f2a3b-330",
        "podctl jobs discard --fingerprint 3f2a9c01 --all-pods --yes",
    ],
)
@change_options(DISCARD.may)
@session
def discard(session: Session, /, **choice: Any) -> None:
    """Delete dead jobs for good."""
    _change(session, DISCARD, choice)


@click.command(
    "cancel",
    cls=Command,
    examples=[
        "podctl jobs cancel 0199f2c1a3b5d0e1f2a3b-330",
        "podctl jobs cancel --class shop.collect --shop 330",
        "podctl jobs cancel --state scheduled --search 2019 --all-pods --dry-run",
    ],
)
@change_options(CANCEL.may)
@session
def cancel(session: Session, /, **choice: Any) -> None:
    """End jobs wherever they stand.

    One that runs is asked to stop, and never runs again. With a filter, dead jobs are not meant unless
    --state dead says so.
    """
    _change(session, CANCEL, choice)


@click.command(
    "move-queue",
    cls=Command,
    examples=[
        "podctl jobs move-queue --to low 0199f2c1a3b5d0e1f2a3b-330",
        "podctl jobs move-queue --to low --queue default --class shop.export --pod 7",
    ],
)
@click.option(
    "--to",
    "to_queue",
    type=QueueName(),
    required=True,
    metavar="NAME",
    shell_complete=completed(queues_of_settings),
    help="The other queue.",
)
@change_options([*MOVABLE, "dead"])
@session
def move_queue(session: Session, /, to_queue: str, **choice: Any) -> None:
    """Let jobs wait in another queue; what runs is left alone."""
    _change(session, Change(Action("move", to_queue), [*MOVABLE, "dead"], MOVABLE), choice)


def _change(session: Session, change: Change, choice: dict[str, Any]) -> None:
    wanted = filter_of(choice)
    _only_one_way(wanted, choice["job_ids"], choice["selection"])
    with session.platform() as platform:
        if choice["job_ids"]:
            _by_ids(session, platform, change, choice)
        elif choice["selection"]:
            if choice["pod_id"] is None:
                raise click.UsageError("which pod? - a selection is one pod's: give --pod N")
            job_bulk.resume(session, platform, change.action, choice)
        else:
            shop_id = int(wanted.shop) if wanted.shop and wanted.shop.isdecimal() else None
            pods = pods_meant(platform, choice["pod_id"], choice["all_pods"], shop_id)
            wanted = structs.replace(wanted, states=wanted.states or change.usual)
            job_bulk.change(session, platform, change.action, wanted, pods, choice)


def _only_one_way(wanted: Filter, job_ids: Sequence[str], selection: str | None) -> None:
    ways = sum((wanted != Filter(), bool(job_ids), selection is not None))
    if not ways:
        raise click.UsageError("which jobs? - name ids, or give a filter; all of a state: --state")
    if ways > 1:
        raise click.UsageError("ids, a filter and --selection exclude one another - give one of them")


def _by_ids(session: Session, platform: Platform, change: Change, choice: dict[str, Any]) -> None:
    """Change named jobs, and say of each what became of it."""
    job_ids, pod_id = list(dict.fromkeys(choice["job_ids"])), choice["pod_id"]
    places = by_pod(platform, job_ids, pod_id)
    missing = places.pop(None, [])
    outcomes: dict[str, tuple[int | None, str]] = dict.fromkeys(missing, (None, "missing"))
    for pod, there in places.items():
        if pod is not None and not choice["dry_run"]:
            outcomes |= {one.id: (pod, one.what) for one in _act(platform, pod, change.action, there)}
        else:
            outcomes |= dict.fromkeys(there, (pod, ""))
    rows = [
        {"job_id": job_id, "pod_id": outcomes[job_id][0], "outcome": outcomes[job_id][1] or None}
        for job_id in job_ids
    ]
    if session.out.json:
        session.out.document({"action": str(change.action), "dry_run": choice["dry_run"], "jobs": rows})
    else:
        session.out.rows(
            "jobs", [{**row, "outcome": in_words(row["outcome"])} for row in rows], OUTCOME_COLUMNS
        )
    _blame(platform, job_ids, rows, missing, pod_id)


def _act(platform: Platform, pod_id: int, action: Action, job_ids: Sequence[str]) -> list[Outcome]:
    hand = Interventions(platform.store(pod_id))
    match action.verb:
        case "retry":
            return hand.retry(job_ids)
        case "discard":
            return hand.discard(job_ids)
        case "cancel":
            return hand.cancel(job_ids)
        case "move":
            return hand.move(job_ids, action.queue)


def in_words(outcome: str | None) -> str:
    """Write what became of a job."""
    if outcome is None:
        return "would be looked at"
    if outcome in job_bulk.DONE:
        return {"stopping": "is asked to stop"}.get(outcome, outcome)
    return "not here" if outcome == "missing" else f"left alone: {outcome}"


def _blame(
    platform: Platform,
    job_ids: Sequence[str],
    rows: Sequence[dict[str, Any]],
    missing: Sequence[str],
    pod_id: int | None,
) -> None:
    """End with the code that fits when not every job was changed. Raises JobNotFound, JobsLeftAlone."""
    if missing:
        raise JobNotFound(missing[0], named(likely_pods(platform, missing[0], pod_id)))
    alone = [row for row in rows if row["outcome"] and row["outcome"] not in job_bulk.DONE]
    if alone:
        raise JobsLeftAlone(len(alone), len(job_ids), str(alone[0]["outcome"]))
