"""Watching the demo's move: what is counted when, how long writes stood still, and a move that stands."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from podwork_ops.demo import largest_shop
from podwork_ops.demo.errors import Stalled, WorkerEnded
from podwork_ops.demo.report import ShopMove
from podwork_pods.mover.states import MoveState

TIMES = {MoveState.PLANNED: 100.0, MoveState.FENCED: 101.5, MoveState.OPEN: 101.75, MoveState.DONE: 103.0}


class Move(SimpleNamespace):
    """A move's row, as far as it is looked at."""

    def __init__(self, state: MoveState, **fields: Any) -> None:
        known: dict[str, Any] = {
            "id": 1,
            "shop_id": 367,
            "home_pod": 1,
            "away_pod": 2,
            "throttle_reason": "",
            "reason": "as its log says",
            "times": {name: at for name, at in TIMES.items() if _reached(state, name)},
            "found": {"tables": {"orders": {"rows": 30}, "order_lines": {"rows": 300}}},
        }
        super().__init__(state=state, **{**known, **fields})


def _reached(state: MoveState, name: MoveState) -> bool:
    way = list(largest_shop.WORDS)
    return state is not MoveState.ABORTED and way.index(name) <= way.index(state)


class Pods:
    """Both pods: each look finds the next jobs on the target, and then the next state; the last one stays."""

    def __init__(self, *looks: tuple[int, MoveState]) -> None:
        self._looks = list(looks)
        self.moves = SimpleNamespace(store=SimpleNamespace(get=self._get))

    def store(self, pod_id: int) -> SimpleNamespace:
        assert pod_id == 2
        return SimpleNamespace(command=lambda *_command: self._looks[0][0])

    def _get(self, _move_id: int) -> Move:
        return Move((self._looks.pop(0) if len(self._looks) > 1 else self._looks[0])[1])


class Watched:
    """A monitor and a line that remember what they were told."""

    logs = Path("logs")

    def __init__(self) -> None:
        self.emptied_seconds = {1: 0.5}
        self.words: list[str] = []

    def look_beside(self, progress: Any) -> None:
        progress(7)

    def reach(self, _done: int, words: str) -> None:
        self.words.append(words)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(largest_shop, "POLL_SECONDS", 0.001)


def watch(pods: Pods, watched: Watched) -> ShopMove:
    parts = cast(Any, (pods, watched, watched, Move(MoveState.PLANNED)))
    return largest_shop._Watch(*parts).to_the_end(lambda _unfinished: None)


def test_jobs_that_are_behind_the_closed_gate_went_along_and_later_ones_do_not_count() -> None:
    watched = Watched()
    moved = watch(
        Pods(
            (0, MoveState.COPYING),
            (40, MoveState.PAUSING_JOBS),
            (55, MoveState.FENCED),
            (99, MoveState.SWITCHED),
            (80, MoveState.PURGING),
            (0, MoveState.DONE),
        ),
        watched,
    )
    assert (moved.jobs, moved.rows, moved.state) == (55, 330, "done")
    assert moved.blocked_seconds == 0.25
    assert watched.words == [
        "copies its rows",
        "brings its jobs",
        "writes stand still",
        "has moved",
        "deletes the old rows",
        "is there for good",
    ]
    assert watched.emptied_seconds == {}, "a pod that was empty may have got jobs"


def test_a_move_that_gave_up_is_no_error_here_and_a_problem_in_the_report() -> None:
    moved = watch(Pods((0, MoveState.ABORTING), (0, MoveState.ABORTED)), Watched())
    assert moved.blocked_seconds == 0.0
    assert list(moved.problems()) == ["shop 367 did not move to pod 2: aborted, as its log says"]


def test_a_move_that_stands_is_named_with_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(largest_shop, "STALL_SECONDS", 0.05)
    with pytest.raises(Stalled, match="move 1, copying: nobody says why"):
        watch(Pods(*[(0, MoveState.COPYING)] * 400, (0, MoveState.ABORTED)), Watched())


def test_a_worker_that_ended_meanwhile_ends_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_beside(_self: Watched, _progress: Any) -> None:
        raise WorkerEnded(2, 3, Path("worker.log"), "port is taken")

    monkeypatch.setattr(Watched, "look_beside", look_beside)
    with pytest.raises(WorkerEnded):
        watch(Pods((0, MoveState.COPYING)), Watched())
