"""The size of batches follows their duration; the rate of rows keeps to its limit."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwork.iteration.pace import Pace, RateLimit

Cost = Callable[[int], float]


def linear(fixed_seconds: float, row_seconds: float) -> Cost:
    return lambda rows: fixed_seconds + rows * row_seconds


def driven(pace: Pace, cost: Cost, batches: int) -> list[int]:
    """Do so many full batches; return their sizes."""
    sizes = []
    for _ in range(batches):
        sizes.append(pace.size)
        pace.measured(pace.size, cost(pace.size))
    return sizes


# The target


@given(
    target=st.floats(0.01, 2),
    share=st.floats(0, 0.5),
    rows_at_target=st.floats(20, 5_000),
    size=st.integers(1, 10_000),
)
def test_it_comes_to_the_target_from_anywhere(
    target: float, share: float, rows_at_target: float, size: int
) -> None:
    fixed = share * target
    cost = linear(fixed, (target - fixed) / rows_at_target)
    last = driven(Pace(target, size), cost, 200)[-20:]
    assert all(abs(cost(size) - target) <= 0.1 * target for size in last)


def test_it_comes_there_in_few_batches() -> None:
    assert driven(Pace(0.2, 100), linear(0.002, 0.0001), 9)[-1] == pytest.approx(1980, rel=0.05)
    assert driven(Pace(0.2, 10_000), linear(0.002, 0.0001), 7)[-1] == pytest.approx(1980, rel=0.05)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60), st.integers(1, 10_000))
def test_a_step_is_at_most_twice_and_at_least_a_quarter(durations: list[float], size: int) -> None:
    pace = Pace(size=size)
    for seconds in durations:
        before = pace.size
        pace.measured(before, seconds)
        assert before / 4 <= pace.size <= before * 2
        assert 1 <= pace.size <= 20_000


def test_a_step_can_be_as_large_as_that() -> None:
    assert driven(Pace(0.2, 100), linear(0, 1e-9), 4) == [100, 200, 400, 800]
    assert driven(Pace(0.2, 1600), linear(0, 10), 4) == [1600, 400, 100, 25]


def test_a_clock_that_stands_still_does_not_divide_by_zero() -> None:
    assert driven(Pace(size=1), linear(0, 0), 3) == [1, 2, 4]


def test_a_small_batch_does_not_stick() -> None:
    """One row takes 0.191 s and ten take 0.2 s: each step is less than a row."""
    assert driven(Pace(0.2, 1), linear(0.19, 0.001), 500)[-1] in (9, 10)


def test_with_rows_that_are_too_slow_it_is_one() -> None:
    assert driven(Pace(0.2, 100), linear(0, 3.0), 10)[-1] == 1


def test_it_comes_there_without_swinging_past_it() -> None:
    for fixed in (0.0, 0.1, 0.19):
        cost = linear(fixed, (0.2 - fixed) / 1_000)
        up = driven(Pace(0.2, 10), cost, 500)
        down = driven(Pace(0.2, 5_000), cost, 500)
        assert up == sorted(up)
        assert down == sorted(down, reverse=True)
        assert 980 <= up[-1] <= 1_000 <= down[-1] <= 1_020


def test_rows_that_fit_no_whole_number_average_to_the_target() -> None:
    """A row takes 0.15 s: one is too few for the target and two are too many."""
    sizes = driven(Pace(0.2, 1), linear(0, 0.15), 400)
    assert set(sizes) == {1, 2}
    assert sum(sizes) / len(sizes) * 0.15 == pytest.approx(0.2, rel=0.1)


def test_noise_is_damped() -> None:
    chance = random.Random(7)
    noise = [chance.uniform(0.5, 1.5) for _ in range(2_000)]
    ahead = iter(noise)
    sizes = driven(Pace(0.2, 1000), lambda rows: rows * 0.0002 * next(ahead), 2_000)
    assert 950 < statistics.mean(sizes) < 1_150
    spread = statistics.stdev(map(math.log, sizes))
    assert spread < 0.65 * statistics.stdev(map(math.log, noise))


def test_a_strange_batch_is_half_believed() -> None:
    for seconds, size in ((0.4, 707), (0.1, 1414), (2.0, 316), (9.0, 250), (0.001, 2000)):
        pace = Pace(0.2, 1000)
        pace.measured(1000, seconds)
        assert pace.size == size


# What says nothing


def test_the_short_batch_at_the_end_is_ignored() -> None:
    pace, other = Pace(0.2, 100), Pace(0.2, 100)
    for one in (pace, other):
        driven(one, linear(0, 0.002), 3)
    pace.measured(1, 5.0)
    pace.measured(0, 5.0)
    assert driven(pace, linear(0, 0.001), 5) == driven(other, linear(0, 0.001), 5)


def test_a_batch_that_was_to_be_short_counts_if_it_was_too_slow() -> None:
    pace = Pace(0.2, 1000)
    pace.measured(10, 0.1, asked=10)
    assert pace.size == 1000
    pace.measured(10, 0.8, asked=10)
    assert pace.size == 250
    pace.measured(200, 0.8, asked=200)
    assert pace.size == 100
    pace.measured(9, 0.8, asked=10)
    assert pace.size == 100, "it was the end"


# The bounds


def test_it_stays_between_least_and_most() -> None:
    assert driven(Pace(0.2, 100, least=40), linear(0, 1), 4) == [100, 40, 40, 40]
    assert driven(Pace(0.2, 100, most=300), linear(0, 1e-6), 4) == [100, 200, 300, 300]


def test_the_bounds_and_the_target_may_change_meanwhile() -> None:
    pace = Pace(0.2, 1000)
    pace.most = 50
    assert pace.size == 50
    pace.measured(50, 0.8)
    assert pace.size == 25
    pace.most = 10_000
    pace.target_seconds = 0.4
    assert driven(pace, linear(0, 0.0002), 20)[-1] == 2000


def test_the_first_batch_keeps_to_the_bound_too() -> None:
    assert Pace(size=500, most=100).size == 100


# A batch that fails


def isolated(pace: Pace, rows: int, bad: set[int], cost: Cost) -> tuple[list[int], int]:
    """Work as the engine does: halve what fails, leave out what fails alone. Return what was left out."""
    at, out, tries = 0, [], 0
    while at < rows:
        size, tries = pace.size, tries + 1
        batch = range(at, min(at + size, rows))
        if bad.isdisjoint(batch):
            pace.measured(len(batch), cost(len(batch)))
        elif len(batch) > 1:
            pace.halve(len(batch))
            continue
        else:
            out.append(at)
            pace.measured(1, cost(1))
        at = batch.stop
    return out, tries


def test_half_and_half_again_down_to_one() -> None:
    pace = Pace(size=100, least=50)
    sizes = []
    for _ in range(8):
        pace.halve()
        sizes.append(pace.size)
    assert sizes == [50, 25, 12, 6, 3, 1, 1, 1]


def test_it_does_not_grow_until_the_rows_in_doubt_are_done() -> None:
    pace = Pace(size=100)
    pace.halve()
    pace.measured(50, 0.0001)
    assert pace.size == 50, "the row that fails is in the other half"
    pace.measured(50, 0.0001)
    assert pace.size == 50, "it was among these, all the same"
    pace.measured(50, 0.0001)
    assert pace.size == 100


def test_it_may_become_smaller_while_in_doubt() -> None:
    pace = Pace(0.2, size=100)
    pace.halve()
    pace.measured(50, 2.0)
    assert pace.size == 16


def test_half_of_what_was_asked() -> None:
    pace = Pace(size=1000)
    pace.halve(7)
    assert pace.size == 3


@given(
    st.integers(1, 3_000).flatmap(
        lambda rows: st.tuples(st.just(rows), st.sets(st.integers(0, rows - 1), max_size=5))
    )
)
def test_what_cannot_be_done_is_left_out_and_nothing_else(case: tuple[int, set[int]]) -> None:
    rows, bad = case
    out, _ = isolated(Pace(size=100), rows, bad, linear(0, 0.0002))
    assert out == sorted(bad)


def test_a_bad_row_is_found_in_two_tries_a_halving() -> None:
    for bad in range(0, 1024, 37):
        pace = Pace(0.2, size=1024, most=1024)
        _, without = isolated(Pace(0.2, size=1024, most=1024), 4096, set(), linear(0, 0.0001))
        _, tries = isolated(pace, 4096, {bad}, linear(0, 0.0001))
        growing = math.ceil(math.log2(1024)) + 2
        assert tries - without <= 2 * 10 + 2 + growing


# The rate


def worked(limit: RateLimit, rows: int, batch_seconds: float, until: float) -> list[tuple[float, int]]:
    """Do batch after batch, waiting as told; return when each began, and its rows."""
    now, done = 0.0, []
    while now < until:
        done.append((now, rows))
        now += batch_seconds
        now += limit.wait_seconds(rows, now)
    return done


def test_without_a_limit_there_is_no_wait() -> None:
    limit = RateLimit(None)
    assert [limit.wait_seconds(1_000_000, now) for now in (0.0, 0.1)] == [0.0, 0.0]
    assert limit.portion(5_000) == 5_000


@given(rate=st.floats(1, 100_000), rows=st.integers(1, 10_000), batch_seconds=st.floats(0.001, 1))
def test_the_average_is_the_limit_or_what_can_be_done(rate: float, rows: int, batch_seconds: float) -> None:
    cycle = max(batch_seconds, rows / rate)
    done = worked(RateLimit(rate), rows, batch_seconds, 50 * cycle)
    starts = [start for start, _ in done]
    between = [later - earlier for earlier, later in itertools.pairwise(starts)][1:]
    assert all(wait == pytest.approx(cycle, rel=1e-6) for wait in between)


@given(
    st.lists(st.tuples(st.integers(1, 500), st.floats(0, 20)), min_size=2, max_size=40),
    st.floats(1, 1_000),
)
def test_over_any_time_at_most_the_limit_and_two_batches(steps: list[tuple[int, float]], rate: float) -> None:
    """Whatever happens between the batches: pauses, throttles, slow ones."""
    limit, now = RateLimit(rate), 0.0
    done: list[tuple[float, int]] = []
    for rows, idle_seconds in steps:
        done.append((now, rows))
        now += 0.01
        now += limit.wait_seconds(rows, now) + idle_seconds
    largest = max(rows for _, rows in done)
    for first, last in itertools.combinations(range(len(done)), 2):
        passed = done[last][0] - done[first][0]
        in_it = sum(rows for _, rows in done[first:last])
        assert in_it <= rate * passed + 2 * largest + 1e-6


def test_standing_still_is_not_saved_up() -> None:
    limit = RateLimit(100)
    limit.wait_seconds(100, 0.0)
    assert limit.wait_seconds(100, 3600.0) == 0.0
    assert limit.wait_seconds(100, 3600.0) == pytest.approx(1.0)


def test_to_ask_again_costs_nothing() -> None:
    limit = RateLimit(100)
    assert limit.wait_seconds(100, 10.0) == pytest.approx(1.0)
    assert limit.wait_seconds(0, 10.25) == pytest.approx(0.75)
    assert limit.wait_seconds(0, 11.0) == 0.0


def test_a_changed_limit_shortens_and_lengthens_the_wait() -> None:
    limit = RateLimit(10)
    assert limit.wait_seconds(100, 0.0) == pytest.approx(10.0)
    limit.rows_per_second = 100
    assert limit.wait_seconds(0, 0.0) == pytest.approx(1.0)
    limit.rows_per_second = 1
    assert limit.wait_seconds(0, 0.0) == pytest.approx(100.0)
    limit.rows_per_second = None
    assert limit.wait_seconds(0, 0.0) == 0.0
    limit.rows_per_second = 10
    assert limit.wait_seconds(0, 0.0) == 0.0, "what was owed is forgiven"


def test_a_clock_that_goes_back_lengthens_no_wait() -> None:
    limit = RateLimit(100)
    limit.wait_seconds(100, 10.0)
    assert limit.wait_seconds(0, 5.0) == pytest.approx(1.0)


def test_a_portion_is_a_second_s() -> None:
    assert RateLimit(50).portion(10_000) == 50
    assert RateLimit(50).portion(20) == 20
    assert RateLimit(0.1).portion(10_000) == 1


@pytest.mark.parametrize("rate", [0, -1.0, math.inf, math.nan])
def test_a_limit_is_above_zero(rate: float) -> None:
    limit = RateLimit(5)
    with pytest.raises(ValueError, match="above 0"):
        RateLimit(rate)
    with pytest.raises(ValueError, match="above 0"):
        limit.rows_per_second = rate
    assert limit.rows_per_second == 5
