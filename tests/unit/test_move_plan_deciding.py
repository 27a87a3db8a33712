"""What a plan of moves does next, by how its shops stand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podwork_ops.cli.move_plan_rows import eta_seconds
from podwork_pods.mover.plans.deciding import Decision, decide
from podwork_pods.mover.plans.errors import InvalidMovePlan
from podwork_pods.mover.plans.plan import MovePlan, PlanOptions, Stage, Standing, stage_of
from podwork_pods.mover.plans.states import LIVE, PlanState
from podwork_pods.mover.states import ENDED, MoveState

PLAN = MovePlan(
    1,
    "pod 7 is evacuated",
    PlanState.RUNNING,
    "",
    PlanOptions(concurrency=4),
    100,
    5,
    0,
    "anna",
    0.0,
    0.0,
    None,
)
S = MoveState


def decided(standing: Standing, **given: object) -> Decision:
    return decide(replace(PLAN, **given), standing)  # type: ignore[arg-type]


def test_the_canary_goes_first_and_no_more_than_there_is_room_for() -> None:
    assert decided(Standing(waiting=100, canary_left=5)) == Decision(room=4, first=5)
    assert decided(Standing(waiting=97, under_way=3, canary_left=5)) == Decision(room=1, first=5)
    assert decided(Standing(waiting=96, under_way=4, canary_left=5)).room == 0
    assert decided(Standing(waiting=90, under_way=9, canary_left=5)).room == 0


def test_the_rest_begins_when_the_whole_canary_has_arrived() -> None:
    assert decided(Standing(waiting=95, under_way=1, done=4, canary_left=1)).first == 5
    assert decided(Standing(waiting=95, done=5)) == Decision(room=4, first=100)
    assert decided(Standing(waiting=95, done=4, skipped=1)) == Decision(room=4, first=100)
    assert decided(Standing(waiting=100), canary_shops=0) == Decision(room=4, first=100)


def test_one_canary_that_is_given_up_halts_the_plan() -> None:
    halted = decided(Standing(waiting=95, under_way=2, done=2, failed=1, canary_left=2, canary_failed=1))
    assert (halted.state, halted.room) == (PlanState.HALTED, 0)
    assert halted.reason == "1 of 5 canary shops was given up or taken back"


@pytest.mark.parametrize(
    ("shops", "failed", "halts"),
    [(100, 5, False), (100, 6, True), (10, 1, False), (10, 2, True), (1000, 50, False), (1000, 51, True)],
)
def test_a_plan_halts_after_more_than_one_and_more_than_a_twentieth(
    shops: int, failed: int, halts: bool
) -> None:
    standing = Standing(waiting=1, failed=failed, done=shops - failed - 1, others_begun=1)
    assert (decided(standing, shops=shops).state is PlanState.HALTED) is halts


def test_what_was_known_at_the_resume_is_not_counted_again() -> None:
    standing = Standing(waiting=20, failed=6, done=74, others_begun=75)
    assert decided(standing).state is PlanState.HALTED
    assert decided(standing, forgiven=6) == Decision(room=4, first=100)
    assert decided(standing._replace(failed=12), forgiven=6).state is PlanState.HALTED
    canary = Standing(waiting=95, failed=1, done=4, canary_failed=1)
    assert decided(canary).state is PlanState.HALTED
    assert decided(canary, forgiven=1) == Decision(room=4, first=100)


def test_nothing_begins_in_a_plan_that_does_not_run() -> None:
    standing = Standing(waiting=50, failed=50, others_begun=45)
    for state in set(PlanState) - {PlanState.RUNNING}:
        assert decided(standing, state=state) == Decision()


def test_a_plan_ends_when_every_shop_is_settled() -> None:
    over = Standing(done=97, failed=2, skipped=1, others_begun=94)
    for state in LIVE:
        ended = decided(over, state=state)
        assert ended == Decision(PlanState.ENDED, "97 arrived, 2 given up or taken back, 1 skipped")
    assert decided(over._replace(under_way=1)).state is None
    assert decided(over._replace(waiting=1)).state is None
    for state in (PlanState.ENDED, PlanState.CANCELLED):
        assert decided(over, state=state) == Decision()


def test_a_moves_state_says_how_its_shop_stands() -> None:
    there = {state: stage_of(state, 1, is_skipped=False) for state in MoveState}
    assert {state for state, stage in there.items() if stage is Stage.DONE} == {
        S.REVERSIBLE,
        S.PURGING,
        S.DONE,
    }
    assert {state for state, stage in there.items() if stage is Stage.FAILED} == {
        S.ABORTING,
        S.ABORTED,
        S.REVERSED,
    }
    assert set(there.values()) == {Stage.DONE, Stage.FAILED, Stage.UNDER_WAY}
    assert {stage_of(state, 2, is_skipped=False) for state in MoveState} == {Stage.FAILED}, "taken back"
    assert all(there[state] is not Stage.UNDER_WAY for state in ENDED)
    assert stage_of(None, 1, is_skipped=False) is Stage.WAITING
    assert stage_of(None, 1, is_skipped=True) is Stage.SKIPPED


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (PlanOptions(concurrency=0), "0 is no concurrency"),
        (PlanOptions(per_pod=1001), "1001 is no moves per pod"),
        (PlanOptions(canary=1.5), "no share for a canary"),
        (PlanOptions(bandwidth_bytes=0), "a limit is no number above 0"),
        (PlanOptions(max_lag_seconds=float("inf")), "a limit is no number above 0"),
        (PlanOptions(max_threads_running=-1), "a limit is no number above 0"),
        (PlanOptions(grace_seconds=-1.0), "over before it began"),
        (PlanOptions(max_block_seconds=0), "are no"),
        (PlanOptions(freezes=("never",)), "'never' is no freeze"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: PlanOptions, said: str) -> None:
    with pytest.raises(InvalidMovePlan, match=said):
        options.check()


@pytest.mark.parametrize(("share", "shops", "first"), [(0.05, 100, 5), (0.05, 3, 1), (0, 50, 0), (1, 7, 7)])
def test_a_canary_is_at_least_one_shop(share: float, shops: int, first: int) -> None:
    assert PlanOptions(canary=share).canary_of(shops) == first


def test_how_long_it_takes_is_said_only_where_it_goes_on() -> None:
    standing = Standing(waiting=60, under_way=4, done=30, failed=2, skipped=4)
    assert eta_seconds(PLAN, standing, 320.0) == 640.0, "10 s for each that is settled"
    assert eta_seconds(PLAN, Standing(waiting=96, under_way=4), 320.0) is None
    assert eta_seconds(PLAN, Standing(done=100), 320.0) is None
    assert eta_seconds(replace(PLAN, state=PlanState.PAUSED), standing, 320.0) is None
    assert eta_seconds(replace(PLAN, begun=None), standing, 320.0) is None
