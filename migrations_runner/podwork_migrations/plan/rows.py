"""Plans, their versions and their pods as rows.

Owns: reading and writing them. Leaves to others: the transaction (`store`) and what is right to write.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, Select, bindparam, case, func, insert, or_, select, update

from podwork_migrations.plan import schema
from podwork_migrations.plan.errors import UnknownPlan
from podwork_migrations.plan.plan import Placement, Plan, Planned, PlanOptions, PodNote
from podwork_migrations.plan.states import LIVE, PlacementState, PlanState

_PLANS = schema.plans
_VERSIONS = schema.versions
_PLACEMENTS = schema.placements
_PODS = schema.pods

_encode = msgspec.json.Encoder().encode
_options = msgspec.json.Decoder(PlanOptions).decode
_evidence = msgspec.json.Decoder(dict[str, str]).decode
_texts = msgspec.json.Decoder(tuple[str, ...]).decode
_numbers = msgspec.json.Decoder(tuple[int, ...]).decode

_TEXT_CHARACTERS: Final = 4_000
_NAME_CHARACTERS: Final = 255
# Without the cells, which are long, and which few decisions need.
_BRIEFLY: Final = [column for column in _PLACEMENTS.c if column.name != "cells"]

# Written once: to build them takes longer than to run them.
_PLANS_WITH: Final[Select[Any]] = (
    select(_PLANS, *(column.label(f"v_{column.name}") for column in _VERSIONS.c))
    .join_from(_PLANS, _VERSIONS, _VERSIONS.c.plan_id == _PLANS.c.id)
    .where(_VERSIONS.c.version == bindparam("asked"), _PLANS.c.state != PlanState.CANCELLED)
    .order_by(_PLANS.c.number.desc())
)
_OF_PLAN: Final = _PLACEMENTS.c.plan_id == bindparam("of_plan")
_PLACED: Final[Select[Any]] = select(*_BRIEFLY).where(_OF_PLAN).order_by(_PLACEMENTS.c.pod_id)
_PLACED_WITH_CELLS: Final[Select[Any]] = select(_PLACEMENTS).where(_OF_PLAN).order_by(_PLACEMENTS.c.pod_id)
_PLACEMENT: Final[Select[Any]] = select(_PLACEMENTS).where(
    _OF_PLAN, _PLACEMENTS.c.pod_id == bindparam("of_pod")
)
_NOTES: Final[Select[Any]] = select(_PODS)


def clipped(text: str, characters: int = _TEXT_CHARACTERS) -> str:
    """Return a text as its column takes it: an error must not fail for its own length."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def insert_plan(
    connection: Connection, plan: Plan, planned: Sequence[Planned], placed: Sequence[Placement]
) -> None:
    """Write a new plan with its versions and pods."""
    row = {column.name: getattr(plan, column.name, None) for column in _PLANS.c}
    row |= {
        "settings": _encode(plan.options).decode(),
        "evidence": _encode(plan.evidence).decode(),
        "created_by": clipped(plan.created_by, _NAME_CHARACTERS),
        "purpose": clipped(plan.purpose),
    }
    connection.execute(insert(_PLANS).values(row))
    connection.execute(insert(_VERSIONS), [_version_row(plan.id, each) for each in planned])
    insert_placements(connection, placed)


def insert_placements(connection: Connection, placed: Sequence[Placement]) -> None:
    """Write pods of a plan that it did not have."""
    if placed:
        rows = [{column.name: getattr(each, column.name) for column in _PLACEMENTS.c} for each in placed]
        connection.execute(insert(_PLACEMENTS), rows)


def update_plan(connection: Connection, plan: Plan) -> None:
    """Write how a plan stands."""
    changes: dict[str, Any] = {
        name: getattr(plan, name) for name in ("state", "leg", "wave", "soak_until", "started", "ended")
    }
    changes |= {"reason": clipped(plan.reason), "settings": _encode(plan.options).decode()}
    connection.execute(update(_PLANS).where(_PLANS.c.id == plan.id).values(changes))


def update_placement(connection: Connection, placement: Placement) -> None:
    """Write how far a pod is with a plan."""
    this = (_PLACEMENTS.c.plan_id == placement.plan_id, _PLACEMENTS.c.pod_id == placement.pod_id)
    names = ("wave", "state", "legs_done", "cells", "started", "ended")
    changes = {name: getattr(placement, name) for name in names}
    connection.execute(update(_PLACEMENTS).where(*this).values(changes | {"error": clipped(placement.error)}))


def plan_of(connection: Connection, number: int) -> Plan:
    """Return the plan of a number. Raises UnknownPlan."""
    row = connection.execute(select(_PLANS).where(_PLANS.c.number == number)).first()
    if row is None:
        raise UnknownPlan(number)
    return read_plan(row)


def plans_in(connection: Connection, states: Collection[PlanState]) -> list[Plan]:
    """Return the plans in these states, the latest first."""
    query = select(_PLANS).where(_PLANS.c.state.in_(states)).order_by(_PLANS.c.number.desc())
    return [read_plan(row) for row in connection.execute(query)]


def latest(connection: Connection, limit: int) -> list[Plan]:
    """Return the latest plans, the latest first."""
    query = select(_PLANS).order_by(_PLANS.c.number.desc()).limit(limit)
    return [read_plan(row) for row in connection.execute(query)]


def recent(connection: Connection, limit: int, number: int | None) -> list[Plan]:
    """Return the latest plans, those under way, and the one of a number. Raises UnknownPlan."""
    last = select(_PLANS.c.number).order_by(_PLANS.c.number.desc()).limit(limit).subquery()
    first = select(func.min(last.c.number)).scalar_subquery()
    wanted = or_(_PLANS.c.number >= first, _PLANS.c.state.in_(sorted(LIVE)), _PLANS.c.number == number)
    found = [
        read_plan(row)
        for row in connection.execute(select(_PLANS).where(wanted).order_by(_PLANS.c.number.desc()))
    ]
    if number is not None and all(plan.number != number for plan in found):
        raise UnknownPlan(number)
    return found


def plans_with(connection: Connection, version: str) -> list[tuple[Plan, Planned]]:
    """Return the plans that have a version and were not cancelled: live ones first, then the latest."""
    rows = connection.execute(_PLANS_WITH, {"asked": version})
    found = [(read_plan(row), _planned(row, "v_")) for row in rows]
    return sorted(found, key=lambda pair: not pair[0].state.is_live)


def versions_of(connection: Connection, plan_ids: Iterable[str]) -> dict[str, list[Planned]]:
    """Return the versions of each plan, in order."""
    found: dict[str, list[Planned]] = {plan_id: [] for plan_id in plan_ids}
    query = select(_VERSIONS).where(_VERSIONS.c.plan_id.in_(list(found)))
    for row in connection.execute(query.order_by(_VERSIONS.c.plan_id, _VERSIONS.c.position)):
        found[row.plan_id].append(_planned(row))
    return found


def pods_of_versions(connection: Connection, wanted: Collection[str]) -> dict[str, tuple[int, ...] | None]:
    """Return for which pods each version is, as the latest plan says that has it; None: for all."""
    found: dict[str, tuple[int, ...] | None] = dict.fromkeys(wanted)
    query = select(_VERSIONS.c.version, _VERSIONS.c.pods).join_from(
        _VERSIONS, _PLANS, _PLANS.c.id == _VERSIONS.c.plan_id
    )
    query = query.where(_VERSIONS.c.version.in_(list(found)), _PLANS.c.state != PlanState.CANCELLED)
    for version, pods in connection.execute(query.order_by(_PLANS.c.number)):
        found[version] = None if pods is None else _numbers(pods)
    return found


def legs_of(connection: Connection, plan_id: str) -> list[int]:
    """Return the leg of each version of a plan, in order."""
    query = select(_VERSIONS.c.leg).where(_VERSIONS.c.plan_id == plan_id).order_by(_VERSIONS.c.position)
    return list(connection.execute(query).scalars())


def placements_of(connection: Connection, plan_id: str, *, cells: bool = False) -> dict[int, Placement]:
    """Return the pods of a plan."""
    query = _PLACED_WITH_CELLS if cells else _PLACED
    return {row.pod_id: read_placement(row) for row in connection.execute(query, {"of_plan": plan_id})}


def placements_of_all(
    connection: Connection, plan_ids: Collection[str], with_cells: str | None
) -> dict[str, dict[int, Placement]]:
    """Return the pods of each plan; with their cells for one of the plans."""
    found: dict[str, dict[int, Placement]] = {plan_id: {} for plan_id in plan_ids}
    cells = case((_PLACEMENTS.c.plan_id == with_cells, _PLACEMENTS.c.cells), else_="").label("cells")
    query: Select[Any] = select(*_BRIEFLY, cells).where(_PLACEMENTS.c.plan_id.in_(list(found)))
    for row in connection.execute(query):
        found[row.plan_id][row.pod_id] = read_placement(row)
    return found


def count_versions(connection: Connection, plan_ids: Collection[str]) -> dict[str, int]:
    """Return how many versions each plan has."""
    query = select(_VERSIONS.c.plan_id, func.count()).where(_VERSIONS.c.plan_id.in_(list(plan_ids)))
    return {row[0]: row[1] for row in connection.execute(query.group_by(_VERSIONS.c.plan_id))}


def placement_of(connection: Connection, plan_id: str, pod_id: int) -> Placement | None:
    """Return a pod of a plan, with its cells; None: the plan does not have it."""
    row = connection.execute(_PLACEMENT, {"of_plan": plan_id, "of_pod": pod_id}).first()
    return None if row is None else read_placement(row)


def notes(connection: Connection) -> dict[int, PodNote]:
    """Return what is known of each pod."""
    return {row.pod_id: PodNote(*row) for row in connection.execute(_NOTES)}


def write_note(connection: Connection, note: PodNote, *, is_new: bool) -> None:
    """Write what is known of a pod; under the lock, so that nobody else makes the row meanwhile."""
    values = note._asdict()
    if is_new:
        connection.execute(insert(_PODS).values(values))
    else:
        connection.execute(update(_PODS).where(_PODS.c.pod_id == note.pod_id).values(values))


def read_plan(row: Row[Any]) -> Plan:
    """Return the plan in a row."""
    return Plan(
        row.id,
        row.number,
        PlanState(row.state),
        row.reason,
        row.digest,
        _options(row.settings),
        row.legs,
        row.waves,
        row.created,
        row.created_by,
        row.purpose,
        row.leg,
        row.wave,
        row.soak_until,
        row.started,
        row.ended,
        _evidence(row.evidence),
    )


def read_placement(row: Row[Any]) -> Placement:
    """Return the placement in a row."""
    read = Placement(
        row.plan_id,
        row.pod_id,
        row.wave,
        PlacementState(row.state),
        row.legs_done,
        row.started,
        row.ended,
        row.error,
    )
    return replace(read, cells=row.cells) if hasattr(row, "cells") else read


def _planned(row: Row[Any], prefix: str = "") -> Planned:
    def of(name: str) -> Any:
        return getattr(row, prefix + name)

    pods = of("pods")
    return Planned(
        of("position"),
        of("version"),
        of("name"),
        of("kind"),
        of("checksum"),
        of("leg"),
        _texts(of("finalizes")),
        None if pods is None else _numbers(pods),
    )


def _version_row(plan_id: str, planned: Planned) -> dict[str, Any]:
    return planned._asdict() | {
        "plan_id": plan_id,
        "finalizes": _encode(planned.finalizes).decode(),
        "pods": None if planned.pods is None else _encode(planned.pods).decode(),
    }
