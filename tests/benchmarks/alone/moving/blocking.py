"""How long a shop's writers stand still when it changes pods, as they see it.

A writer commits in a closed loop; what it is blocked for is its longest gap between two acknowledged commits
that touches the time from the pause of jobs to the open fence and `AFTERWARDS_SECONDS` more. Each pair of
moves goes there, with a copy, and back without one. The shop has jobs that wait, and a run of an iteration
job that a worker holds when the cut-over begins, so that it has to be stopped first. A gap contains whatever
else the machine did; nothing is taken off.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from podwork.errors import PodworkError
from podwork.iteration.states import RunState
from podwork_pods.mover.move import Move
from podwork_pods.mover.states import MoveState
from tests.benchmarks.alone.moving import shop
from tests.benchmarks.alone.moving.pods import PATIENCE_SECONDS, MovePods
from tests.benchmarks.alone.moving.writer import SHORT_SECONDS
from tests.benchmarks.harness.conversation import Conversation
from tests.benchmarks.harness.measured import Figures, percentile
from tests.benchmarks.harness.tree import Tree, wait

WAITING_JOBS: Final = 500
AFTERWARDS_SECONDS: Final = 0.25


class Leg(NamedTuple):
    """One change of pods: from the pause of jobs to the open fence by the clock, and what `fenced` took."""

    began: float
    ended: float
    fenced_ms: float


def measure(
    pods: MovePods, mover: Conversation, shop_id: int, lines: int, moves: int, name: str = ""
) -> Figures:
    """Measure so many moves, there and back. Raises Trouble."""
    shop.waits.enqueue_bulk([{"shop_id": shop_id, "number": n} for n in range(WAITING_JOBS)])
    legs: list[Leg] = []
    gaps: list[tuple[float, float]] = []
    with pods.workers() as workers, pods.program("writer", shop_id, lines, 0) as writer:
        writer.ask(PATIENCE_SECONDS)
        shopping = _Shopping(pods, workers, shop_id)
        for _ in range(-(-moves // 2)):
            pods.forget_logs()
            shopping.await_run()
            move = pods.bring(mover, pods.plan(shop_id), MoveState.REVERSIBLE)
            legs.append(_leg(pods, move, 1))
            shopping.await_run()
            pods.orders.reverse(move.id, "the bench", "back again")
            pods.bring(mover, move, MoveState.REVERSED)
            legs.append(_leg(pods, move, 2))
            gaps += (tuple(gap) for gap in writer.ask(PATIENCE_SECONDS)["gaps"])
        shopping.end_run()
    blocked = sorted(_longest_ms(gaps, leg) for leg in legs)
    fenced = sorted(leg.fenced_ms for leg in legs)
    prefix = f"move_blocked{name}"
    return {
        f"{prefix}_p50_ms": percentile(blocked, 50),
        f"{prefix}_p99_ms": percentile(blocked, 99),
        f"{prefix}_fenced_to_switched_p50_ms": percentile(fenced, 50),
        f"{prefix}_moves": len(blocked),
    }


class _Shopping:
    """The shop's run, wherever it is."""

    def __init__(self, pods: MovePods, workers: Mapping[int, Tree], shop_id: int) -> None:
        self._pods = pods
        self._workers = workers
        self._shop_id = shop_id
        self._run_id = ""

    def await_run(self) -> None:
        """Wait until a worker holds a run of the shop's; begin another one when the last one is over."""
        pod_id = self._pod_id()
        wait(lambda: self._is_held(pod_id), self._workers[pod_id], PATIENCE_SECONDS, "a run of the shop")

    def end_run(self) -> None:
        """Cancel the run, so that it is in nobody's way."""
        pod_id = self._pod_id()
        runs = self._pods.platform.topology.iteration_shard(pod_id).runs

        def is_over() -> bool:
            run = runs.get(self._run_id)
            return run is None or run.state.is_over

        if not is_over():
            with suppress(PodworkError):  # it has just come to its end
                self._pods.platform.runs(pod_id).cancel(self._run_id)
        wait(is_over, self._workers[pod_id], PATIENCE_SECONDS, "the run of the shop to end")

    def _pod_id(self) -> int:
        return self._pods.platform.directory.locate(self._shop_id).pod_id

    def _is_held(self, pod_id: int) -> bool:
        shard = self._pods.platform.topology.iteration_shard(pod_id)
        run: Any = shard.runs.get(self._run_id) if self._run_id else None
        if not self._run_id or (run is not None and run.state.is_over):
            self._run_id = shop.GoOver.enqueue(shop_id=self._shop_id)
            return False
        parts = shard.partitions.of(self._run_id) if run is not None else []
        return bool(parts) and run.state is RunState.RUNNING and any(part.owner for part in parts)


def _leg(pods: MovePods, move: Move, number: int) -> Leg:
    """Read from the move's log when its latest leg was where."""
    events = pods.moves.events(move.id)
    back_at = next((event.at for event in events if event.after == MoveState.REVERSING), 0.0)
    entered: dict[str, float] = {}
    for event in events:
        if number == 1 or event.at >= back_at:
            entered.setdefault(event.after, event.at)
    fenced_ms = 1000 * (entered[MoveState.SWITCHED] - entered[MoveState.FENCED])
    return Leg(entered[MoveState.PAUSING_JOBS], entered[MoveState.OPEN] + AFTERWARDS_SECONDS, fenced_ms)


def _longest_ms(gaps: list[tuple[float, float]], leg: Leg) -> float:
    """Return the longest gap that touches the leg; shorter ones are not told by the writer."""
    touching = [ended - began for began, ended in gaps if ended >= leg.began and began <= leg.ended]
    return 1000 * max(touching, default=SHORT_SECONDS)
