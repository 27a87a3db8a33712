"""How far a run is: what is known, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwork.iteration.progress import Progress

NOON = 1_732_274_400.0


def test_on_the_way() -> None:
    progress = Progress(rows_done=250, rows_total=1_000, started=NOON, now=NOON + 50)
    assert (progress.share, progress.rate, progress.rows_left, progress.eta_seconds) == (
        0.25,
        5.0,
        750,
        150.0,
    )


def test_before_the_start_nothing_is_known_but_the_size() -> None:
    progress = Progress(rows_done=0, rows_total=1_000, started=None, now=NOON)
    assert (progress.share, progress.rate, progress.rows_left, progress.eta_seconds) == (
        0.0,
        0.0,
        1_000,
        None,
    )


def test_in_its_first_moment_it_has_no_rate() -> None:
    progress = Progress(rows_done=10, rows_total=1_000, started=NOON, now=NOON)
    assert (progress.rate, progress.eta_seconds) == (0.0, None)


def test_without_a_total_there_is_no_share_and_no_end() -> None:
    progress = Progress(rows_done=250, rows_total=None, started=NOON, now=NOON + 50)
    assert (progress.share, progress.rate, progress.rows_left, progress.eta_seconds) == (
        None,
        5.0,
        None,
        None,
    )


def test_nothing_to_do_is_done() -> None:
    progress = Progress(rows_done=0, rows_total=0, started=None, now=NOON)
    assert (progress.share, progress.eta_seconds) == (1.0, 0.0)


def test_rows_that_came_later_do_not_make_more_than_all() -> None:
    progress = Progress(rows_done=1_200, rows_total=1_000, started=NOON, now=NOON + 60)
    assert (progress.share, progress.rows_left, progress.eta_seconds) == (1.0, 0, 0.0)


def test_a_pause_does_not_count_as_work() -> None:
    night = Progress(
        rows_done=250, rows_total=1_000, started=NOON, now=NOON + 50 + 36_000, idle_seconds=36_000
    )
    assert (night.worked_seconds, night.rate, night.eta_seconds) == (50.0, 5.0, 150.0)


def test_after_its_end_time_stands_still() -> None:
    cancelled = Progress(rows_done=250, rows_total=1_000, started=NOON, now=NOON + 9_000, ended=NOON + 50)
    assert (cancelled.rate, cancelled.share, cancelled.eta_seconds) == (5.0, 0.25, None)
    succeeded = Progress(rows_done=1_000, rows_total=1_000, started=NOON, now=NOON + 9_000, ended=NOON + 200)
    assert (succeeded.rate, succeeded.eta_seconds) == (5.0, 0.0)


@given(
    rows_done=st.integers(0, 10**12),
    rows_total=st.none() | st.integers(0, 10**12),
    started=st.none() | st.floats(NOON - 1e6, NOON + 1e6),
    ended=st.none() | st.floats(NOON - 1e6, NOON + 1e6),
    idle_seconds=st.floats(0, 1e6),
)
def test_whatever_the_clocks_say_it_can_be_shown(
    rows_done: int, rows_total: int | None, started: float | None, ended: float | None, idle_seconds: float
) -> None:
    progress = Progress(rows_done, rows_total, started, NOON, ended, idle_seconds)
    assert progress.rate >= 0
    assert progress.share is None or 0 <= progress.share <= 1
    assert progress.eta_seconds is None or progress.eta_seconds >= 0
    assert (progress.share is None) == (rows_total is None)


def test_it_is_a_value() -> None:
    progress = Progress(1, 2, None, NOON)
    with pytest.raises(AttributeError):
        progress.rows_done = 2  # type: ignore[misc]
    assert progress == Progress(1, 2, None, NOON)
