"""How many jobs are held unstarted follows how long they take."""

from __future__ import annotations

import pytest

from podwork.worker.prefetch import MOST_HELD, Prefetch, allowance


@pytest.mark.parametrize(
    ("mean_seconds", "threads", "allowed"),
    [
        (None, 10, 0),  # nothing measured yet
        (0.00002, 1, MOST_HELD),  # no-ops: the bound of the process
        (0.00002, 10, MOST_HELD),
        (0.01, 10, 50),  # 10 ms: 50 ms of work for each thread
        (0.05, 10, 10),  # as long as the window: one each
        (0.051, 10, 0),  # longer: nothing waits behind it
        (60.0, 10, 0),
    ],
)
def test_about_a_window_of_work_for_each_thread(
    mean_seconds: float | None, threads: int, allowed: int
) -> None:
    assert allowance(mean_seconds, threads, 0.05) == allowed


def test_the_mean_rises_at_once_and_falls_slowly() -> None:
    prefetch = Prefetch(10, 0.05)
    prefetch.measured([0.0001] * 100)
    assert prefetch.allowed == MOST_HELD
    prefetch.measured([1.0])
    assert prefetch.allowed == 0
    prefetch.measured([0.001])
    assert prefetch.allowed == 0
    for _ in range(10):
        prefetch.measured([0.001] * 10)
    assert prefetch.allowed > MOST_HELD // 2


def test_jobs_that_do_not_end_count_as_long() -> None:
    prefetch = Prefetch(2, 0.05)
    prefetch.measured([0.001] * 10)
    prefetch.stalled(0.3)
    assert prefetch.allowed == 0
