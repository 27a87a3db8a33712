"""Pods in a plan: which join it, and how far each is, from what it reported.

Owns: `joining`, `join`, `refresh`, `begin_anew`, `mark`. Promises: how far a pod is follows from its reports
alone, so that a plan over versions that some pods have applied already knows it; a pod that is added to the
fleet joins the last wave of the plan that is under way, and any earlier one as soon as it asks. Leaves to
others: the lock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from podwork_migrations.ledger.entry import Entry
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.plan import reports, rows
from podwork_migrations.plan.cells import Cell, cell_of, legs_done, state_of
from podwork_migrations.plan.plan import Placement, Plan, Planned
from podwork_migrations.plan.states import PlacementState, PlanState


def joining(plan: Plan, placed: Collection[int], fleet: Collection[int], asking: int) -> list[int]:
    """Return the pods of the fleet that the plan should have, and has not."""
    if plan.options.only_these_pods:
        return []
    if plan.state.is_live:
        return [pod_id for pod_id in fleet if pod_id not in placed]
    is_late = plan.state is PlanState.SUCCEEDED and asking not in placed
    return [asking] if is_late and asking in fleet else []


def join(connection: Connection, plan: Plan, pod_ids: Sequence[int], now: float) -> dict[int, Placement]:
    """Give a plan further pods, in its last wave, and return them."""
    waves = dict.fromkeys(pod_ids, plan.waves - 1)
    made = new(connection, plan.id, rows.versions_of(connection, [plan.id])[plan.id], waves, now)
    rows.insert_placements(connection, made)
    return {each.pod_id: each for each in made}


def new(
    connection: Connection, plan_id: str, planned: Sequence[Planned], waves: Mapping[int, int], now: float
) -> list[Placement]:
    """Return what pods are in a plan, as far as they reported before; nothing is written."""
    told = reports.between(connection, planned[0].version, planned[-1].version, waves)
    legs = [each.leg for each in planned]
    made = []
    for pod_id, wave in waves.items():
        cells = "".join(_cell(each, pod_id, told[pod_id]) for each in planned)
        empty = Placement(plan_id, pod_id, wave, PlacementState.WAITING, 0)
        made.append(_as_of(empty, cells, legs, now, ""))
    return made


def refresh(connection: Connection, plan: Plan, now: float) -> None:
    """Make every pod's cells again."""
    placed = rows.placements_of(connection, plan.id, cells=True)
    waves = {pod_id: each.wave for pod_id, each in placed.items()}
    for each in new(connection, plan.id, rows.versions_of(connection, [plan.id])[plan.id], waves, now):
        if each.cells != placed[each.pod_id].cells:
            rows.update_placement(connection, each)


def begin_anew(connection: Connection, plan_id: str, pod_id: int, now: float) -> None:
    """Make a pod's cells again of what it has reported since, if anything."""
    placement = rows.placement_of(connection, plan_id, pod_id)
    assert placement is not None
    planned = rows.versions_of(connection, [plan_id])[plan_id]
    [made] = new(connection, plan_id, planned, {pod_id: placement.wave}, now)
    rows.update_placement(connection, made)


def mark(connection: Connection, plan: Plan, planned: Planned, pod_id: int, entry: Entry, now: float) -> bool:
    """Write what a pod reported into its cells; return whether the plan has the pod."""
    placement = rows.placement_of(connection, plan.id, pod_id)
    if placement is None:
        return False
    cell = cell_of(entry.state, entry.checksum, planned.checksum)
    cells = placement.cells[: planned.position] + cell + placement.cells[planned.position + 1 :]
    legs = rows.legs_of(connection, plan.id)
    rows.update_placement(connection, _as_of(placement, cells, legs, now, entry.error))
    return True


def _cell(planned: Planned, pod_id: int, told: Mapping[str, tuple[EntryState, str]]) -> str:
    if not planned.is_for(pod_id):
        return Cell.ELSEWHERE
    found = told.get(planned.version)
    if found is None:
        return Cell.PENDING
    state, checksum = found
    return cell_of(state, checksum, planned.checksum)


def _as_of(placement: Placement, cells: str, legs: Sequence[int], now: float, error: str) -> Placement:
    state = state_of(cells)
    has_begun = bool(set(cells) - {Cell.PENDING, Cell.ELSEWHERE})
    is_failed, is_done = state is PlacementState.FAILED, state is PlacementState.DONE
    return replace(
        placement,
        cells=cells,
        state=state,
        legs_done=legs_done(cells, legs),
        started=placement.started if placement.started is not None or not has_begun else now,
        ended=(placement.ended if placement.ended is not None else now) if is_done else None,
        error=(error or placement.error) if is_failed else "",
    )
