"""Reading and writing the rows of plans of moves, on a connection.

Owns: the statements. Leaves to others: transactions, locks and decisions (`plans`, `turns`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, case, func, insert, select, update

from podwork_pods.mover.events import NAME_CHARACTERS, clipped
from podwork_pods.mover.plans import schema
from podwork_pods.mover.plans.errors import UnknownMovePlan
from podwork_pods.mover.plans.plan import MovePlan, PlannedShop, Stage, Standing, read_plan, stage_of
from podwork_pods.mover.plans.selection import Choice
from podwork_pods.mover.plans.states import PlanState
from podwork_pods.mover.schema import moves
from podwork_pods.mover.states import MoveState

_INSERT_ROWS: Final = 1_000

_PLANS, _SHOPS = schema.plans, schema.shops
_JOINED = _SHOPS.outerjoin(moves, moves.c.id == _SHOPS.c.move_id)
_WHYS = (moves.c.reason.label("move_reason"), moves.c.throttle_reason, moves.c.held, moves.c.held_reason)


class PlanEvent(NamedTuple):
    """A line of a plan's log. `before` is '' for the one that made it."""

    at: float
    who: str
    why: str
    before: str
    after: str


def get(connection: Connection, plan_id: int, *, locked: bool = False) -> MovePlan:
    """Return the plan; `locked`: nobody else changes it until the commit. Raises UnknownMovePlan."""
    query = select(_PLANS).where(_PLANS.c.id == plan_id)
    row = connection.execute(query.with_for_update() if locked else query).first()
    if row is None:
        raise UnknownMovePlan(plan_id)
    return read_plan(row)


def latest(
    connection: Connection, states: Collection[PlanState] | None = None, limit: int | None = None
) -> list[MovePlan]:
    """Return plans, the latest first."""
    query = select(_PLANS).order_by(_PLANS.c.id.desc()).limit(limit)
    if states is not None:
        query = query.where(_PLANS.c.state.in_(states))
    return [read_plan(row) for row in connection.execute(query)]


def of_move(connection: Connection, move_id: int) -> MovePlan | None:
    """Return the plan that began a move; None: a person did."""
    query = select(_PLANS).join(_SHOPS, _SHOPS.c.plan_id == _PLANS.c.id).where(_SHOPS.c.move_id == move_id)
    row = connection.execute(query).first()
    return None if row is None else read_plan(row)


def add(connection: Connection, values: Mapping[str, Any], choices: Sequence[Choice]) -> int:
    """Write a new plan and its shops, in their order; return its number."""
    key = connection.execute(insert(_PLANS).values(values)).inserted_primary_key
    assert key is not None
    plan_id = int(key[0])
    lines = [
        {"plan_id": plan_id, "position": position, "skipped": False, "reason": "", **choice._asdict()}
        for position, choice in enumerate(choices)
    ]
    for first in range(0, len(lines), _INSERT_ROWS):
        connection.execute(insert(_SHOPS), lines[first : first + _INSERT_ROWS])
    return plan_id


def change(connection: Connection, plan_id: int, **values: Any) -> None:
    """Change columns of a plan, which has to be locked."""
    connection.execute(update(_PLANS).where(_PLANS.c.id == plan_id).values(values))


def note(connection: Connection, plan_id: int, position: int, **values: Any) -> None:
    """Change columns of a shop; the plan has to be locked."""
    of_shop = (_SHOPS.c.plan_id == plan_id) & (_SHOPS.c.position == position)
    connection.execute(update(_SHOPS).where(of_shop).values(values))


def standing(connection: Connection, plan: MovePlan) -> Standing:
    """Count a plan's shops by how they stand."""
    is_canary = case((_SHOPS.c.position < plan.canary_shops, 1), else_=0)
    by = (_SHOPS.c.skipped, moves.c.state, moves.c.leg, is_canary)
    query = select(*by, func.count()).select_from(_JOINED).where(_SHOPS.c.plan_id == plan.id).group_by(*by)
    counts: Counter[str] = Counter()
    for skipped, state, leg, first, count in connection.execute(query):
        stage = _stage(skipped, state, leg)
        counts[stage] += count
        if not first:
            counts["others_begun"] += count if state is not None else 0
        elif stage in (Stage.WAITING, Stage.UNDER_WAY):
            counts["canary_left"] += count
        elif stage is Stage.FAILED:
            counts["canary_failed"] += count
    return Standing(**counts)


def shops(
    connection: Connection, plan_id: int, *, after: int = -1, limit: int | None = None
) -> list[PlannedShop]:
    """Return a plan's shops behind a position, in their order, each with where its move is."""
    query = (
        select(*_SHOPS.c, moves.c.state, moves.c.leg, *_WHYS)
        .select_from(_JOINED)
        .where(_SHOPS.c.plan_id == plan_id, _SHOPS.c.position > after)
        .order_by(_SHOPS.c.position)
        .limit(limit)
    )
    return [
        PlannedShop(
            *(row.position, row.shop_id, row.from_pod, row.to_pod, row.load, row.move_id),
            None if row.state is None else MoveState(row.state),
            _stage(row.skipped, row.state, row.leg),
            row.reason or _why(row),
        )
        for row in connection.execute(query)
    ]


def waiting(plan: MovePlan, first: int) -> Select[Any]:
    """Return a query for the first so many shops of a plan whose turn has not come and which nobody moves."""
    moving = select(moves.c.id).where(moves.c.open_shop == _SHOPS.c.shop_id).exists()
    return (
        select(_SHOPS.c.position, _SHOPS.c.shop_id, _SHOPS.c.from_pod, _SHOPS.c.to_pod)
        .where(_SHOPS.c.plan_id == plan.id, _SHOPS.c.move_id.is_(None), _SHOPS.c.skipped.is_(False))
        .where(_SHOPS.c.position < first, ~moving)
        .order_by(_SHOPS.c.position)
    )


def ways_waited_for(connection: Connection, plan: MovePlan, first: int) -> list[tuple[int, int]]:
    """Return from which pods to which others those shops go that `waiting` is about."""
    queried = waiting(plan, first).order_by(None).subquery()
    ways = select(queried.c.from_pod, queried.c.to_pod).distinct()
    return sorted((row.from_pod, row.to_pod) for row in connection.execute(ways))


def moved_elsewhere(connection: Connection, plan: MovePlan, first: int) -> list[tuple[int, int, MoveState]]:
    """Return the first so many shops that wait because they have a move: shop, move, and its state."""
    query = (
        select(_SHOPS.c.shop_id, moves.c.id, moves.c.state)
        .join(moves, moves.c.open_shop == _SHOPS.c.shop_id)
        .where(_SHOPS.c.plan_id == plan.id, _SHOPS.c.position < first)
        .where(_SHOPS.c.move_id.is_(None), _SHOPS.c.skipped.is_(False))
        .order_by(_SHOPS.c.position)
    )
    return [(shop, move, MoveState(state)) for shop, move, state in connection.execute(query)]


def moving(connection: Connection) -> set[int]:
    """Return the shops that have a move which is not over."""
    return set(connection.execute(select(moves.c.open_shop).where(moves.c.open_shop.is_not(None))).scalars())


def tell(
    connection: Connection, plan_id: int, *, at: float, who: str, why: str, before: str, after: str
) -> None:
    """Write a line of a plan's log, in the transaction of the change that it tells of."""
    line = PlanEvent(at, clipped(who, NAME_CHARACTERS), clipped(why), before, after)
    connection.execute(insert(schema.events).values(plan_id=plan_id, **line._asdict()))


def events(connection: Connection, plan_id: int) -> list[PlanEvent]:
    """Return the lines of a plan's log, in order."""
    table = schema.events
    columns = [table.c[name] for name in PlanEvent._fields]
    query = select(*columns).where(table.c.plan_id == plan_id).order_by(table.c.seq)
    return [PlanEvent(*row) for row in connection.execute(query)]


def _stage(skipped: object, state: str | None, leg: int | None) -> Stage:
    return stage_of(None if state is None else MoveState(state), leg or 1, is_skipped=bool(skipped))


def _why(row: Any) -> str:
    """Say of a shop whose move has begun why it was given up, or what it waits for."""
    if row.state is None:
        return ""
    if _stage(row.skipped, row.state, row.leg) is Stage.FAILED:
        return str(row.move_reason)
    return f"held: {row.held_reason}" if row.held else str(row.throttle_reason)
