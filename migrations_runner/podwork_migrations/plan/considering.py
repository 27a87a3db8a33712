"""A pod's question, considered: what was read, and the answer that follows.

Owns: `Question`, `Considered`, `consider`. Reads only, so that it can be asked without a lock (is it worth
taking?) and again under it (is it so?). A version that stands in several plans is the live one's, else the
latest's that has the pod. Leaves to others: writing (`deciding`), the reasons (`judging`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection

from podwork_migrations.gate import Go, Wait
from podwork_migrations.migration import Migration
from podwork_migrations.plan import judging, moving, placing, reports, rows
from podwork_migrations.plan.fleet import Fleet
from podwork_migrations.plan.plan import Placement, Plan, Planned, PodNote
from podwork_migrations.plan.states import PlacementState
from podwork_pods.pod import Pod

WATCHED_PODS: Final = 20
"""Of a plan's pods so many are looked at for alarms: those that began last, and the canary."""


class Question(NamedTuple):
    """May this pod begin this migration? Asked under an epoch of its line, with nothing open there."""

    pod_id: int
    migration: Migration
    epoch: int
    pods: Sequence[Pod]


class Considered(NamedTuple):
    """What was found.

    Attributes:
        answer: what follows. note: of the pod; `is_unknown`: it has no row yet.
        before, plan: the plan as it stands, and as it is when it has moved on; None: none has the version.
        joining: pods that the plan should have, and has not. begun: those that alarms are to look at.
    """

    answer: Go | Wait
    note: PodNote
    is_unknown: bool
    before: Plan | None = None
    plan: Plan | None = None
    joining: Sequence[int] = ()
    begun: Sequence[int] = ()

    @property
    def moves(self) -> bool:
        """Whether something of the plan is to be written, whatever the answer."""
        return self.plan != self.before or bool(self.joining)


def consider(connection: Connection, asked: Question, now: float) -> Considered:
    """Return what is so at this moment."""
    fleet = Fleet.of(asked.pods, rows.notes(connection))
    note, is_unknown = fleet.note(asked.pod_id), asked.pod_id not in fleet.notes
    why = f"no plan has {asked.migration.id}"
    for plan, planned in rows.plans_with(connection, asked.migration.version):
        placed = rows.placements_of(connection, plan.id)
        joining = placing.joining(plan, placed, fleet.states, asked.pod_id)
        if asked.pod_id in placed or asked.pod_id in joining:
            after, answer = _consider(connection, asked, plan, planned, placed, fleet, now)
            return Considered(answer, note, is_unknown, plan, after, joining, _begun(placed, fleet))
        why = f"plan {plan.number} is not for pod {asked.pod_id}"
    return Considered(Wait(why, others_may=True), note, is_unknown)


def _begun(placed: Mapping[int, Placement], fleet: Fleet) -> list[int]:
    """Return the canary and those that began last; not pods that are down, or gone: they do not answer."""
    blocked = fleet.blocked(placed)
    begun = [each for each in placed.values() if each.started is not None and each.pod_id not in blocked]
    latest = sorted(begun, key=lambda each: (each.wave == 0, each.started), reverse=True)
    return sorted(each.pod_id for each in latest[:WATCHED_PODS])


def not_applied(connection: Connection, versions: Collection[str], fleet: Fleet) -> dict[str, list[int]]:
    """Return the pods that have yet to apply each of the versions; only those that some have."""
    for_pods = rows.pods_of_versions(connection, versions)
    return judging.not_applied(for_pods, reports.told(connection, versions), fleet)


def _consider(
    connection: Connection,
    asked: Question,
    plan: Plan,
    planned: Planned,
    placed: dict[int, Placement],
    fleet: Fleet,
    now: float,
) -> tuple[Plan, Go | Wait]:
    """Return the plan when it has moved on, and the answer."""
    if asked.pod_id not in placed:  # it is about to join
        last = plan.waves - 1
        placed[asked.pod_id] = Placement(plan.id, asked.pod_id, last, PlacementState.WAITING, 0)
    if plan.state.is_live:
        plan = moving.advance(plan, placed, fleet.blocked(placed), now)
    missing = _unfinalized(connection, planned, fleet) if plan.state in judging.MAY_GO else []
    case = judging.Case(asked.pod_id, asked.migration, plan, planned, placed, fleet, missing)
    return plan, judging.refusal(case) or Go(plan.id, placed[asked.pod_id].wave)


def _unfinalized(connection: Connection, planned: Planned, fleet: Fleet) -> list[str]:
    if not planned.finalizes:
        return []
    return judging.unfinalized(not_applied(connection, planned.finalizes, fleet))
