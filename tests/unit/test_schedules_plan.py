"""The rule by which slots become jobs: the table of catch-up, runs, and the clock that jumps."""

from __future__ import annotations

import pytest

from podwork.schedules.jitter import jitter_ms
from podwork.schedules.plan import CATCH_UP_LIMIT, ON_TIME_MS, CatchUp, Plan, Run, is_covered, plan
from podwork.schedules.rhythm import Every

MINUTE = 60_000
EVERY = Every(MINUTE)
NOON = 1_767_268_800_000


def look(catch_up: CatchUp, watched: int, now: int, *runs: Run, rhythm: Every = EVERY) -> Plan:
    due = rhythm.due(0, watched, now, CATCH_UP_LIMIT)
    return plan(due, catch_up, watched, now, runs)


def at(*minutes: float) -> list[int]:
    return [NOON + int(minute * MINUTE) for minute in minutes]


@pytest.mark.parametrize(
    ("catch_up", "late_by", "ticked", "given_up"),
    [
        # One slot since the last look.
        ("none", 0.0, [1], 0),
        ("none", 0.99, [1], 0),
        ("one", 0.0, [1], 0),
        ("all", 0.0, [1], 0),
        # Several, the latest on time.
        ("none", 2.5, [3], 2),
        ("one", 2.5, [3], 2),
        ("all", 2.5, [1, 2, 3], 0),
    ],
)
def test_the_table_of_catch_up(catch_up: CatchUp, late_by: float, ticked: list[int], given_up: int) -> None:
    seen = look(catch_up, NOON, NOON + MINUTE + int(late_by * MINUTE))
    assert seen.slots == at(*ticked)
    assert seen.given_up == given_up


@pytest.mark.parametrize(("catch_up", "ticked"), [("none", []), ("one", [60]), ("all", [60])])
def test_a_single_slot_that_was_missed(catch_up: CatchUp, ticked: list[int]) -> None:
    hourly = Every(60 * MINUTE)
    on_time = look(catch_up, NOON, NOON + 60 * MINUTE + ON_TIME_MS, rhythm=hourly)
    assert on_time.slots == at(60)
    late = look(catch_up, NOON, NOON + 60 * MINUTE + ON_TIME_MS + 1, rhythm=hourly)
    assert late.slots == at(*ticked)
    assert late.given_up == 1 - len(ticked)


@pytest.mark.parametrize(("catch_up", "count"), [("none", 0), ("one", 1), ("all", 3)])
def test_after_hours_without_a_leader(catch_up: CatchUp, count: int) -> None:
    hourly = Every(60 * MINUTE)
    seen = look(catch_up, NOON, NOON + 190 * MINUTE, rhythm=hourly)
    assert seen.slots == at(60, 120, 180)[3 - count :]
    assert seen.given_up == 3 - count


def test_all_is_bounded_and_says_so() -> None:
    seen = look("all", NOON, NOON + 5000 * MINUTE)
    assert seen.slots == at(*range(4001, 5001))
    assert not seen.complete
    assert seen.run == Run(seen.slots[0], NOON + 5000 * MINUTE)


def test_what_ticked_whole_is_covered_whole() -> None:
    now = NOON + 3 * MINUTE + 7
    assert look("all", NOON, now).run == Run(NOON + 1, now)
    assert look("one", NOON, NOON + MINUTE).run == Run(NOON + 1, NOON + MINUTE)


def test_what_is_given_up_is_not_covered() -> None:
    now = NOON + 3 * MINUTE + 7
    assert look("one", NOON, now).run == Run(NOON + 3 * MINUTE, now)
    assert look("none", NOON, now + 60 * MINUTE, rhythm=Every(45 * MINUTE)).run is None


def test_a_slot_in_a_run_does_not_tick_again() -> None:
    ahead = Run(NOON + 2 * MINUTE, NOON + 3 * MINUTE)
    assert look("all", NOON, NOON + 4 * MINUTE, ahead).slots == at(1, 4)
    assert look("one", NOON, NOON + 3 * MINUTE, ahead).slots == at(1)
    assert look("one", NOON + MINUTE, NOON + 3 * MINUTE, ahead) == Plan(
        [], Run(NOON + MINUTE + 1, NOON + 3 * MINUTE), 0, True
    )


def test_both_ends_of_a_run_belong_to_it() -> None:
    runs = [Run(10, 20), Run(30, 40)]
    assert [slot for slot in range(5, 45) if is_covered(slot, runs)] == [*range(10, 21), *range(30, 41)]


def test_jitter_is_the_same_for_the_same_slot_and_pod_and_spread_over_both() -> None:
    assert jitter_ms("nightly", 7, NOON, 60_000) == jitter_ms("nightly", 7, NOON, 60_000)
    assert jitter_ms("nightly", 7, NOON, 0) == 0
    over_pods = [jitter_ms("nightly", pod, NOON, 60_000) for pod in range(1, 201)]
    over_slots = [jitter_ms("nightly", 7, NOON + n * MINUTE, 60_000) for n in range(200)]
    for found in (over_pods, over_slots):
        assert 0 <= min(found) < 3000
        assert 57_000 < max(found) < 60_000
        assert 25_000 < sum(found) / len(found) < 35_000
