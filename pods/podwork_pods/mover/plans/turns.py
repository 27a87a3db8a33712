"""The turns of plans: planned shops become moves when there is room.

Owns: `PlanTurns`, which the leader of each pod calls with its reconciler; `why_none_begins`. Promises: a move
begins in the transaction that notes it with its shop, under the lock of the directory's change log and of the
plan, after all has been counted again there: two leaders at a time begin no shop twice, and no more than
there is room for. Where nothing follows it only reads. A shop that somebody else moves waits; one that is not
where it was chosen is skipped, and told. Leaves to others: what a plan does next (`deciding`), and moving
(`mover`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, select

from podwork.points import reach
from podwork_pods.directory import changes, switch
from podwork_pods.mover.move import Move, Wanted
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.plans import rows
from podwork_pods.mover.plans.deciding import Decision, decide
from podwork_pods.mover.plans.plan import MovePlan
from podwork_pods.mover.plans.plans import enter
from podwork_pods.mover.plans.states import LIVE
from podwork_pods.mover.schema import moves
from podwork_pods.mover.states import MoveState
from podwork_pods.pod import Pod, PodState

ITSELF: Final = "the plan itself"
_LEAVING: Final = frozenset({PodState.ACTIVE, PodState.DRAINING})
_AT_REST: Final = (MoveState.REVERSIBLE, MoveState.PURGING)
"""In which a move is not over, and takes no place of another one."""
_LOOKED_AT: Final = 1_000


class Turn(NamedTuple):
    """A shop whose turn has come."""

    position: int
    shop_id: int
    from_pod: int
    to_pod: int


class PlanTurns:
    """Lets plans go on.

    Args:
        store: the moves. pods: gives the registry's pods as they are now.
        start: is told of each move that has begun; what it cannot do, the reconciler does later.
    """

    def __init__(
        self,
        store: Moves,
        pods: Callable[[], Sequence[Pod]],
        start: Callable[[Move], object] = lambda _: None,
    ) -> None:
        self._store = store
        self._pods = pods
        self._start = start

    def turn(self) -> int:
        """Look at every plan once; return how many moves have begun.

        Raises:
            DirectoryUnavailable, RegistryUnavailable: it cannot be reached.
        """
        directory = self._store.directory
        live = directory.read(lambda connection: rows.latest(connection, LIVE))[::-1]
        pods = self._pods() if live else ()
        due = [plan for plan in live if self._is_due(plan, pods)]
        begun: list[Move] = []
        for plan in due:
            begun += directory.write(partial(self._take, plan_id=plan.id, pods=pods))
        for move in begun:
            self._start(move)
        return len(begun)

    def _is_due(self, plan: MovePlan, pods: Sequence[Pod]) -> bool:
        """Whether something follows, as it looks without a lock."""
        decision, turns = self._store.directory.read(partial(_look, plan=plan, pods=pods))
        return decision.state is not None or bool(turns)

    def _take(self, connection: Connection, plan_id: int, pods: Sequence[Pod]) -> list[Move]:
        changes.lock(connection)
        plan = rows.get(connection, plan_id, locked=True)
        reach("plans.turn")
        decision, turns = _look(connection, plan, pods)
        now = self._store.directory.clock.now()
        if decision.state is not None:
            enter(connection, plan, decision.state, ITSELF, decision.reason, now)
        begun = [move for turn in turns if (move := self._begin(connection, plan, turn)) is not None]
        if begun and plan.begun is None:
            rows.change(connection, plan_id, begun=now)
        return begun

    def _begin(self, connection: Connection, plan: MovePlan, turn: Turn) -> Move | None:
        """Begin a shop's move and return it, or skip it."""
        route = switch.locate(connection, turn.shop_id)
        if route is None or route.pod_id != turn.from_pod:
            where = "there is no such shop" if route is None else f"it is on pod {route.pod_id}"
            why = f"{where}, no more on pod {turn.from_pod}"
            rows.note(connection, plan.id, turn.position, skipped=True, reason=why)
            return None
        wanted = Wanted(
            turn.shop_id,
            turn.to_pod,
            plan.wanted_by,
            f"plan {plan.id}: {plan.aim}",
            max_block_seconds=plan.options.max_block_seconds,
            grace_seconds=plan.options.grace_seconds,
        )
        move = self._store.plan_in(connection, wanted)
        rows.note(connection, plan.id, turn.position, move_id=move.id)
        return move


def _look(connection: Connection, plan: MovePlan, pods: Sequence[Pod]) -> tuple[Decision, list[Turn]]:
    """Return what the plan does next, and the shops whose turn it is."""
    decision = decide(plan, rows.standing(connection, plan))
    if not decision.room:
        return decision, []
    room = _room(connection, plan.options.per_pod)
    leaving = [pod.id for pod in pods if pod.state in _LEAVING and room(pod.id)]
    taking = [pod.id for pod in pods if pod.state is PodState.ACTIVE and room(pod.id)]
    query = rows.waiting(plan, decision.first)
    table = query.selected_columns
    query = query.where(table.from_pod.in_(leaving), table.to_pod.in_(taking)).limit(_LOOKED_AT)
    return decision, _chosen((Turn(*row) for row in connection.execute(query)), decision.room, room)


def _chosen(candidates: Iterable[Turn], most: int, room: Callable[[int], int]) -> list[Turn]:
    """Return those of the candidates that there is room for, first come, first served."""
    taken: Counter[int] = Counter()
    chosen: list[Turn] = []
    for turn in candidates:
        if len(chosen) == most:
            break
        ends = (turn.from_pod, turn.to_pod)
        if all(taken[pod_id] < room(pod_id) for pod_id in ends):
            taken.update(ends)
            chosen.append(turn)
    return chosen


def _room(connection: Connection, per_pod: int) -> Callable[[int], int]:
    """Return what says how many moves a pod has room for, whoever wanted those that are under way."""
    by = (moves.c.home_pod, moves.c.away_pod)
    query = select(*by, func.count()).where(moves.c.open_shop.is_not(None), moves.c.state.not_in(_AT_REST))
    used: Counter[int] = Counter()
    for home, away, count in connection.execute(query.group_by(*by)):
        used[home] += count
        used[away] += count
    return lambda pod_id: max(0, per_pod - used[pod_id])


def why_none_begins(connection: Connection, plan: MovePlan, pods: Sequence[Pod]) -> str:
    """Say for people why no shop begins, though some wait; "": one does, or as many as may are under way."""
    decision, turns = _look(connection, plan, pods)
    if turns or not decision.room or not rows.standing(connection, plan).waiting:
        return ""
    ways = rows.ways_waited_for(connection, plan, decision.first)
    if not ways:
        return _elsewhere(rows.moved_elsewhere(connection, plan, decision.first))
    states, room = {pod.id: pod.state for pod in pods}, _room(connection, plan.options.per_pod)

    def why_not(pod_id: int, wanted: Collection[PodState], otherwise: str) -> str:
        if pod_id not in states:
            return f"pod {pod_id}, which is not in the registry"
        if states[pod_id] not in wanted:
            return f"pod {pod_id}, which is {states[pod_id]}: {otherwise}"
        most = plan.options.per_pod
        return "" if room(pod_id) else f"pod {pod_id}, which has as many moves under way as may be: {most}"

    said = [why_not(from_pod, _LEAVING, "no shop leaves it") for from_pod, _ in ways]
    said += [why_not(to_pod, (PodState.ACTIVE,), "it takes no shops") for _, to_pod in ways]
    return "; ".join(dict.fromkeys(filter(None, said)))


def _elsewhere(found: Sequence[tuple[int, int, MoveState]]) -> str:
    """Say what is waited for when all shops that might begin have begun, or have another move."""
    if not found:
        return "the canary, which has to arrive first"
    shop_id, move_id, state = found[0]
    one = f"move {move_id} of shop {shop_id}, which is {state}"
    return one if len(found) == 1 else f"{one}, and {len(found) - 1} more that are not over"
