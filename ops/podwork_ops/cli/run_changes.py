"""`podctl runs pause|resume|cancel|force|set`: what an operator does to a run, or to a group on all its pods.

Promises: nothing that is under way is cut off: it is obeyed after the batch; what changes nothing says so and
ends well; of a group, those runs are left alone that are over. Leaves to others: the changes themselves
(`podwork_pods.iteration.control`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, Final, NamedTuple

import click

from podwork.errors import RunConflict
from podwork.iteration.states import FORCED, RunState
from podwork_ops.cli.commands import Command
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.grounds import Line, owner_option
from podwork_ops.cli.output import plural
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.run_places import Found, find
from podwork_ops.cli.run_rows import limits_in_words
from podwork_ops.cli.session import Session, confirm, session
from podwork_ops.cli.values import RowsOrNone
from podwork_ops.composition import Platform
from podwork_pods.iteration.control import CANCELS, PAUSES, RESUMES, Changed, RunControl, Settings
from podwork_pods.iteration.run import Run

run_argument = click.argument("run", metavar="RUN")
pod_of_run_option = pod_option(help="Only the run there (default: wherever it is).")
why_option = click.option("--reason", type=Line(), metavar="TEXT", help="Why; others see it.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")


class _Step(NamedTuple):
    """A change of one run: how it is made, from which states, and what is said of where it leads."""

    make: Callable[[RunControl, Run], Changed]
    ways: Container[RunState]
    said: Mapping[RunState, str]


SETTABLE: Final = frozenset(RunState) - {RunState.CANCELLED, RunState.SUCCEEDED}
SAID: Final[Mapping[RunState, str]] = {
    RunState.PAUSED: "paused",
    RunState.PAUSING: "pausing: it stops after the batch that is under way",
    RunState.CANCELLED: "cancelled; what is committed stands",
    RunState.CANCELLING: "being cancelled: it ends after the batch that is under way",
    RunState.ENQUEUED: "enqueued: it goes on within seconds, if a worker is there",
    RunState.INTERRUPTED: "free to be taken over: it goes on within seconds, if a worker is there",
}


@click.command(
    "pause",
    cls=Command,
    examples=[
        'podctl runs pause 0199f2c1a3 --reason "shard is busy"',
        "podctl runs pause 0199f2c1a3 --pod 7",
    ],
)
@run_argument
@pod_of_run_option
@why_option
@owner_option
@dry_run_option
@session
def pause(
    session: Session, *, run: str, pod_id: int | None, reason: str | None, owner: str, dry_run: bool
) -> None:
    """Let a run stop after the batch that is under way, until it is resumed."""
    note = _note(reason, owner)
    step = _Step(lambda control, one: control.pause(one.id, note, dry_run=dry_run), PAUSES, SAID)
    _change(session, run, pod_id, step, dry_run)


@click.command(
    "resume",
    cls=Command,
    examples=["podctl runs resume 0199f2c1a3", "podctl runs resume 0199f2c1a3 --pod 7 --dry-run"],
)
@run_argument
@pod_of_run_option
@why_option
@owner_option
@dry_run_option
@session
def resume(
    session: Session, *, run: str, pod_id: int | None, reason: str | None, owner: str, dry_run: bool
) -> None:
    """Let a paused or failed run go on where it was.

    A failed one tries again what it failed in: mend the cause first.
    """
    note = _note(reason, owner) if reason else ""
    step = _Step(lambda control, one: control.resume(one.id, note, dry_run=dry_run), RESUMES, SAID)
    _change(session, run, pod_id, step, dry_run)


@click.command(
    "cancel",
    cls=Command,
    examples=["podctl runs cancel 0199f2c1a3", 'podctl runs cancel 0199f2c1a3 --reason "wrong rate" --yes'],
)
@run_argument
@pod_of_run_option
@why_option
@owner_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@session
def cancel(
    session: Session,
    *,
    run: str,
    pod_id: int | None,
    reason: str | None,
    owner: str,
    yes: bool,
    dry_run: bool,
) -> None:
    """End a run for good after the batch that is under way.

    What is committed stands; the rest is not done. To stop it for a while: podctl runs pause.
    """
    note = _note(reason, owner)
    step = _Step(lambda control, one: control.cancel(one.id, note, dry_run=dry_run), CANCELS, SAID)
    _change(session, run, pod_id, step, dry_run, lambda found: _confirm_end(found, yes))


@click.command(
    "force",
    cls=Command,
    examples=['podctl runs force 0199f2c1a3 --reason "its worker was unplugged"'],
)
@run_argument
@pod_of_run_option
@why_option
@owner_option
@dry_run_option
@session
def force(
    session: Session, *, run: str, pod_id: int | None, reason: str | None, owner: str, dry_run: bool
) -> None:
    """End a stuck run's wait for those who worked on it.

    A pausing run is paused, a cancelling one cancelled, a running one is taken over. Whoever worked on it and
    comes back writes nothing any more: no row is done twice.
    """
    note = _note(reason, owner)
    step = _Step(lambda control, one: control.force(one.id, note, dry_run=dry_run), FORCED, SAID)
    _change(session, run, pod_id, step, dry_run)


@click.command(
    "set",
    cls=Command,
    examples=[
        "podctl runs set 0199f2c1a3 --rate 5000",
        "podctl runs set 0199f2c1a3 --rate none --batch 200 --parallel 4",
        "podctl runs set 0199f2c1a3 --parallel 1 --pod 7 --dry-run",
    ],
)
@run_argument
@click.option("--rate", type=RowsOrNone(), metavar="ROWS/S", help="At most so many rows a second; none.")
@click.option("--batch", type=RowsOrNone(), metavar="ROWS", help="At most so many rows a batch; none.")
@click.option("--parallel", type=click.IntRange(1, 1000), help="So many partitions at once, on each pod.")
@pod_of_run_option
@dry_run_option
@session
def set_run(
    session: Session,
    *,
    run: str,
    rate: float | None,
    batch: float | None,
    parallel: int | None,
    pod_id: int | None,
    dry_run: bool,
) -> None:
    """Change how fast a run goes, from its next batch on.

    What is not given stays. With more partitions at once more jobs work on it, with fewer some of them give
    theirs back after their batch.
    """
    if rate is batch is parallel is None:
        raise click.UsageError("nothing to set - give --rate, --batch or --parallel")
    wanted = Settings(
        ... if rate is None else rate or None,
        ... if batch is None else int(batch) or None,
        ... if parallel is None else parallel,
    )
    step = _Step(lambda control, one: control.set(one.id, wanted, dry_run=dry_run), SETTABLE, {})
    _change(session, run, pod_id, step, dry_run)


def _change(
    session: Session,
    name: str,
    pod_id: int | None,
    step: _Step,
    dry_run: bool,
    ask: Callable[[Found], None] = lambda _: None,
) -> None:
    """Make a change on each pod that has the run, and say so; then name the pods that could not."""
    with session.platform() as platform:
        found = find(platform, name, pod_id)
        meant = {status.run.pod_id: status.run for status in _meant(found, step)}
        if not dry_run:
            ask(found)
        answers, failures = ask_each(list(meant), lambda pod: _make(platform, step, meant[pod]))
    rows = [_row(changed) for changed in answers.values()]
    if session.out.json and (rows or not failures):
        session.out.document({"runs": rows, "dry_run": dry_run})
    for changed in [] if session.out.json else answers.values():
        run = changed.run
        session.out.message(f"pod {run.pod_id}: {run.id} {_words(changed, step.said, dry_run)}")
    session.blame({**found.failures, **failures})


def _meant(found: Found, step: _Step) -> list[Any]:
    """Return the runs to change: of a group, not those that are over, unless all are."""
    fitting = [status for status in found.rollup.runs if status.run.state in step.ways]
    others = [status for status in found.rollup.runs if status not in fitting]
    return [*fitting, *(status for status in others if not fitting or not status.run.state.is_over)]


def _make(platform: Platform, step: _Step, run: Run) -> Changed:
    if not run.revision:
        raise RunConflict(
            run.id, "no worker has begun it", f"wait, or end its job: podctl jobs cancel {run.id}"
        )
    return step.make(platform.runs(run.pod_id), run)


def _confirm_end(found: Found, yes: bool) -> None:
    rollup = found.rollup
    where = f"pod {rollup.runs[0].run.pod_id}" if len(rollup.runs) == 1 else plural(len(rollup.runs), "pod")
    done = f"after {plural(rollup.rows_done, 'row')}"
    confirm(f"end {rollup.runs[0].run.job_class} ({rollup.id}) on {where} for good, {done}", yes)


def _row(changed: Changed) -> dict[str, Any]:
    run = changed.run
    return {
        "pod_id": run.pod_id,
        "run_id": run.id,
        "was": changed.before.state.value,
        "state": run.state.value,
        "reason": run.reason or None,
        "rate_limit": run.rows_per_second,
        "batch_limit": run.batch_most,
        "parallel": run.parallel,
        "revision": run.revision,
        "did_change": changed.did_change,
    }


def _words(changed: Changed, said: Mapping[RunState, str], dry_run: bool) -> str:
    run = changed.run
    if not changed.did_change:
        return f"is {run.state}: nothing to change" if said else "goes so already: nothing to change"
    if not said:
        limits = {"rate_limit": run.rows_per_second, "batch_limit": run.batch_most, "parallel": run.parallel}
        words = limits_in_words(limits)
        return f"would do at most {words}" if dry_run else f"does at most {words}"
    return f"{'would be' if dry_run else 'is'} {said[run.state]}"


def _note(reason: str | None, owner: str) -> str:
    return f"{owner}: {reason}" if reason else f"by {owner}"
