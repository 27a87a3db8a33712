"""One step ahead: in order, one at a time, and a failure is said where the result is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from podwork.ahead import Ahead


def named(done: list[str], name: str) -> str:
    done.append(f"{name} in {threading.current_thread().name.split('_')[0]}")
    return name


@pytest.mark.parametrize("may_use_thread", [True, False])
def test_steps_are_done_in_order_and_each_result_comes_with_the_next(may_use_thread: bool) -> None:
    done: list[str] = []
    with Ahead[str](may_use_thread=may_use_thread) as ahead:
        results = [ahead.begin(partial(named, done, name)) for name in "abc"]
        last = ahead.end()
    assert [*results, last] == [None, "a", "b", "c"]
    assert [line[0] for line in done] == ["a", "b", "c"]
    where = "podwork-ahead" if may_use_thread else "MainThread"
    assert {line.split(" in ")[1] for line in done} == {where}


def test_one_step_alone_takes_no_thread() -> None:
    done: list[str] = []
    with Ahead[str]() as ahead:
        assert ahead.begin(partial(named, done, "a")) is None
        assert ahead.end() == "a"
        assert ahead.end() is None
    assert done == ["a in MainThread"]


def test_a_step_is_under_way_while_the_next_is_prepared() -> None:
    begun, go = threading.Event(), threading.Event()

    def wait() -> str:
        begun.set()
        assert go.wait(10)
        return "waited"

    with Ahead[str]() as ahead:
        ahead.begin(lambda: "first")
        ahead.begin(wait)
        assert begun.wait(10), "it works while nobody asks for its result"
        go.set()
        assert ahead.end() == "waited"


@pytest.mark.parametrize("may_use_thread", [True, False])
def test_nothing_is_begun_after_a_failure(may_use_thread: bool) -> None:
    done: list[str] = []

    def fail() -> str:
        raise ValueError("step")

    steps: list[Callable[[], str]] = [partial(named, done, "a"), fail, partial(named, done, "c")]
    with Ahead[str](may_use_thread=may_use_thread) as ahead:
        ahead.begin(steps[0])
        ahead.begin(steps[1])
        with pytest.raises(ValueError, match="step"):
            ahead.begin(steps[2])
    assert len(done) == 1
