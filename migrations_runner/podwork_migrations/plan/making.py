"""A new plan: which versions it takes, and which pods in which wave.

Owns: `make`, `propose`. Promises: a version is in one plan that is not over at most, so that one plan says
who may go; made again over the same files while it is not over, it is the first one. Leaves to others: the
lock, and what becomes of it (`plans`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from podwork.points import reach
from podwork_migrations.migration import Migration
from podwork_migrations.plan import placing, rows, schema, store
from podwork_migrations.plan.errors import InvalidPlan, PlanConflict
from podwork_migrations.plan.fleet import Fleet
from podwork_migrations.plan.legs import legs_of
from podwork_migrations.plan.plan import Plan, Planned, PlanOptions
from podwork_migrations.plan.signing import digest
from podwork_migrations.plan.states import LIVE, PlanState
from podwork_migrations.plan.waves import split

_REMEDY = "let it end, or cancel it, and plan again"
_TAKING = [PlanState.DRAFT, *sorted(LIVE), PlanState.SUCCEEDED]


class Wanted(NamedTuple):
    """What a person asks for. `versions`, `pod_ids`: None means all that there are to plan."""

    migrations: Sequence[Migration]
    versions: Collection[str] | None
    pod_ids: Collection[int] | None
    options: PlanOptions
    evidence: Mapping[str, str]
    created_by: str
    purpose: str


class Proposal(NamedTuple):
    """What a plan would be. `waves`: of each pod, from 0 on. `blocked`: why pods are left out for now."""

    versions: Sequence[Planned]
    waves: Mapping[int, int]
    blocked: Mapping[int, str]
    options: PlanOptions

    @property
    def canary(self) -> int:
        """The pod that goes first."""
        return next(pod_id for pod_id, wave in self.waves.items() if wave == 0)


def propose(connection: Connection, wanted: Wanted, fleet: Fleet) -> Proposal:
    """Return what `make` would write, whatever other drafts there are; nothing is written.

    Raises:
        InvalidPlan: there is nothing to plan, or nobody could carry it out.
    """
    wanted.options.check()
    planned = _planned(wanted, _taken(connection))
    waves = _waves(wanted, planned, fleet)
    reasons = {pod_id: fleet.why_blocked(pod_id) for pod_id in waves}
    blocked = {pod_id: why for pod_id, why in reasons.items() if why is not None}
    return Proposal(planned, waves, blocked, wanted.options)


def make(connection: Connection, wanted: Wanted, fleet: Fleet, now: float) -> Plan:
    """Write a draft and return it; under the lock.

    Raises:
        InvalidPlan: there is nothing to plan, or nobody could carry it out.
        PlanConflict: another plan, which is not over, has one of the versions.
    """
    wanted.options.check()
    taken = _taken(connection)
    planned = _planned(wanted, taken)
    signed = digest(planned, wanted.evidence)
    for owner in (taken[each.version] for each in planned if each.version in taken):
        if owner.state is PlanState.SUCCEEDED:
            continue
        if owner.digest == signed:
            return owner
        raise PlanConflict(owner.number, f"it is {owner.state} and has some of these versions", _REMEDY)
    return _insert(connection, wanted, planned, signed, fleet, now)


def _insert(
    connection: Connection,
    wanted: Wanted,
    planned: Sequence[Planned],
    signed: str,
    fleet: Fleet,
    now: float,
) -> Plan:
    options = wanted.options
    waves = _waves(wanted, planned, fleet)
    number = store.next_number(connection)
    plan = Plan(
        id=f"plan-{number}-{signed[:12]}",
        number=number,
        state=PlanState.DRAFT,
        reason="",
        digest=signed,
        options=options,
        legs=1 + planned[-1].leg,
        waves=1 + max(waves.values()),
        created=now,
        created_by=wanted.created_by,
        purpose=wanted.purpose,
        evidence=dict(wanted.evidence),
    )
    rows.insert_plan(connection, plan, planned, placing.new(connection, plan.id, planned, waves, now))
    reach("plans.made")
    return plan


def _planned(wanted: Wanted, taken: Mapping[str, Plan]) -> list[Planned]:
    chosen = _chosen(wanted, taken)
    return [
        Planned.of(position, migration, leg)
        for position, (migration, leg) in enumerate(zip(chosen, legs_of(chosen), strict=True))
    ]


def _waves(wanted: Wanted, planned: Sequence[Planned], fleet: Fleet) -> dict[int, int]:
    pod_ids = sorted(fleet.states if wanted.pod_ids is None else set(wanted.pod_ids))
    _check_pods(pod_ids, fleet)
    free = [each for each in pod_ids if fleet.why_blocked(each) is None] or pod_ids
    # The first of those that the most versions are for: a canary that has nothing to do shows nothing.
    fullest = max(free, key=lambda pod_id: sum(each.is_for(pod_id) for each in planned))
    return split(pod_ids, wanted.options.canary or fullest, wanted.options.waves)


def _chosen(wanted: Wanted, taken: Mapping[str, Plan]) -> list[Migration]:
    if wanted.versions is not None:
        unknown = set(wanted.versions) - {each.version for each in wanted.migrations}
        if unknown:
            raise InvalidPlan(f"no file has {', '.join(sorted(unknown))}", "see: podctl migrations status")
        chosen = [each for each in wanted.migrations if each.version in wanted.versions]
    else:
        # Those of a draft too: made again, it is that draft, or says that another one is in the way.
        begun = {version for version, owner in taken.items() if _will_be_everywhere(owner)}
        chosen = [each for each in wanted.migrations if each.version not in begun]
    if not chosen:
        raise InvalidPlan(
            "there is nothing to plan", "every version is in a plan; see: podctl migrations status"
        )
    return sorted(chosen, key=lambda each: each.version)


def _check_pods(pod_ids: Sequence[int], fleet: Fleet) -> None:
    if not pod_ids:
        raise InvalidPlan("there are no pods", "add one first: podctl pods add")
    unknown = [pod_id for pod_id in pod_ids if pod_id not in fleet.states]
    if unknown:
        raise InvalidPlan(f"pod {unknown[0]} is not in the registry", "see: podctl pods list")


def _taken(connection: Connection) -> dict[str, Plan]:
    """Return the plan that has each version: one that is not over, else the latest."""
    plans = {plan.id: plan for plan in reversed(rows.plans_in(connection, _TAKING))}
    versions = schema.versions
    owners: dict[str, list[str]] = {plan_id: [] for plan_id in plans}
    query = select(versions.c.plan_id, versions.c.version).where(versions.c.plan_id.in_(list(plans)))
    for plan_id, version in connection.execute(query):
        owners[plan_id].append(version)
    found: dict[str, Plan] = {}
    for plan_id, plan in plans.items():
        for version in owners[plan_id]:
            if version not in found or found[version].state is PlanState.SUCCEEDED:
                found[version] = plan
    return found


def _will_be_everywhere(plan: Plan) -> bool:
    """Whether every pod has its versions, or will by itself."""
    is_for_all = plan.state is PlanState.SUCCEEDED and not plan.options.only_these_pods
    return is_for_all or plan.state.is_live
