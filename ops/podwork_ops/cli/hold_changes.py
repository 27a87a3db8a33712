"""Placing and lifting holds on one or several pods, and saying what came of it.

Owns: what `podctl holds place|lift` and `podctl queues pause|resume` share. Promises: pods are asked side
by side, and one that is down is named and hinders none of the others; a dry run changes nothing and says
the same.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from podwork.holds import ANY, Hold, Holds, UnknownHold
from podwork.occupancy import Occupancy, Stopped
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.grounds import Grounds
from podwork_ops.cli.output import left, moment, plural
from podwork_ops.cli.scope import Scope
from podwork_ops.cli.session import Session
from podwork_ops.composition import Platform


class _Placed(NamedTuple):
    row: dict[str, Any]
    queues: list[str]
    """The queues that this pod knows; a hold on another one may be a typing mistake."""


class _Lifted(NamedTuple):
    row: dict[str, Any] | None
    """What was lifted; None: this pod had no such hold."""
    present: list[str]


def hold_row(pod_id: int, hold: Hold, stopped: Stopped) -> dict[str, Any]:
    """Return the hold as it is shown."""
    return {
        "pod_id": pod_id,
        "hold": hold.name,
        "queue": None if hold.queue == ANY else hold.queue,
        "job_class": None if hold.job_class == ANY else hold.job_class,
        "shop": None if hold.shop == ANY else hold.shop,
        "jobs_stopped": stopped.jobs,
        "jobs_stopped_complete": stopped.complete,
        "until": None if hold.until is None else moment(hold.until),
        "left_seconds": None if hold.until is None else round(max(0.0, hold.until - time.time()), 1),
        "reason": hold.reason,
        "owner": hold.owner,
        "since": moment(hold.since),
    }


def place(
    session: Session,
    platform: Platform,
    pods: Sequence[int],
    scope: Scope,
    grounds: Grounds,
    *,
    dry_run: bool,
) -> None:
    """Hold what fits on each of the pods, and say what that stops; then name the pods that are down."""
    answers, failures = ask_each(pods, lambda pod: _place(platform, pod, scope, grounds, dry_run))
    rows = [placed.row for placed in answers.values()]
    if session.out.json and answers:
        session.out.document({"holds": rows, "dry_run": dry_run})
    elif not session.out.json:
        for row in rows:
            session.out.message(_sentence(row, dry_run))
        known = {name for placed in answers.values() for name in placed.queues}
        if scope.queue and answers and scope.queue not in known | _served(platform):
            session.out.message(_doubt(scope.queue, sorted(known)))
    session.blame(failures)


def lift(
    session: Session,
    platform: Platform,
    pods: Sequence[int],
    name: str,
    *,
    dry_run: bool,
    missing_ok: bool = False,
) -> None:
    """Lift a hold on each of the pods that has it, and say what goes on; then name the pods that are down.

    Raises:
        UnknownHold: no pod has it, and that is not `missing_ok`.
    """
    answers, failures = ask_each(pods, lambda pod: _lift(platform, pod, name, dry_run))
    rows = [lifted.row for lifted in answers.values() if lifted.row is not None]
    if not rows and not failures and not missing_ok:
        raise UnknownHold(name, sorted({each for lifted in answers.values() for each in lifted.present}))
    if session.out.json:
        if answers:
            session.out.document({"lifted": rows, "dry_run": dry_run})
    elif rows:
        for row in rows:
            session.out.message(f"pod {row['pod_id']}: {_lifted(row, dry_run)}")
    elif answers:
        session.out.message(f"{name} is not on hold: nothing to change")
    session.blame(failures)


def pausing(holds: Sequence[Hold], queue: str) -> Hold | None:
    """Return the hold that stops the whole queue, of several the one that lasts longest."""
    whole = [one for one in _in_force(holds, queue) if one.job_class == one.shop == ANY]
    return max(whole, key=lambda hold: hold.until or float("inf"), default=None)


def on_parts(holds: Sequence[Hold], queue: str) -> list[str]:
    """Return the names of the holds that stop a part of the queue: a class or a shop."""
    return [one.name for one in _in_force(holds, queue) if (one.job_class, one.shop) != (ANY, ANY)]


def _in_force(holds: Sequence[Hold], queue: str) -> list[Hold]:
    """Return the holds that touch the queue; one whose time is over stands there until a worker lifts it."""
    now = time.time()
    return [hold for hold in holds if hold.queue in (ANY, queue) and (hold.until is None or hold.until > now)]


def _place(platform: Platform, pod_id: int, scope: Scope, grounds: Grounds, dry_run: bool) -> _Placed:
    store = platform.store(pod_id)
    holds = Holds(store)
    present = {hold.name for hold in holds.list()}
    hold = _planned(scope, grounds) if dry_run else _placed(holds, scope, grounds)
    row = hold_row(pod_id, hold, Occupancy(store).stopped(**scope.fields))
    return _Placed({**row, "new": hold.name not in present}, platform.inspection(pod_id).queue_names())


def _placed(holds: Holds, scope: Scope, grounds: Grounds) -> Hold:
    return holds.place(**scope.fields, reason=grounds.reason, owner=grounds.owner, seconds=grounds.seconds)


def _planned(scope: Scope, grounds: Grounds) -> Hold:
    now = time.time()
    until = None if grounds.seconds is None else now + grounds.seconds
    fields = scope.fields
    return Hold(
        scope.name,
        fields["queue"],
        fields["job_class"],
        fields["shop"],
        until,
        grounds.reason,
        grounds.owner,
        now,
    )


def _lift(platform: Platform, pod_id: int, name: str, dry_run: bool) -> _Lifted:
    store = platform.store(pod_id)
    holds = Holds(store)
    present = {hold.name: hold for hold in holds.list()}
    hold = present.get(name)
    if hold is None:
        return _Lifted(None, list(present))
    row = hold_row(pod_id, hold, Occupancy(store).stopped(hold.queue, hold.job_class, hold.shop))
    if not dry_run:
        try:
            holds.lift(name)
        except UnknownHold:  # it lapsed, or somebody was faster
            return _Lifted(None, list(present))
    return _Lifted(row, list(present))


def _served(platform: Platform) -> set[str]:
    return {queue.partition(":")[0] for queue in platform.settings.worker.queues}


def _sentence(row: Mapping[str, Any], dry_run: bool) -> str:
    name, for_ = (
        row["hold"],
        f"for {left(row['left_seconds'])}" if row["left_seconds"] else "until it is lifted",
    )
    jobs = f"; {'that' if dry_run else 'it'} stops {plural(row['jobs_stopped'], 'job')}"
    counted = jobs if row["jobs_stopped_complete"] else ""
    if dry_run:
        return f"pod {row['pod_id']}: {name} would be on hold {for_}{counted}"
    if row["new"]:
        return f"pod {row['pod_id']}: {name} is on hold {for_}{counted}"
    return f"pod {row['pod_id']}: {name} was on hold already, and is now {for_}{counted}"


def _lifted(row: Mapping[str, Any], dry_run: bool) -> str:
    jobs = plural(row["jobs_stopped"], "job")
    return (
        f"{row['hold']} would be lifted; {jobs} would go on"
        if dry_run
        else f"lifted {row['hold']}; {jobs} go on"
    )


def _doubt(queue: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(queue, known, n=1)
    return f"no job was ever in a queue {queue}" + (f" - did you mean {near[0]}?" if near else "")
