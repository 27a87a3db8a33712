"""Plans of moves as the directory's database keeps them, on SQLite and MariaDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, Executable, update

from podwork.settings import ShardSettings
from podwork.testing.clock import VirtualClock
from podwork_pods.directory import Directory
from podwork_pods.mover import schema
from podwork_pods.mover.move import Move, Wanted
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.orders import MoveOrders
from podwork_pods.mover.plans import rows
from podwork_pods.mover.plans.bandwidth import BURST_SECONDS, Bandwidth
from podwork_pods.mover.plans.errors import InvalidMovePlan, MovePlanConflict, UnknownMovePlan
from podwork_pods.mover.plans.holding import why_it_waits
from podwork_pods.mover.plans.plan import MovePlan, PlanOptions, Stage
from podwork_pods.mover.plans.plans import MovePlans
from podwork_pods.mover.plans.selection import Choice
from podwork_pods.mover.plans.states import PlanState
from podwork_pods.mover.plans.turns import PlanTurns
from podwork_pods.mover.states import MoveState
from podwork_pods.pod import Pod, PodState
from tests.support.iteration_stand import at_once
from tests.support.move_paper import SHOP, A, B, paper_stand
from tests.support.pause import hold
from tests.support.pods import waits_for_a_lock
from tests.support.wait import until

FRIDAY_NOON = 1_796_385_600.0  # 2026-12-04T12:00:00Z
P, S = PlanState, MoveState


class PlansStand:
    """Forty shops on pod 1, and pods 2 and 3."""

    def __init__(self, url: str) -> None:
        self.clock = VirtualClock(FRIDAY_NOON)
        self.url = url
        self.directory = Directory(url, ShardSettings(pool_size=10, lock_wait_seconds=20), clock=self.clock)
        self.moves = Moves(self.directory)
        self.moves.prepare()
        self.plans = MovePlans(self.directory)
        self.states = dict.fromkeys((1, 2, 3), PodState.ACTIVE)
        self.turns = PlanTurns(self.moves, self.pods)
        self.directory.assign_many(dict.fromkeys(range(1, 41), 1))

    def pods(self) -> Sequence[Pod]:
        return [Pod(number, "sqlite:///a", "redis://a", state) for number, state in self.states.items()]

    def make(self, shops: Sequence[int] = range(1, 41), to_pod: int = 2, **options: object) -> MovePlan:
        choices = [Choice(shop_id, 1, to_pod, 1) for shop_id in shops]
        return self.plans.make(choices, PlanOptions(**options), aim="pod 1 is left", by="anna")  # type: ignore[arg-type]

    def put(self, plan: MovePlan, state: MoveState, most: int = 100, leg: int = 1) -> None:
        """Put the plan's moves that are under way into a state, past the table."""
        begun = [shop for shop in self.plans.shops(plan.id) if shop.stage is Stage.UNDER_WAY][:most]
        for shop in begun:
            ended = {"open_shop": None} if state.is_over else {}
            change = update(schema.moves).where(schema.moves.c.id == shop.move_id)
            change = change.values(state=state, leg=leg, **ended)
            self.directory.write(partial(_execute, change=change))

    def begun(self, plan: MovePlan) -> list[int]:
        return [shop.shop_id for shop in self.plans.shops(plan.id) if shop.move_id is not None]

    def state(self, plan: MovePlan) -> PlanState:
        return self.plans.get(plan.id).state


def _execute(connection: Connection, change: Executable) -> None:
    connection.execute(change)


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest) -> Iterator[PlansStand]:
    made = PlansStand(str(request.getfixturevalue(f"{request.param}_url")))
    yield made
    made.directory.close()


# Turns


def test_planned_shops_become_moves_as_the_plan_says(stand: PlansStand) -> None:
    plan = stand.make([5, 3], grace_seconds=60.0, max_block_seconds=2.0, canary=0.0)
    assert (plan.state, plan.shops, plan.canary_shops, plan.begun) == (P.RUNNING, 2, 0, None)
    assert stand.turns.turn() == 2
    first, second = stand.plans.shops(plan.id)
    assert (first.shop_id, second.shop_id, first.stage) == (5, 3, Stage.UNDER_WAY), (
        "in the order of the choice"
    )
    assert first.move_id is not None
    move = stand.moves.get(first.move_id)
    assert (move.shop_id, move.home_pod, move.away_pod, move.state) == (5, 1, 2, S.PLANNED)
    assert (move.grace_seconds, move.max_block_seconds, move.held) == (60.0, 2.0, False)
    assert move.wanted_by == "anna"
    assert stand.moves.events(move.id)[0].why == f"plan {plan.id}: pod 1 is left"
    assert stand.plans.get(plan.id).begun == FRIDAY_NOON
    assert stand.turns.turn() == 0, "nothing is left"
    stand.put(plan, S.REVERSIBLE)
    assert stand.turns.turn() == 0
    ended = stand.plans.get(plan.id)
    assert (ended.state, ended.reason, ended.ended) == (P.ENDED, "2 arrived", FRIDAY_NOON)
    assert [(event.who, event.after) for event in stand.plans.events(plan.id)] == [
        ("anna", "running"),
        ("the plan itself", "ended"),
    ]


def test_a_move_that_begins_is_told_of_when_it_is_committed(stand: PlansStand) -> None:
    told: list[tuple[int, MoveState]] = []

    def start(move: Move) -> None:
        told.append((move.shop_id, Moves(stand.directory).get(move.id).state))
        if len(told) == 2:
            raise RuntimeError("its pod does not answer")

    plan = stand.make([5, 3, 99], concurrency=2, canary=0.0)
    with pytest.raises(RuntimeError):
        PlanTurns(stand.moves, stand.pods, start).turn()
    assert told == [(5, S.PLANNED), (3, S.PLANNED)]
    assert stand.begun(plan) == [5, 3], "they have begun all the same"
    stand.put(plan, S.REVERSIBLE)
    assert PlanTurns(stand.moves, stand.pods, start).turn() == 0, "there is no such shop"
    assert len(told) == 2


def test_only_so_many_are_under_way_at_once(stand: PlansStand) -> None:
    plan = stand.make(concurrency=3, per_pod=100, canary=0.0)
    assert stand.turns.turn() == 3
    assert stand.turns.turn() == 0
    stand.put(plan, S.READY)
    assert stand.turns.turn() == 0, "they are under way still"
    stand.put(plan, S.REVERSIBLE, most=2)
    assert stand.turns.turn() == 2
    assert stand.begun(plan) == [1, 2, 3, 4, 5]


def test_a_pod_has_only_so_many_whoever_wants_them(stand: PlansStand) -> None:
    stand.directory.assign_many({50: 3, 51: 3, 52: 3})
    alone = stand.moves.plan(Wanted(50, 2, "bert"))
    first = stand.make(range(1, 11), concurrency=100, per_pod=2, canary=0.0)
    assert stand.turns.turn() == 1, "pod 2 has one already"
    choices = [Choice(51, 3, 2, 1), Choice(52, 3, 1, 1)]
    other = stand.plans.make(choices, PlanOptions(per_pod=2, canary=0.0), aim="x", by="bert")
    assert stand.turns.turn() == 1, "the one to pod 2 is passed over"
    assert stand.begun(other) == [52]
    MoveOrders(stand.moves).abort(alone.id, "bert", "x")
    change = update(schema.moves).where(schema.moves.c.id == alone.id)
    stand.directory.write(lambda c: c.execute(change.values(state=S.ABORTED, open_shop=None)))
    stand.put(first, S.REVERSIBLE)
    stand.put(other, S.PURGING)
    assert stand.turns.turn() == 2
    assert (stand.begun(first), stand.begun(other)) == ([1, 2, 3], [52]), "the first plan goes first"


def test_a_thousand_shops_that_cannot_go_hide_no_other(stand: PlansStand) -> None:
    stand.states[2] = PodState.DRAINING
    shops = [Choice(shop_id, 1, 2, 1) for shop_id in range(1, 40)] + [Choice(40, 1, 3, 1)]
    plan = stand.plans.make(shops, PlanOptions(canary=0.0), aim="x", by="anna")
    assert stand.turns.turn() == 1
    assert stand.begun(plan) == [40], "pod 2 takes none"
    stand.states |= {1: PodState.FROZEN, 2: PodState.ACTIVE}
    assert stand.turns.turn() == 0, "pod 1 lets none go"
    stand.states[1] = PodState.DRAINING
    assert stand.turns.turn() == 1, "one place of pod 1 is taken"


def test_two_leaders_at_a_time_begin_no_shop_twice(stand: PlansStand) -> None:
    plan = stand.make(concurrency=5, per_pod=100, canary=0.0)
    leaders = [PlanTurns(Moves(stand.directory), stand.pods) for _ in range(4)]
    assert sum(at_once(*(leader.turn for leader in leaders))) == 5
    assert stand.begun(plan) == [1, 2, 3, 4, 5]
    assert len(stand.moves.page()) == 5


def test_a_leader_that_comes_second_counts_again(stand: PlansStand) -> None:
    if stand.url.startswith("sqlite"):
        pytest.skip("one writer at a time")
    plan = stand.make(concurrency=5, per_pod=100, canary=0.0)
    begun: list[object] = []
    with hold("plans.turn") as held:
        other = PlanTurns(Moves(stand.directory), stand.pods)
        run = partial(at_once, stand.turns.turn, other.turn, partial(_release, stand, held.go_on))
        begun = run()
    assert sorted(begun[:2]) == [0, 5]  # type: ignore[type-var]
    assert len(stand.begun(plan)) == 5


def _release(stand: PlansStand, go_on: Callable[[], None]) -> None:
    until(lambda: waits_for_a_lock(stand.url), 20, "the second leader waits for the first")
    go_on()


def test_a_shop_that_somebody_moves_waits_and_one_that_went_elsewhere_is_skipped(stand: PlansStand) -> None:
    busy = stand.moves.plan(Wanted(1, 3, "bert"))
    stand.directory.compare_and_set(2, stand.directory.locate(2), 3)
    stand.directory.compare_and_set(3, stand.directory.locate(3), 2)
    plan = stand.make([1, 2, 3, 4], concurrency=100, per_pod=100, canary=0.0)
    assert stand.turns.turn() == 1
    shops = stand.plans.shops(plan.id)
    assert [shop.stage for shop in shops] == [Stage.WAITING, Stage.SKIPPED, Stage.SKIPPED, Stage.UNDER_WAY]
    assert [shop.why for shop in shops[1:3]] == [
        "it is on pod 3, no more on pod 1",
        "it is on pod 2, no more on pod 1",
    ]
    change = update(schema.moves).where(schema.moves.c.id == busy.id)
    stand.directory.write(lambda c: c.execute(change.values(state=S.ABORTED, open_shop=None)))
    assert stand.turns.turn() == 1, "its turn has come"


# Canary and halting


def test_the_rest_waits_until_the_canary_has_arrived(stand: PlansStand) -> None:
    plan = stand.make(canary=0.05, concurrency=100, per_pod=100)
    assert plan.canary_shops == 2
    assert stand.turns.turn() == 2
    assert stand.turns.turn() == 0
    stand.put(plan, S.REVERSIBLE, most=1)
    assert stand.turns.turn() == 0, "the other one is under way"
    stand.put(plan, S.REVERSIBLE)
    assert stand.turns.turn() == 38


def test_an_aborted_canary_halts_and_a_person_lets_it_go_on(stand: PlansStand) -> None:
    plan = stand.make(canary=0.05, concurrency=100, per_pod=100)
    stand.turns.turn()
    stand.put(plan, S.ABORTING, most=1)
    assert stand.turns.turn() == 0
    halted = stand.plans.get(plan.id)
    assert (halted.state, halted.reason) == (
        P.HALTED,
        "1 of 2 canary shops was given up or taken back",
    )
    stand.put(plan, S.REVERSIBLE)
    assert stand.turns.turn() == 0, "it has halted"
    assert stand.plans.resume(plan.id, "anna", "known").forgiven == 1
    assert stand.turns.turn() == 38
    assert [event.after for event in stand.plans.events(plan.id)] == ["running", "halted", "running"]


def test_more_than_one_and_more_than_a_twentieth_halt_it(stand: PlansStand) -> None:
    plan = stand.make(concurrency=10, per_pod=100, canary=0.0)
    stand.turns.turn()
    stand.put(plan, S.ABORTED, most=2)
    assert stand.turns.turn() == 2, "two of forty are a twentieth, no more"
    stand.put(plan, S.REVERSED, most=1, leg=2)
    assert stand.turns.turn() == 0
    assert stand.plans.get(plan.id).reason == "3 of 40 shops were given up or taken back"


# Orders


def test_a_paused_plan_begins_nothing_and_cuts_nothing_over(stand: PlansStand) -> None:
    plan = stand.make(concurrency=2, per_pod=100, canary=0.0)
    stand.turns.turn()
    move = stand.moves.page()[0]
    assert why_it_waits(stand.directory, move) == ""
    paused = stand.plans.pause(plan.id, "anna", "incident 42")
    assert (paused.state, paused.reason) == (P.PAUSED, "incident 42")
    stand.put(plan, S.REVERSIBLE)
    assert stand.turns.turn() == 0
    assert why_it_waits(stand.directory, move) == f"plan {plan.id} is paused: incident 42"
    stand.plans.resume(plan.id, "bert", "it is over")
    assert why_it_waits(stand.directory, move) == ""
    assert stand.turns.turn() == 2
    events = [(event.who, event.before, event.after, event.why) for event in stand.plans.events(plan.id)]
    assert events[1:] == [
        ("anna", "running", "paused", "incident 42"),
        ("bert", "paused", "running", "it is over"),
    ]


def test_orders_that_make_no_sense_are_refused(stand: PlansStand) -> None:
    plan = stand.make([1, 2])
    with pytest.raises(MovePlanConflict, match="it is running - there is nothing to resume"):
        stand.plans.resume(plan.id, "anna", "x")
    stand.plans.pause(plan.id, "anna", "x")
    with pytest.raises(MovePlanConflict, match="it is paused already"):
        stand.plans.pause(plan.id, "anna", "x")
    assert MovePlans(stand.directory, dry_run=True).cancel(plan.id, "anna", "x").state is P.CANCELLED
    assert stand.state(plan) is P.PAUSED, "it was tried only"
    assert stand.plans.cancel(plan.id, "anna", "x").ended == FRIDAY_NOON
    for order in (stand.plans.pause, stand.plans.resume, stand.plans.cancel):
        with pytest.raises(MovePlanConflict, match="it is cancelled"):
            order(plan.id, "anna", "x")
        with pytest.raises(UnknownMovePlan):
            order(424242, "anna", "x")
    assert stand.turns.turn() == 0
    assert stand.plans.live() == []


def test_what_is_no_plan_is_refused(stand: PlansStand) -> None:
    with pytest.raises(InvalidMovePlan, match="there is nothing to move"):
        stand.make([])
    with pytest.raises(InvalidMovePlan, match="a shop is named twice"):
        stand.make([1, 2, 1])
    with pytest.raises(InvalidMovePlan, match="shop 1 is on pod 1"):
        stand.make([1], to_pod=1)
    with pytest.raises(InvalidMovePlan, match="0 is no concurrency"):
        stand.make([1], concurrency=0)
    assert stand.plans.latest() == []


def test_plans_are_listed_with_how_far_they_are(stand: PlansStand) -> None:
    first, second = stand.make([1, 2, 3], concurrency=2, canary=0.0), stand.make([4], canary=0.0)
    stand.turns.turn()
    stand.put(first, S.DONE, most=1)
    [(latest, of_latest), (earlier, of_earlier)] = stand.plans.latest()
    assert (latest.id, earlier.id) == (second.id, first.id)
    assert (of_earlier.done, of_earlier.under_way, of_earlier.waiting) == (1, 1, 1)
    assert (of_latest.waiting, of_latest.canary_left) == (1, 0)
    assert [plan.id for plan, _ in stand.plans.latest(1)] == [second.id]


# Freezes


def test_no_cut_over_begins_in_a_freeze(stand: PlansStand) -> None:
    plan = stand.make([1], freezes=("Fri 18:00-Mon 08:00 Europe/Paris",), canary=0.0)
    stand.turns.turn()
    [move] = stand.moves.page()
    alone = stand.moves.plan(Wanted(2, 2, "bert"))
    assert why_it_waits(stand.directory, move) == ""
    stand.clock.advance(6 * 3600)
    assert why_it_waits(stand.directory, move) == (
        "the freeze Fri 18:00-Mon 08:00 Europe/Paris lasts until 2026-12-07 07:00 UTC"
    )
    assert why_it_waits(stand.directory, alone) == "", "it is of no plan"
    stand.put(plan, S.REVERSING, leg=2)
    assert why_it_waits(stand.directory, stand.moves.get(move.id)) == "", "who wants it back has a reason"


def test_a_mover_waits_where_it_is_ready_until_its_plan_lets_it(tmp_path: Path) -> None:
    stand = paper_stand(tmp_path)
    plans = MovePlans(stand.directory)
    plan = plans.make([Choice(SHOP, A, B, 1)], PlanOptions(), aim="x", by="anna")
    stand.directory.write(lambda connection: rows.note(connection, plan.id, 0, move_id=stand.move.id))
    plans.pause(plan.id, "anna", "incident 42")
    turn = stand.turn()
    assert (turn.state, turn.reason) == (S.READY, f"plan {plan.id} is paused: incident 42")
    assert stand.now().throttle_reason == f"plan {plan.id} is paused: incident 42"
    assert stand.turn().state is S.READY
    plans.resume(plan.id, "anna", "over")
    assert stand.turn().state is S.REVERSIBLE
    stand.close()


# Bandwidth


def test_all_movers_together_are_as_fast_as_the_bandwidth(stand: PlansStand) -> None:
    began = stand.clock.now()
    movers = [Bandwidth(stand.directory, 1, 1_000_000, stand.clock.advance) for _ in range(2)]
    said: list[str] = []
    for _ in range(40):
        for mover in movers:
            mover.passed(100_000)
            mover.wait(said.append)
    took = stand.clock.now() - began
    assert took == pytest.approx(8 - BURST_SECONDS, abs=0.2), "8 MB at 1 MB/s, less what was saved up"
    assert set(said) == {"the bandwidth of copies from pod 1: 1 MB/s"}


def test_each_source_pod_has_a_bandwidth_of_its_own_and_saves_up_little(stand: PlansStand) -> None:
    one, other = (Bandwidth(stand.directory, pod, 1_000_000, stand.clock.advance) for pod in (1, 2))
    one.passed(5_000_000)
    began = stand.clock.now()
    other.passed(1_000_000)
    other.wait(lambda _: None)
    assert stand.clock.now() == began, "that of pod 1 is its own"
    one.wait(lambda _: None)
    stand.clock.advance(1000.0)
    began = stand.clock.now()
    one.passed(5_000_000)
    one.wait(lambda _: None)
    assert stand.clock.now() - began == pytest.approx(4.0, abs=0.01), "idle for long, it has saved one second"


def test_a_mover_that_waits_for_bandwidth_may_be_stopped(stand: PlansStand) -> None:
    mover = Bandwidth(stand.directory, 1, 1_000, stand.clock.advance)
    mover.passed(1_000_000)

    def stop(_reason: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mover.wait(stop)


def test_the_first_movers_of_a_pod_begin_its_line_together(stand: PlansStand) -> None:
    movers = [Bandwidth(stand.directory, 9, 1_000_000) for _ in range(4)]
    assert at_once(*(partial(mover.passed, 1_000_000) for mover in movers)) == [None] * 4
    began = stand.clock.now()
    last = Bandwidth(stand.directory, 9, 1_000_000, stand.clock.advance)
    last.passed(1_000_000)
    last.wait(lambda _: None)
    assert stand.clock.now() - began == pytest.approx(4.0, abs=0.01), (
        "five seconds' worth, less what was saved up"
    )
