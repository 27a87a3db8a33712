"""Looks at a run, one after the other: rates of late, and pods that fall silent."""

from __future__ import annotations

from typing import Any

import pytest

from podwork.errors import PodworkError, StoreUnavailable
from podwork.iteration.states import RunState
from podwork_ops.cli.run_places import Found
from podwork_ops.cli.run_sample import WINDOW_SECONDS, Sight, Sights
from podwork_ops.errors import RunNotFound
from podwork_pods.iteration.rollup import Rollup
from podwork_pods.iteration.status import RunStatus
from tests.support.run_statuses import NOW, made

DOWN = StoreUnavailable("redis2:6379", "Connection refused")


class Pods:
    """What is there to be seen, and the time; `look` returns it."""

    def __init__(self, *runs: RunStatus) -> None:
        self.runs = list(runs)
        self.silent: dict[int, PodworkError] = {}
        self.now = 100.0
        self.sights = Sights(self.look, lambda: self.now)

    def look(self) -> Found:
        answering = [status for status in self.runs if status.run.pod_id not in self.silent]
        if not answering:
            raise next(iter(self.silent.values()), RunNotFound("0199", ["pod 1"]))
        return Found("g", Rollup(answering), self.silent)

    def after(self, seconds: float, *runs: RunStatus) -> Sight:
        self.now += seconds
        self.runs = list(runs) or self.runs
        return self.sights.next()


def run(rows: int, pod: int = 1, **changes: Any) -> RunStatus:
    return made(rows, id=f"run-{pod}", pod_id=pod, group_id="g", **changes)


def test_the_rate_is_that_of_the_last_seconds_and_not_the_average() -> None:
    pods = Pods(run(0))
    first = pods.sights.next()
    assert (first.rate, first.rate_of(first.rollup.runs[0]), first.eta_seconds) == (None, None, None)
    second = pods.after(2, run(200))
    assert (second.rate, second.eta_seconds) == (100, 8)
    for _ in range(12):
        last = pods.after(1, run(200))
    assert last.rate == 0, "nothing was done for longer than the window"
    assert last.eta_seconds is None
    assert WINDOW_SECONDS == 10


def test_rates_of_pods_are_added_and_the_slowest_says_when_it_ends() -> None:
    pods = Pods(run(0), run(0, 2))
    pods.sights.next()
    seen = pods.after(1, run(100), run(10, 2))
    assert (seen.rate, seen.eta_seconds) == (110, 99)


def test_what_is_over_has_its_average_and_no_end() -> None:
    pods = Pods(run(0))
    pods.sights.next()
    seen = pods.after(1, run(1000, state=RunState.SUCCEEDED, ended=NOW - 10))
    assert seen.rate_of(seen.rollup.runs[0]) == 100
    assert seen.eta_of(seen.rollup.runs[0]) is None
    assert seen.is_over


def test_a_pod_that_falls_silent_is_shown_as_it_was_and_waited_for() -> None:
    pods = Pods(run(100), run(50, 2))
    pods.sights.next()
    pods.silent = {2: DOWN}
    seen = pods.after(1, run(1000, state=RunState.SUCCEEDED, ended=NOW), run(60, 2))
    assert [status.rows_done for status in seen.rollup.runs] == [1000, 50]
    assert (seen.failures, seen.is_over) == ({2: DOWN}, False)
    pods.silent = {1: DOWN, 2: DOWN}
    seen = pods.after(1)
    assert set(seen.failures) == {1, 2}, "nobody answers, and the screen stays"
    pods.silent = {}
    seen = pods.after(1, pods.runs[0], run(1000, 2, state=RunState.SUCCEEDED, ended=NOW))
    assert (seen.failures, seen.is_over) == ({}, True)


def test_a_pod_that_begins_later_comes_in_its_place() -> None:
    pods = Pods(run(0, 2))
    pods.sights.next()
    seen = pods.after(1, run(0, 1), run(10, 2))
    assert [status.run.pod_id for status in seen.rollup.runs] == [1, 2]


def test_what_was_never_there_is_an_error() -> None:
    with pytest.raises(RunNotFound):
        Pods().sights.next()
