"""A move that waits in preflight for what passes by itself: on paper, and as preflight puts it together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from podwork_pods.mover.crossing import Found
from podwork_pods.mover.joined import looking
from podwork_pods.mover.joined.looking import MovePreflight, Obstacle
from podwork_pods.mover.mover import Ending
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.resting import REST_SECONDS
from podwork_pods.mover.states import MoveState
from podwork_pods.mover.tables import blockers, catalogue
from podwork_pods.pod import Pod
from tests.support.move_paper import PaperStand, Side, paper_stand

S = MoveState
UNDER_WAY = "migration 1_a is running on pod 2, of plan 3"


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[PaperStand]:
    made = paper_stand(tmp_path)
    yield made
    made.close()


@pytest.fixture
def founds(monkeypatch: pytest.MonkeyPatch) -> list[Found]:
    """What is found next, look after look; then nothing is."""
    made: list[Found] = []

    def look(side: Side) -> Found:
        side.paper.call("look")
        return made.pop(0) if made else Found((), {"tables": ["rows"]})

    monkeypatch.setattr(Side, "look", look)
    return made


def test_a_move_waits_for_what_passes_by_itself_and_goes_on(stand: PaperStand, founds: list[Found]) -> None:
    founds += [Found((), {}, [UNDER_WAY])] * 2
    for _ in range(2):
        turn = stand.turn()
        assert (turn.ending, turn.state, turn.reason) == (Ending.RESTS, S.PREFLIGHT, UNDER_WAY)
        assert turn.rest_seconds == REST_SECONDS[S.PREFLIGHT]
        move = stand.now()
        assert (move.throttle_reason, move.owner) == (UNDER_WAY, "")
    assert stand.paper.calls == ["look", "look"], "nothing is changed meanwhile"
    assert stand.turn().state is S.REVERSIBLE
    assert stand.check().throttle_reason != UNDER_WAY


def test_it_says_what_it_waits_for_also_while_it_looks_again(
    stand: PaperStand, founds: list[Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    founds += [Found((), {}, [UNDER_WAY])] * 2
    stand.turn()
    look, said = Side.look, []

    def looked(side: Side) -> Found:
        said.append(stand.now().throttle_reason)
        return look(side)

    monkeypatch.setattr(Side, "look", looked)
    stand.turn()
    assert said == [UNDER_WAY]


def test_what_does_not_pass_ends_the_move_also_beside_what_does(
    stand: PaperStand, founds: list[Found]
) -> None:
    founds.append(Found(["a run - let it end"], {}, [UNDER_WAY]))
    turn = stand.turn()
    assert (turn.ending, turn.state, turn.reason) == (Ending.OVER, S.ABORTED, "a run - let it end")


def test_a_move_that_waits_is_given_up_when_a_person_says_so(stand: PaperStand, founds: list[Found]) -> None:
    founds.append(Found((), {}, [UNDER_WAY]))
    stand.turn()
    stand.orders.abort(stand.move.id, "anna", "not tonight")
    assert stand.turn().state is S.ABORTED
    stand.check()


# What preflight finds


class Shards:
    """Shards whose tables differ, or do not; `seen`: what a further look sees, look after look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs: list[str] = []
        self.seen: list[list[Obstacle]] = []
        self.differing: list[str] = []
        self.asked: list[str] = []
        monkeypatch.setattr(looking, "reader", lambda _engine: SimpleNamespace(connect=_Nothing))
        monkeypatch.setattr(blockers, "find", self._find)
        monkeypatch.setattr(catalogue, "facts_of", lambda _c: SimpleNamespace(dialect="mysql"))
        monkeypatch.setattr(catalogue, "compose", lambda *_: ())
        monkeypatch.setattr(looking, "size_of", lambda *_: ())

    def look(self) -> Found:
        nothing: Any = None
        return MovePreflight(
            Passage(1, 7, 1, 2, 1, 1, 1),
            nothing,
            lambda pod_id: Pod(pod_id, "sqlite:///a", "redis://a"),
            lambda _pod_id: nothing,
            SimpleNamespace(in_the_way=lambda: self.runs),  # type: ignore[arg-type]  # all that is asked of it
            [self._look_further],
        ).look()

    def _look_further(self, _passage: Passage) -> Sequence[Obstacle]:
        self.asked.append("further")
        return self.seen.pop(0) if self.seen else []

    def _find(self, *_: object) -> Sequence[Any]:
        self.asked.append("tables")
        return [SimpleNamespace(what=what, remedy="migrate") for what in self.differing]


class _Nothing:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def shards(monkeypatch: pytest.MonkeyPatch) -> Shards:
    return Shards(monkeypatch)


def test_tables_are_looked_at_when_what_passes_has_passed(shards: Shards) -> None:
    shards.differing = ["orders differs"]
    shards.seen = [[Obstacle(UNDER_WAY, passes=True)]]
    assert shards.look() == ([], {}, [UNDER_WAY])
    assert shards.asked == ["further"]
    assert shards.look() == (["orders differs - migrate"], {}, [])


def test_what_begins_while_tables_are_looked_at_is_waited_for(shards: Shards) -> None:
    shards.differing = ["orders differs"]
    shards.seen = [[], [Obstacle(UNDER_WAY, passes=True)]]
    assert shards.look() == ([], {}, [UNDER_WAY])
    assert shards.asked == ["further", "tables", "further"]


def test_what_a_person_has_to_end_is_named_beside_it(shards: Shards) -> None:
    shards.runs = ["run 5 - let it end"]
    shards.seen = [[Obstacle(UNDER_WAY, passes=True), Obstacle("migration 1_b - let a plan bring it")]]
    assert shards.look() == (["run 5 - let it end", "migration 1_b - let a plan bring it"], {}, [UNDER_WAY])


def test_when_nothing_is_in_the_way_tables_are_looked_at_once(shards: Shards) -> None:
    assert shards.look() == ((), {"tables": {}}, ())
    assert shards.asked == ["further", "tables"]
