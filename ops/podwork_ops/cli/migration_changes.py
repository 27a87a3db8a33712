"""`podctl migrations retry|skip|revert|cutover`: what an operator does to a migration of a pod.

Promises: who did it and why is recorded in the pod's ledger; what changes nothing says so and ends well; the
pod looks at once. Leaves to others: the changes themselves (`podwork_migrations.control`), plans
(`migration_plan_changes`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

import click

from podwork_migrations.control import Changed, LineControl
from podwork_migrations.ledger.entry import Entry
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.plan.states import PlanState
from podwork_ops.cli.commands import Command
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.grounds import owner_option, reason_option
from podwork_ops.cli.migration_choice import dry_run_option, one_of, version_argument, who_and_why, yes_option
from podwork_ops.cli.output import plural
from podwork_ops.cli.pod_options import pods_meant, pods_option
from podwork_ops.cli.session import Session, confirm, session
from podwork_ops.composition import Platform
from podwork_ops.errors import MigrationNotFound
from podwork_ops.masking import mask

PENDING: Final = "pending"
RETRIED: Final = frozenset({EntryState.FAILED})
SKIPPED: Final = frozenset({EntryState.FAILED})
REVERTED: Final = frozenset({EntryState.FAILED, EntryState.RUNNING})
WAITING: Final = frozenset({EntryState.RUNNING})


class _Step(NamedTuple):
    """A change of a migration on a pod. `of`: the states in which it is looked for if none is named."""

    verb: str
    of: Collection[EntryState]
    make: Callable[[LineControl, str], Changed]
    said: Mapping[EntryState, str]


SAID: Final[Mapping[EntryState, str]] = {
    EntryState.RUNNING: "tried again",
    EntryState.SKIPPED: "skipped: it counts as done",
    EntryState.REVERTING: "being taken back",
    EntryState.REVERTED: "counted as taken back",
}


@click.command(
    "retry",
    cls=Command,
    examples=[
        "podctl migrations retry --pod 7",
        'podctl migrations retry 20261124120000 --all-pods --reason "disk was full"',
        "podctl migrations retry fill_status --pod 7 --afresh",
    ],
)
@version_argument
@pods_option("On this pod.")
@click.option("--afresh", is_flag=True, help="From its beginning; nothing may be left of what it made.")
@who_and_why
@dry_run_option
@session
def retry(
    session: Session,
    *,
    version: str | None,
    pod_id: int | None,
    all_pods: bool,
    afresh: bool,
    reason: str | None,
    owner: str,
    dry_run: bool,
) -> None:
    """Let a failed migration go on where it stands.

    Or one begin after all that was skipped or reverted.
    MIGRATION may be left out: then it is the one that failed there. The pods go on within seconds; a plan
    that halted goes on after: podctl migrations release.
    """
    step = _Step(
        "retry",
        RETRIED,
        lambda control, one: control.retry(
            one, afresh=afresh, reason=reason or "", by=owner, dry_run=dry_run
        ),
        SAID,
    )
    _change(session, version, pod_id, all_pods, step, dry_run=dry_run)


@click.command(
    "skip",
    cls=Command,
    examples=['podctl migrations skip 20261124120000 --pod 7 --reason "done by hand"'],
)
@version_argument
@pods_option("On this pod.")
@reason_option
@owner_option
@yes_option
@dry_run_option
@session
def skip(
    session: Session,
    *,
    version: str | None,
    pod_id: int | None,
    all_pods: bool,
    reason: str,
    owner: str,
    yes: bool,
    dry_run: bool,
) -> None:
    """Let a migration count as done on a pod, without doing it.

    What requires it may begin then; what finalizes it may not. A failed way back counts as gone.
    """
    step = _Step(
        "skip", SKIPPED, lambda control, one: control.skip(one, reason, owner, dry_run=dry_run), SAID
    )
    _change(session, version, pod_id, all_pods, step, yes=yes, dry_run=dry_run)


@click.command(
    "revert",
    cls=Command,
    examples=[
        'podctl migrations revert 20261124120000 --pod 7 --reason "orders are slow"',
        "podctl migrations revert add_status_to_orders --all-pods --yes",
    ],
)
@version_argument
@pods_option("On this pod.")
@who_and_why
@yes_option
@dry_run_option
@session
def revert(
    session: Session,
    *,
    version: str | None,
    pod_id: int | None,
    all_pods: bool,
    reason: str | None,
    owner: str,
    yes: bool,
    dry_run: bool,
) -> None:
    """Take a migration back on a pod by its down().

    One that is under way is given up, and cleared away.
    It does not begin again by itself.
    """
    step = _Step(
        "revert",
        REVERTED,
        lambda control, one: control.revert(one, reason or "", owner, dry_run=dry_run),
        SAID,
    )
    _change(session, version, pod_id, all_pods, step, yes=yes, dry_run=dry_run)


@click.command(
    "cutover",
    cls=Command,
    examples=["podctl migrations cutover 20261124120000 --pod 7", "podctl migrations cutover --all-pods"],
)
@version_argument
@pods_option("On this pod.")
@owner_option
@dry_run_option
@session
def cutover(
    session: Session,
    *,
    version: str | None,
    pod_id: int | None,
    all_pods: bool,
    owner: str,
    dry_run: bool,
) -> None:
    """Let an online copy take its table's place.

    Where its cut-over was postponed by the migration, or could not be had for long.
    """
    step = _Step(
        "cut over", WAITING, lambda control, one: control.cut_over(one, owner, dry_run=dry_run), SAID
    )
    _change(session, version, pod_id, all_pods, step, dry_run=dry_run)


def _change(
    session: Session,
    text: str | None,
    pod_id: int | None,
    all_pods: bool,
    step: _Step,
    *,
    yes: bool = True,
    dry_run: bool,
) -> None:
    """Make a change on each pod that is meant, and say so; then name the pods that could not."""
    with session.platform() as platform:
        pods = pods_meant(platform, pod_id, all_pods)
        entries, silent = ask_each(pods, platform.migrations.entries)
        meant = _meant(platform, entries, text, step)
        if not meant:
            session.blame(silent)
            what = text or f"to {step.verb}"
            raise MigrationNotFound(what, f"on pod {', '.join(map(str, pods))}")
        if not dry_run:
            known = platform.migrations.names(entries)
            ids = sorted({f"{version}_{known[version]}" for version in meant.values()})
            where = f"pod {next(iter(meant))}" if len(meant) == 1 else plural(len(meant), "pod")
            confirm(f"{step.verb} {', '.join(ids)} on {where}", yes)

        def make(pod: int) -> Changed:
            changed = step.make(platform.migrations.control(pod), meant[pod])
            if changed.did_change and not dry_run:
                platform.migrations.wake(pod)
            return changed

        answers, failures = ask_each(list(meant), make)
        halted = platform.migrations.plans.current() if answers and not dry_run else None
    if session.out.json and (answers or not failures):
        rows = [_row(pod, meant[pod], changed) for pod, changed in answers.items()]
        session.out.document({"migrations": rows, "dry_run": dry_run})
    for pod, changed in [] if session.out.json else answers.items():
        session.out.message(f"pod {pod}: {_words(meant[pod], changed, step, dry_run)}")
    if halted is not None and halted.state is PlanState.HALTED and not session.out.json:
        session.out.message(f"plan {halted.number} is halted; when that is mended: podctl migrations release")
    session.blame({**silent, **failures})


def _meant(
    platform: Platform, entries: Mapping[int, Collection[Entry]], text: str | None, step: _Step
) -> dict[int, str]:
    """Return the version on each pod; on several pods, only where there is something to do."""
    if text is None:
        found = {
            pod: next((one.version for one in of_pod if one.state in step.of), None)
            for pod, of_pod in entries.items()
        }
        return {pod: version for pod, version in found.items() if version is not None}
    version = one_of(text, platform.migrations.names(entries), "in the files, nor in the pods' ledgers")
    if len(entries) == 1:
        return dict.fromkeys(entries, version)
    states = {
        pod: next((one.state for one in of_pod if one.version == version), None)
        for pod, of_pod in entries.items()
    }
    fits = {pod: version for pod, state in states.items() if _fits(state, step)}
    return fits or {pod: version for pod, state in states.items() if state is not None}


def _fits(state: EntryState | None, step: _Step) -> bool:
    if step.verb == "cut over":
        return state in step.of
    if step.verb == "skip":
        return state is None or state in step.of
    if step.verb == "revert":
        return state is EntryState.APPLIED or state in step.of
    return state in (EntryState.SKIPPED, EntryState.REVERTED) or state in step.of


def _row(pod_id: int, version: str, changed: Changed) -> dict[str, Any]:
    return {
        "pod_id": pod_id,
        "version": version,
        "was": changed.before.state.value if changed.before else PENDING,
        "state": changed.entry.state.value if changed.entry else PENDING,
        "reason": mask(changed.entry.override_reason) or None if changed.entry else None,
        "attempts": changed.entry.attempts if changed.entry else 0,
        "did_change": changed.did_change,
    }


def _words(version: str, changed: Changed, step: _Step, dry_run: bool) -> str:
    if not changed.did_change or changed.entry is None:
        state = changed.entry.state if changed.entry else PENDING
        return f"{version} is {state}: nothing to change"
    verb = "would be" if dry_run else "is"
    if step.verb == "cut over":
        return f"{changed.entry.id} {verb} let take its table's place"
    said = step.said[changed.entry.state]
    return f"{changed.entry.id} {verb} {said.removeprefix('being ') if dry_run else said}"
