"""What a plan of moves says of itself: why none of its shops begins, and what each shop waits for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import update

from podwork_pods.directory import Directory
from podwork_pods.mover import schema
from podwork_pods.mover.move import Wanted
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.orders import MoveOrders
from podwork_pods.mover.plans.plan import MovePlan, PlannedShop, PlanOptions, Stage
from podwork_pods.mover.plans.plans import MovePlans
from podwork_pods.mover.plans.selection import Choice
from podwork_pods.mover.plans.turns import PlanTurns, why_none_begins
from podwork_pods.mover.states import MoveState
from podwork_pods.pod import Pod, PodState

S = MoveState


class Stand:
    """Ten shops on pod 1, and pods 2 and 3."""

    def __init__(self, url: str) -> None:
        self.directory = Directory(url)
        self.moves = Moves(self.directory)
        self.moves.prepare()
        self.plans = MovePlans(self.directory)
        self.states = dict.fromkeys((1, 2, 3), PodState.ACTIVE)
        self.turns = PlanTurns(self.moves, self.pods)
        self.directory.assign_many(dict.fromkeys(range(1, 11), 1))

    def pods(self) -> Sequence[Pod]:
        return [Pod(number, "sqlite:///a", "redis://a", state) for number, state in self.states.items()]

    def make(self, ways: Sequence[tuple[int, int]] = ((1, 2), (2, 3)), **options: Any) -> MovePlan:
        choices = [Choice(shop_id, 1, to_pod, 1) for shop_id, to_pod in ways]
        return self.plans.make(choices, PlanOptions(**options), aim="pod 1 is left", by="anna")

    def why(self, plan: MovePlan) -> str:
        return self.directory.read(lambda connection: why_none_begins(connection, plan, self.pods()))

    def change(self, shop: PlannedShop, **values: Any) -> None:
        changed = update(schema.moves).where(schema.moves.c.id == shop.move_id).values(values)
        self.directory.write(lambda connection: connection.execute(changed))

    def shop(self, plan: MovePlan, position: int) -> PlannedShop:
        return self.plans.shops(plan.id)[position]


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    made = Stand(str(request.getfixturevalue(f"{request.param}_url")))
    yield made
    made.directory.close()


def test_what_goes_on_waits_for_nothing(stand: Stand) -> None:
    plan = stand.make(canary=0.0, concurrency=1)
    assert stand.why(plan) == "", "one begins next"
    stand.turns.turn()
    assert stand.why(plan) == "", "as many as may are under way"


def test_a_pod_that_lets_none_go_or_takes_none_is_named(stand: Stand) -> None:
    plan = stand.make(canary=0.0)
    stand.states |= {2: PodState.DRAINING, 3: PodState.DOWN}
    assert stand.why(plan) == (
        "pod 2, which is draining: it takes no shops; pod 3, which is down: it takes no shops"
    )
    del stand.states[3]
    stand.states[1] = PodState.FROZEN
    assert stand.why(plan).startswith("pod 1, which is frozen: no shop leaves it; pod 2, which is draining")
    assert stand.why(plan).endswith("; pod 3, which is not in the registry")
    stand.states = dict.fromkeys((1, 2, 3), PodState.ACTIVE)
    assert stand.why(plan) == ""


def test_a_pod_without_room_is_named(stand: Stand) -> None:
    plan = stand.make(canary=0.0, per_pod=1)
    stand.turns.turn()
    assert stand.why(plan) == "pod 1, which has as many moves under way as may be: 1"


def test_the_canary_and_the_moves_of_others_are_waited_for(stand: Stand) -> None:
    plan = stand.make([(number, 2) for number in (1, 2, 3)], canary=0.3, per_pod=9)
    stand.turns.turn()
    assert stand.why(plan) == "the canary, which has to arrive first"
    stand.change(stand.shop(plan, 0), state=S.REVERSIBLE)
    move = stand.moves.plan(Wanted(2, 3, "bert"))
    assert stand.why(plan) == "", "there is another one"
    stand.moves.plan(Wanted(3, 3, "bert"))
    others = f"move {move.id} of shop 2, which is planned, and 1 more that are not over"
    assert stand.why(plan) == others
    assert stand.plans.moving([2, 3, 4]) == [2, 3]


def test_a_shop_says_what_it_waits_for_or_why_it_was_given_up(stand: Stand) -> None:
    plan = stand.make([(number, 2) for number in (1, 2, 3, 4)], canary=0.0, per_pod=9)
    stand.turns.turn()
    stand.change(stand.shop(plan, 0), state=S.ABORTED, open_shop=None, reason="a key clashes - renumber")
    stand.change(stand.shop(plan, 1), state=S.READY, throttle_reason="plan 1 is paused: night")
    third = stand.shop(plan, 2)
    assert third.move_id is not None
    MoveOrders(stand.moves).hold(third.move_id, "anna", "a sale is on")
    stand.change(stand.shop(plan, 3), reason="its turn has come")
    assert [(shop.stage, shop.why) for shop in stand.plans.shops(plan.id)] == [
        (Stage.FAILED, "a key clashes - renumber"),
        (Stage.UNDER_WAY, "plan 1 is paused: night"),
        (Stage.UNDER_WAY, "held: a sale is on"),
        (Stage.UNDER_WAY, ""),
    ]
