"""Changing all jobs that fit: frozen, counted, asked about, changed, reported.

Owns: that road, for one pod or several. Promises: what was counted is what is changed; who is interrupted is
told how it goes on; a set that nobody wants is forgotten. Leaves to others: the frozen sets
(`podwork.selection`).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from podwork.errors import PodworkError
from podwork.inspection import Filter
from podwork.interventions import PORTION
from podwork.selection import Action, Applied, Selection, Selections
from podwork_ops.cli.grounds import this_person
from podwork_ops.cli.output import Column, count, plural
from podwork_ops.cli.session import Session, confirm
from podwork_ops.composition import Platform
from podwork_ops.demo.progress import Steps
from podwork_ops.errors import ConfirmationNeeded

NAMES_SHOWN: Final = 5
COUNT_COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("JOBS", "jobs", count, right=True),
    Column("STATES", "states", wide=True),
    Column("CLASSES", "classes", wide=True),
    Column("QUEUES", "queues", wide=True),
    Column("SHOPS", "shops", wide=True),
]
DONE: Final = {"ended", "stopping", "queued", "moved"}
WORDS: Final = {"stopping": "asked to stop", "missing": "gone before"}


def change(
    session: Session,
    platform: Platform,
    action: Action,
    wanted: Filter,
    pods: Sequence[int],
    choice: dict[str, Any],
) -> None:
    """Freeze what fits on the pods, and go on as was asked.

    Raises:
        Declined, ConfirmationNeeded: nothing was changed.
    """
    if not (choice["yes"] or choice["dry_run"] or sys.stdin.isatty()):
        raise ConfirmationNeeded(f"{action} jobs")  # before anything is counted in vain
    frozen: dict[int, Selection] = {}
    try:
        for pod_id in pods:
            with _counting(pod_id) as progress:
                frozen[pod_id] = Selections(platform.store(pod_id)).freeze(
                    wanted, owner=this_person(), progress=progress
                )
        _go_on(session, platform, action, {pod: one for pod, one in frozen.items() if one.count}, choice)
    except BaseException:
        for pod_id, selection in frozen.items():
            _forget_unbegun(platform, pod_id, selection)
        raise


def resume(session: Session, platform: Platform, action: Action, choice: dict[str, Any]) -> None:
    """Go on with a set that an earlier command has frozen. Raises UnknownSelection, SelectionTaken."""
    pod_id = choice["pod_id"]
    selections = Selections(platform.store(platform.pod(pod_id).id))
    selection, so_far = selections.get(choice["selection"], action), selections.applied(choice["selection"])
    if so_far.left:
        _go_on(session, platform, action, {pod_id: selection}, choice, selection.count - so_far.left)
    else:
        _report(session, action, {pod_id: selection}, {pod_id: so_far}, choice["dry_run"])


def _go_on(
    session: Session,
    platform: Platform,
    action: Action,
    frozen: dict[int, Selection],
    choice: dict[str, Any],
    done: int = 0,
) -> None:
    """Show, ask, change and report; `done`: so many of them were changed before."""
    total = sum(selection.count for selection in frozen.values()) - done
    if not session.out.json:
        _show(session, frozen)
    if not total or choice["dry_run"]:
        _report(session, action, frozen, {}, choice["dry_run"])
        return
    where = f"pod {min(frozen)}" if len(frozen) == 1 else f"{len(frozen)} pods"
    of = f"{total:,} of {total + done:,} jobs" if done else plural(total, "job")
    confirm(f"{action} {of} on {where}", choice["yes"])
    applied: dict[int, Applied] = {}
    for pod_id, selection in frozen.items():
        selections = Selections(platform.store(pod_id))
        with (
            _resumable(session, selections, action, pod_id, selection),
            _doing(action, pod_id, selection) as progress,
        ):
            applied[pod_id] = selections.apply(selection.id, action, progress)
    _report(session, action, frozen, applied, False)


def _show(session: Session, frozen: dict[int, Selection]) -> None:
    """Show what was frozen, before anybody is asked."""
    if not frozen:
        session.out.message("no job fits")
        return
    rows = [_counts(pod_id, selection) for pod_id, selection in frozen.items()]
    session.out.rows("jobs", rows, COUNT_COLUMNS)
    for pod_id, selection in frozen.items():
        if not selection.is_whole:
            session.out.message(f"pod {pod_id}: these are the first of more; run it again for the others")


def _counts(pod_id: int, selection: Selection) -> dict[str, Any]:
    more = selection.shops - min(len(selection.by_shop), NAMES_SHOWN)
    return {
        "pod_id": pod_id,
        "jobs": selection.count,
        "states": _named(selection.by_state),
        "classes": _named(selection.by_class),
        "queues": _named(selection.by_queue),
        "shops": _named(selection.by_shop, more),
    }


def _named(counts: dict[str, int], more: int | None = None) -> str:
    rest = len(counts) - NAMES_SHOWN if more is None else more
    shown = [f"{name} {number:,}" for name, number in list(counts.items())[:NAMES_SHOWN]]
    return ", ".join([*shown, *([f"{rest:,} more"] if rest > 0 else [])])


def _report(
    session: Session,
    action: Action,
    frozen: dict[int, Selection],
    applied: dict[int, Applied],
    dry_run: bool,
) -> None:
    """Say what became of the jobs; of a dry run, how to go on with exactly these."""
    if session.out.json:
        pods = [_document(pod_id, selection, applied.get(pod_id)) for pod_id, selection in frozen.items()]
        session.out.document({"action": str(action), "dry_run": dry_run, "pods": pods})
        return
    for pod_id, selection in frozen.items():
        if dry_run:
            session.out.message(f"nothing was changed; exactly these: {_command(action, pod_id, selection)}")
        elif pod_id in applied:
            session.out.message(f"pod {pod_id}: {_outcomes(applied[pod_id].outcomes)}")


def _document(pod_id: int, selection: Selection, applied: Applied | None) -> dict[str, Any]:
    return {
        "pod_id": pod_id,
        "selection": selection.id,
        "jobs": selection.count,
        "digest": selection.digest,
        "is_whole": selection.is_whole,
        "by_state": selection.by_state,
        "by_class": selection.by_class,
        "by_queue": selection.by_queue,
        "by_shop": selection.by_shop,
        "shops": selection.shops,
        "outcomes": applied.outcomes if applied else {},
        "left": applied.left if applied else selection.count,
    }


def _outcomes(outcomes: dict[str, int]) -> str:
    done = Counter(outcomes)
    parts = [f"{number:,} {WORDS.get(what, what)}" for what, number in done.most_common() if what in DONE]
    others = {what: number for what, number in done.items() if what not in DONE}
    if others:
        were = ", ".join(f"{number:,} {WORDS.get(what, what)}" for what, number in others.items())
        parts.append(f"left alone: {were}")
    return "; ".join(parts)


def _command(action: Action, pod_id: int, selection: Selection) -> str:
    verb = f"move-queue --to {action.queue}" if action.verb == "move" else action.verb
    return f"podctl jobs {verb} --selection {selection.id} --pod {pod_id}"


def _forget_unbegun(platform: Platform, pod_id: int, selection: Selection) -> None:
    """Drop a set that nobody has begun to change: its command was declined or has failed."""
    selections = Selections(platform.store(pod_id))
    if selection.count and _is_unbegun(selections, selection):
        with suppress(PodworkError):  # it is forgotten by itself, some hours later
            selections.drop(selection.id)


@contextmanager
def _resumable(
    session: Session, selections: Selections, action: Action, pod_id: int, selection: Selection
) -> Iterator[None]:
    """Say how it goes on, if it is stopped in the middle."""
    try:
        yield
    except BaseException:
        if not _is_unbegun(selections, selection):
            session.out.message(f"stopped in the middle; go on: {_command(action, pod_id, selection)}")
        raise


def _is_unbegun(selections: Selections, selection: Selection) -> bool:
    """Return whether nothing was changed; False also if that cannot be known."""
    try:
        return selections.applied(selection.id).left == selection.count
    except PodworkError:
        return False


@contextmanager
def _counting(pod_id: int) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how many jobs were looked at."""

    def show(looked_at: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\rpod {pod_id}: looked at {looked_at:,} jobs")

    yield show
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")


@contextmanager
def _doing(action: Action, pod_id: int, selection: Selection) -> Iterator[Callable[[int], None]]:
    """Show how far it is, if it takes more than a moment."""
    if selection.count <= 2 * PORTION:
        yield lambda _: None
        return
    with Steps(sys.stderr).step(f"{action}, pod {pod_id}", selection.count, "jobs") as step:
        yield step.reach
