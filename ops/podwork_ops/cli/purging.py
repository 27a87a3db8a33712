"""`podctl queues purge`: ending all that waits in a queue of one pod, for good.

Promises: the jobs are counted and written down first, their number is confirmed by typing the queue's name,
and these and no others are ended: what comes meanwhile stays, and what has started meanwhile goes on.
Killed halfway it leaves each job whole. Leaves to others: the frozen sets (`podwork.selection`).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import click

from podwork.inspection import Filter, State
from podwork.selection import Action, Selection, Selections
from podwork_ops.cli.commands import Command
from podwork_ops.cli.grounds import this_person
from podwork_ops.cli.output import plural
from podwork_ops.cli.pod_options import completed, pod_option, queues_of_settings
from podwork_ops.cli.session import Session, confirm_by_name, session
from podwork_ops.cli.values import QueueName

WAITING: Sequence[State] = ("ready", "parked")
"""A set for each: then a job is ended only if it still stands in it, and none that runs is stopped."""
CLASSES_SHOWN = 5


@click.command(
    "purge",
    cls=Command,
    examples=[
        "podctl queues purge low --pod 7 --dry-run",
        "podctl queues purge low --pod 7",
        "podctl queues purge low --pod 7 --confirm low -o json",
    ],
)
@click.argument("queue", metavar="QUEUE", type=QueueName(), shell_complete=completed(queues_of_settings))
@pod_option(required=True, help="On this pod.")
@click.option("--confirm", "given", metavar="QUEUE", help="The queue's name again, instead of typing it.")
@click.option("--dry-run", is_flag=True, help="Count the jobs, and end none.")
@session
def purge(session: Session, queue: str, pod_id: int, given: str | None, dry_run: bool) -> None:
    """End all jobs that wait in a queue, ready or parked. They cannot be brought back.

    Retries and later jobs stay, as do dead ones; running jobs go on.
    """
    with session.platform() as platform:
        selections = Selections(platform.store(platform.pod(pod_id).id))
        frozen = [
            selections.freeze(Filter(states=(state,), queue=queue), owner=this_person()) for state in WAITING
        ]
        try:
            found = _found(pod_id, queue, frozen)
            if not session.out.json:
                session.out.message(_counted(found))
            if found["jobs"] and not dry_run:
                confirm_by_name(
                    f"end {plural(found['jobs'], 'job')} of {queue} on pod {pod_id}", queue, given
                )
                outcomes = _apply(selections, frozen)
            else:
                outcomes = Counter()
        finally:
            for selection in frozen:
                selections.drop(selection.id)
    _report(session, found, outcomes, dry_run)


def _found(pod_id: int, queue: str, frozen: Sequence[Selection]) -> dict[str, Any]:
    classes = sum((Counter(selection.by_class) for selection in frozen), Counter[str]())
    return {
        "pod_id": pod_id,
        "queue": queue,
        "jobs": sum(selection.count for selection in frozen),
        "by_state": {state: selection.count for state, selection in zip(WAITING, frozen, strict=True)},
        "by_class": dict(classes.most_common()),
        "is_whole": all(selection.is_whole for selection in frozen),
    }


def _apply(selections: Selections, frozen: Sequence[Selection]) -> Counter[str]:
    """End the jobs; return how many came to what."""
    outcomes, before = Counter[str](), 0
    for selection in frozen:
        if selection.count:
            applied = selections.apply(selection.id, Action("cancel"), _progress(before, frozen))
            outcomes.update(applied.outcomes)
        before += selection.count
    return outcomes


def _progress(before: int, frozen: Sequence[Selection]) -> Callable[[int], None]:
    """Return what shows on a terminal how many are done."""
    total = sum(selection.count for selection in frozen)

    def show(done: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if before + done == total else ""
            sys.stderr.write(f"\r{before + done:,} of {total:,}{end}")
            sys.stderr.flush()

    return show


def _report(session: Session, found: dict[str, Any], outcomes: Counter[str], dry_run: bool) -> None:
    ended = outcomes.pop("ended", 0)
    if session.out.json:
        session.out.document({**found, "ended": ended, "left_alone": dict(outcomes), "dry_run": dry_run})
        return
    if dry_run or not found["jobs"]:
        session.out.message("nothing was ended" if found["jobs"] else "nothing to end")
        return
    left = sum(outcomes.values())
    rest = f"; {plural(left, 'job')} had moved on meanwhile and were left alone" if left else ""
    more = "" if found["is_whole"] else "; more wait: purge again"
    session.out.message(
        f"pod {found['pod_id']}: ended {plural(ended, 'job')} of {found['queue']}{rest}{more}"
    )


def _counted(found: dict[str, Any]) -> str:
    if not found["jobs"]:
        return f"pod {found['pod_id']}: no job waits in {found['queue']}"
    states = ", ".join(f"{number:,} {state}" for state, number in found["by_state"].items() if number)
    classes = [f"{number:,} {name}" for name, number in found["by_class"].items()]
    shown = ", ".join(classes[:CLASSES_SHOWN]) + (", ..." if len(classes) > CLASSES_SHOWN else "")
    jobs = plural(found["jobs"], "job")
    whole = "" if found["is_whole"] else " (the first of more)"
    return f"pod {found['pod_id']}: {jobs} of {found['queue']}{whole}: {states}; {shown}"
