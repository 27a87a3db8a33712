"""Runs of several pods as one: states, rows, rates and ends."""

from __future__ import annotations

from collections import Counter

import pytest

from podwork.iteration.states import RunState
from podwork_pods.iteration.partition import PartitionState
from podwork_pods.iteration.rollup import Rollup
from tests.support.run_statuses import NOW, RUN_ID, made, made_part


@pytest.mark.parametrize(
    ("states", "one"),
    [
        (["succeeded", "running", "failed"], "running"),
        (["paused", "interrupted", "succeeded"], "interrupted"),
        (["paused", "succeeded"], "paused"),
        (["enqueued", "throttled"], "throttled"),
        (["succeeded", "cancelled", "failed"], "failed"),
        (["succeeded", "cancelled"], "cancelled"),
        (["succeeded", "succeeded"], "succeeded"),
    ],
)
def test_what_goes_on_comes_before_what_is_over_and_at_the_end_the_worst(states: list[str], one: str) -> None:
    rollup = Rollup([made(state=RunState(state)) for state in states])
    assert rollup.state == one
    assert rollup.is_over == all(RunState(state).is_over for state in states)
    assert rollup.states == Counter(states)


def test_every_state_has_its_place() -> None:
    assert all(Rollup([made(state=state)]).state is state for state in RunState)


def test_rows_are_added_up_and_an_unknown_total_is_unknown_for_all() -> None:
    rollup = Rollup([made(200, rows_total=1000), made(600, rows_total=600)])
    assert (rollup.rows_done, rollup.rows_total, rollup.share) == (800, 1600, 0.5)
    rollup = Rollup([made(200, rows_total=1000), made(600, rows_total=None)])
    assert (rollup.rows_done, rollup.rows_total, rollup.share, rollup.eta_seconds) == (800, None, None, None)
    assert Rollup([made(0, rows_total=0)]).share == 1.0


def test_the_last_one_says_when_it_ends_and_those_that_go_on_how_fast_it_goes() -> None:
    over = made(500, state=RunState.SUCCEEDED, ended=NOW - 15)
    rollup = Rollup([made(200, rows_total=1000), made(100, rows_total=200), over])
    assert rollup.rate == 15
    assert rollup.eta_seconds == 80
    assert (rollup.started, rollup.ended, rollup.worked_seconds) == (NOW - 20, None, 20)
    alone = Rollup([over])
    assert (alone.rate, alone.eta_seconds, alone.ended) == (100, None, NOW - 15)


def test_a_pod_that_has_not_begun_lets_nobody_know_the_end() -> None:
    assert Rollup([made(200), made(0, started=None)]).eta_seconds is None


def test_numbers_of_runs_and_of_their_partitions_are_added_up() -> None:
    parts = [made_part(0, interruptions=2, attempts=1), made_part(1, interruptions=1)]
    rollup = Rollup([made(parts=parts, quarantined=3), made(parts=parts, quarantined=1)])
    assert [rollup.total(name) for name in ("interruptions", "attempts", "quarantined")] == [6, 2, 4]


def test_a_group_has_its_own_id_and_a_run_alone_the_run_s() -> None:
    assert Rollup([made()]).id == RUN_ID
    assert Rollup([made(group_id="g"), made(group_id="g")]).id == "g"


def test_what_holds_a_run_back_is_said_once_and_not_when_it_is_over() -> None:
    parts = [made_part(number, throttle_reason="replica_lag 12 s") for number in range(3)]
    assert made(parts=parts).words == "replica_lag 12 s"
    assert made(parts=parts, state=RunState.SUCCEEDED).throttle_reasons == []


def test_a_reason_that_was_given_comes_first() -> None:
    parts = [made_part(state=PartitionState.FAILED, last_error="division by zero")]
    assert made(parts=parts, state=RunState.FAILED).words == "division by zero"
    assert made(parts=parts, state=RunState.FAILED, reason="its job is dead").words == "its job is dead"
