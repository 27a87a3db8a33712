"""The status of plans, read.

Owns: `read`, which makes `status.Status` of rows. Promises: nine queries at most, however many pods, versions
and plans there are. Leaves to others: what is to be done about it (`next_actions`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from podwork_migrations.ledger.states import EntryState
from podwork_migrations.plan import judging, moving, next_actions, outlook, reports, rows
from podwork_migrations.plan.cells import Cell
from podwork_migrations.plan.considering import not_applied
from podwork_migrations.plan.fleet import Fleet
from podwork_migrations.plan.plan import Placement, Plan, Planned
from podwork_migrations.plan.states import PlacementState, PlanState
from podwork_migrations.plan.status import MovingLine, Outcome, PlanLine, PodLine, Status, VersionLine
from podwork_migrations.plan.store import PlanStore
from podwork_pods.pod import Pod

_PLANS_SHOWN = 10


class _Seen(NamedTuple):
    now: float
    fleet: Fleet
    plans: Sequence[Plan]
    placed: Mapping[str, Mapping[int, Placement]]
    counts: Mapping[str, int]
    unsettled: Sequence[Row[Any]]
    versions: Sequence[Planned]
    shown: Plan | None
    missing: Mapping[str, Sequence[int]]


def read(store: PlanStore, pods: Sequence[Pod], number: int | None = None) -> Status:
    """Return how things stand; with the matrix of plan `number`, or of the one under way, else of the last.

    Raises:
        UnknownPlan: there is none of this number.
        DirectoryUnavailable: the directory's database does not answer.
    """
    now = store.clock.now()
    return store.read(lambda connection: _status(_see(connection, pods, number, now)))


def _see(connection: Connection, pods: Sequence[Pod], number: int | None, now: float) -> _Seen:
    plans = rows.recent(connection, _PLANS_SHOWN, number)
    wanted = [plan for plan in plans if number in (None, plan.number)]
    begun = [plan for plan in wanted if plan.state.is_live] or wanted
    shown = begun[0] if begun else None
    ids = [plan.id for plan in plans]
    placed = rows.placements_of_all(connection, ids, None if shown is None else shown.id)
    fleet = Fleet.of(pods, rows.notes(connection))
    versions = [] if shown is None else rows.versions_of(connection, [shown.id])[shown.id]
    finalizes = {each for one in versions if shown and one.leg == shown.leg for each in one.finalizes}
    return _Seen(
        now,
        fleet,
        plans,
        placed,
        rows.count_versions(connection, ids),
        reports.unsettled(connection),
        versions,
        shown,
        not_applied(connection, finalizes, fleet) if finalizes else {},
    )


def _status(seen: _Seen) -> Status:
    pods = [] if seen.shown is None else _pod_lines(seen, seen.shown)
    return Status(
        seen.now,
        _outcome(seen),
        [_plan_line(seen, plan) for plan in seen.plans],
        None if seen.shown is None else seen.shown.number,
        _version_lines(seen.versions, pods),
        pods,
        _moving_lines(seen),
    )


def _outcome(seen: _Seen) -> Outcome:
    live = [plan for plan in seen.plans if plan.state.is_live]
    failed = any(row.state == EntryState.FAILED for row in seen.unsettled)
    if failed or any(plan.state is PlanState.HALTED for plan in live):
        return Outcome.FAILED
    if any(plan.state is PlanState.HELD for plan in live):
        return Outcome.BLOCKED
    late = _late(seen)
    going = [pod_id for pod_id in late if seen.fleet.why_blocked(pod_id) is None]
    if any(_is_stuck(seen, plan) for plan in live) or (late and not going and not live):
        return Outcome.BLOCKED
    return Outcome.RUNNING if live or late or seen.unsettled else Outcome.OK


def _is_stuck(seen: _Seen, plan: Plan) -> bool:
    """Whether a plan that is under way waits for nothing but pods that are blocked."""
    if plan.state is not PlanState.RUNNING:
        return False
    placed = seen.placed[plan.id]
    blocked = seen.fleet.blocked([*placed, *seen.fleet.states])
    if not moving.unfinished(plan, placed, blocked):
        return not moving.is_complete(plan, placed, blocked)
    is_moving = any(row.state != EntryState.FAILED for row in seen.unsettled)
    return not is_moving and any(set(pod_ids) <= blocked for pod_ids in seen.missing.values())


def _late(seen: _Seen) -> set[int]:
    """Return the pods of the fleet that have not all of a plan that succeeded."""
    late: set[int] = set()
    for plan in seen.plans:
        if plan.state is PlanState.SUCCEEDED:
            placed = seen.placed[plan.id]
            behind = {each.pod_id for each in placed.values() if each.state is not PlacementState.DONE}
            added = set() if plan.options.only_these_pods else set(seen.fleet.states) - set(placed)
            late |= (behind & set(seen.fleet.states)) | added
    return late


def _plan_line(seen: _Seen, plan: Plan) -> PlanLine:
    placed = seen.placed[plan.id]
    blocked = seen.fleet.blocked(placed)
    counts = Counter(
        "blocked" if each.pod_id in blocked and each.state is not PlacementState.DONE else each.state.value
        for each in placed.values()
    )
    own = [row for row in seen.unsettled if row.plan_id == plan.id]
    slow = [(_eta(row), row.pod_id) for row in own]
    return PlanLine(
        number=plan.number,
        state=plan.state,
        reason=plan.reason,
        purpose=plan.purpose,
        digest=plan.digest,
        versions=seen.counts[plan.id],
        leg=plan.leg,
        legs=plan.legs,
        wave=plan.wave,
        waves=plan.waves,
        pods=len(placed),
        done=counts["done"],
        running=counts["running"],
        failed=counts["failed"],
        blocked=counts["blocked"],
        waiting=counts["waiting"],
        throttled=sum(bool(row.throttle_reason) and row.state != EntryState.FAILED for row in own),
        slowest_pod_id=max(((eta, pod_id) for eta, pod_id in slow if eta is not None), default=(0, None))[1],
        soak_seconds_left=None if plan.soak_until is None else max(0.0, plan.soak_until - seen.now),
        eta_seconds=outlook.plan_seconds(plan, placed, blocked, seen.now),
        created=plan.created,
        started=plan.started,
        ended=plan.ended,
        next_action=next_actions.of_plan(plan, placed, blocked, _waits_for(seen, plan)),
    )


def _waits_for(seen: _Seen, plan: Plan) -> str:
    """Return what has to be applied everywhere before the open leg is done, and is not."""
    is_shown = seen.shown is not None and plan.id == seen.shown.id
    return "; ".join(judging.unfinalized(seen.missing)) if is_shown else ""


def _pod_lines(seen: _Seen, plan: Plan) -> list[PodLine]:
    heard = {row.pod_id: row.at for row in seen.unsettled}
    lines = []
    for each in seen.placed[plan.id].values():
        times = [at for at in (seen.fleet.note(each.pod_id).asked, heard.get(each.pod_id)) if at is not None]
        ago = max(0.0, seen.now - max(times)) if times else None
        blocked = seen.fleet.why_blocked(each.pod_id)
        is_open = plan.state is PlanState.RUNNING and each.wave <= plan.wave and each.legs_done <= plan.leg
        action = next_actions.of_pod(each, is_open, blocked, ago)
        lines.append(
            PodLine(each.pod_id, each.wave, each.state, blocked, each.cells, ago, each.error, action)
        )
    return sorted(lines, key=lambda line: (line.wave, line.pod_id))


def _version_lines(versions: Sequence[Planned], pods: Sequence[PodLine]) -> list[VersionLine]:
    columns = zip(*(line.cells for line in pods), strict=True) if pods else [()] * len(versions)
    return [
        VersionLine(
            each.version,
            each.name,
            each.kind,
            each.leg,
            {Cell(cell): n for cell, n in Counter(column).items()},
        )
        for each, column in zip(versions, columns, strict=True)
    ]


def _moving_lines(seen: _Seen) -> list[MovingLine]:
    numbers = {plan.id: plan.number for plan in seen.plans}
    lines = [_moving_line(seen, row, numbers.get(row.plan_id)) for row in seen.unsettled]
    told = {(row.pod_id, row.version) for row in seen.unsettled}
    for note in seen.fleet.notes.values():
        if note.version is not None and (note.pod_id, note.version) not in told:
            since = max(0.0, seen.now - (note.since or seen.now))
            action = next_actions.of_moving(note.pod_id, note.version, None, since)
            number = numbers.get(note.plan_id or "")
            lines.append(_let_go(note.pod_id, note.version, number, since, action))
    return sorted(lines, key=lambda line: (line.pod_id, line.version))


def _moving_line(seen: _Seen, row: Row[Any], number: int | None) -> MovingLine:
    state, age = EntryState(row.state), max(0.0, seen.now - row.heartbeat)
    return MovingLine(
        pod_id=row.pod_id,
        version=row.version,
        plan=number,
        state=state,
        stage=row.stage,
        route=row.route,
        rows_done=row.rows_done,
        rows_total=row.rows_total,
        rows_per_second=row.rate,
        eta_seconds=_eta(row),
        throttle_reason=row.throttle_reason,
        heartbeat_seconds=age,
        attempts=row.attempts,
        error=row.error,
        next_action=next_actions.of_moving(row.pod_id, row.version, state, age),
    )


def _let_go(pod_id: int, version: str, number: int | None, since: float, action: str) -> MovingLine:
    return MovingLine(pod_id, version, number, None, "", "", None, None, None, None, "", since, 0, "", action)


def _eta(row: Row[Any]) -> float | None:
    if row.state == EntryState.FAILED:
        return None
    return outlook.rows_seconds(row.rows_done, row.rows_total, row.rate)
