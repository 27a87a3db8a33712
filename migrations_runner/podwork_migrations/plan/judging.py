"""Whether a pod may begin a migration, as one list of reasons against it.

Owns: `refusal`. Promises: the answer follows from what was read under the lock, and from nothing else. Leaves
to others: reading it, and what is written then (`gate`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from podwork_migrations.gate import Wait
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.migration import Migration
from podwork_migrations.plan import moving
from podwork_migrations.plan.fleet import Fleet
from podwork_migrations.plan.halting import named
from podwork_migrations.plan.plan import Placement, Plan, Planned
from podwork_migrations.plan.states import PlanState

MAY_GO = (PlanState.RUNNING, PlanState.SUCCEEDED)


class Case(NamedTuple):
    """What a judgement goes by. `missing`: what it finalizes, and is not applied everywhere."""

    pod_id: int
    migration: Migration
    plan: Plan
    planned: Planned
    placed: Mapping[int, Placement]
    fleet: Fleet
    missing: Sequence[str]


def refusal(case: Case) -> Wait | None:
    """Return why the pod may not begin the migration now; None: it may."""
    return next(_reasons(case), None)


def _reasons(case: Case) -> Iterator[Wait]:
    pod_id, plan, planned, fleet = case.pod_id, case.plan, case.planned, case.fleet
    why_blocked = fleet.why_blocked(pod_id)
    if why_blocked is not None:
        yield Wait(f"pod {pod_id} takes no migrations: {why_blocked}")
    if not planned.is_for(pod_id):
        yield Wait(f"{planned.id} is not for pod {pod_id}", others_may=True)
    if case.migration.checksum != planned.checksum:
        yield Wait(f"the file of {planned.id} here is not the one that plan {plan.number} was signed over")
    if plan.state not in MAY_GO:
        yield Wait(f"plan {plan.number} is {plan.state}" + (f": {plan.reason}" if plan.reason else ""))
    if not _is_open(plan, planned, case.placed[pod_id]):
        yield Wait(_closed(case))
    if case.missing:
        yield Wait(f"{planned.id} finalizes {'; '.join(case.missing)}")
    if fleet.places_of_others(pod_id) >= plan.options.max_migrating_pods:
        yield Wait(f"{plan.options.max_migrating_pods} pods migrate already, as many as may")


def not_applied(
    finalizes: Mapping[str, tuple[int, ...] | None],
    told: Mapping[str, Mapping[int, EntryState]],
    fleet: Fleet,
) -> dict[str, list[int]]:
    """Return the pods of the fleet that have not applied what has to be applied on all of them.

    `finalizes`: each version with the pods that it is for (None: all). `told`: the pods that reported it.
    Skipped is not applied: whoever finalizes it relies on what it did.
    """
    found = {}
    for version, only in finalizes.items():
        wanted = [pod_id for pod_id in fleet.states if only is None or pod_id in only]
        states = told.get(version, {})
        found[version] = [pod_id for pod_id in wanted if states.get(pod_id) is not EntryState.APPLIED]
    return {version: missing for version, missing in found.items() if missing}


def unfinalized(missing: Mapping[str, Sequence[int]]) -> list[str]:
    """Say what `not_applied` found."""
    return [
        f"{version}, which {named(pod_ids)} {'has' if len(pod_ids) == 1 else 'have'} not applied"
        for version, pod_ids in missing.items()
    ]


def _is_open(plan: Plan, planned: Planned, placement: Placement) -> bool:
    return planned.leg < plan.leg or (planned.leg == plan.leg and placement.wave <= plan.wave)


def _closed(case: Case) -> str:
    plan, placed = case.plan, case.placed
    waiting_for = [each.pod_id for each in moving.unfinished(plan, placed, case.fleet.blocked(placed))]
    behind = f"{named(waiting_for)} of the open waves not done" if waiting_for else "the canary is blocked"
    leg = f" of leg {case.planned.leg + 1}" if plan.legs > 1 else ""
    return f"plan {plan.number}: wave {placed[case.pod_id].wave}{leg} is not open: {behind}"
