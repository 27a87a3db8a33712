"""Asking throttles: seldom, closed when one cannot be read, and for ever longer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from sqlalchemy.exc import OperationalError

from podwork.errors import TimeLimitExceeded
from podwork.iteration.throttle import Held, Surroundings, Throttle
from podwork_pods.iteration.throttles import Function, throttles
from podwork_pods.iteration.throttles.throttles import LONGEST_SECONDS, MOST_READINGS, PodThrottles

POD = 3


class Seconds:
    """Monotonic time, turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeQueues:
    """Stands where the pod's queues would; nobody asks them here."""

    store = "the store"


@dataclass(eq=False)
class Scripted(Throttle):
    """Answers what it was told to, and remembers what it was asked."""

    answer: Callable[[], Any] = lambda: None
    per_shop: bool = False
    asked: list[Surroundings] = field(default_factory=list)

    name: ClassVar[str] = "scripted"

    def held(self, around: Surroundings) -> Held | None:
        self.asked.append(around)
        answer: Held | None = self.answer()
        return answer


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def pod(seconds: Seconds, monkeypatch: pytest.MonkeyPatch) -> PodThrottles:
    monkeypatch.setattr("random.uniform", lambda _least, _most: 0.0)
    return a_pod(seconds)


def a_pod(seconds: Seconds, single: Callable[[], Any] = lambda: "the engine") -> PodThrottles:
    queues: Any = FakeQueues()
    return PodThrottles(POD, single, lambda: queues, monotonic=seconds)


def raising(error: BaseException) -> Callable[[], Any]:
    def answer() -> Any:
        raise error

    return answer


def test_nothing_holds_back_a_run_without_throttles(pod: PodThrottles) -> None:
    assert pod.held((), 7) is None


def test_a_throttle_is_told_where_the_run_works(pod: PodThrottles) -> None:
    throttle = Scripted(per_shop=True)
    pod.held((throttle,), 7)
    [around] = throttle.asked
    assert (around.pod_id, around.shop_id) == (POD, 7)
    assert [around.engine, around.store] == ["the engine", "the store"]


# Seldom


def test_an_answer_stands_for_a_second(pod: PodThrottles, seconds: Seconds) -> None:
    throttle = Scripted()
    for _ in range(10):
        assert pod.held((throttle,), 7) is None
    seconds.now += 0.99
    pod.held((throttle,), 7)
    assert len(throttle.asked) == 1
    seconds.now += 0.02
    pod.held((throttle,), 7)
    assert len(throttle.asked) == 2


def test_runs_of_all_shops_share_an_answer(pod: PodThrottles) -> None:
    throttle = Scripted()
    for shop_id in range(100):
        pod.held((throttle,), shop_id)
    assert [around.shop_id for around in throttle.asked] == [None]


def test_a_throttle_that_looks_at_the_shop_is_asked_for_each(pod: PodThrottles) -> None:
    throttle = Scripted(per_shop=True)
    for shop_id in (1, 2, 1, 2):
        pod.held((throttle,), shop_id)
    assert [around.shop_id for around in throttle.asked] == [1, 2]


def test_equal_throttles_share_their_answers(pod: PodThrottles) -> None:
    asked = []

    def check(_around: Surroundings) -> None:
        asked.append(1)

    pod.held((Function("same", check),), 1)
    pod.held((Function("same", check),), 2)
    assert len(asked) == 1
    pod.held((Function("other", check),), 2)
    assert len(asked) == 2


def test_answers_that_are_over_are_not_kept_for_ever(pod: PodThrottles, seconds: Seconds) -> None:
    throttle = Scripted(per_shop=True)
    for shop_id in range(3 * MOST_READINGS):
        seconds.now += 1
        pod.held((throttle,), shop_id)
        assert len(pod._readings) <= MOST_READINGS + 1


# Held


def test_a_held_run_hears_why_and_for_how_long(pod: PodThrottles, seconds: Seconds) -> None:
    throttle = Scripted(lambda: Held("scripted 9, limit 5", 4.0))
    assert pod.held((throttle,), None) == Held("scripted 9, limit 5", 4.0)
    seconds.now += 3
    assert pod.held((throttle,), None) == Held("scripted 9, limit 5", 1.0)
    assert len(throttle.asked) == 1


def test_the_longer_it_holds_the_more_seldom_it_is_asked(pod: PodThrottles, seconds: Seconds) -> None:
    throttle = Scripted(lambda: Held("still"))
    waits = []
    for _ in range(8):
        held = pod.held((throttle,), None)
        assert held is not None
        waits.append(held.retry_seconds)
        seconds.now += held.retry_seconds
    assert waits == [1, 2, 4, 8, 16, LONGEST_SECONDS, LONGEST_SECONDS, LONGEST_SECONDS]
    assert len(throttle.asked) == 8


def test_one_that_has_let_go_begins_anew(pod: PodThrottles, seconds: Seconds) -> None:
    answers = iter([Held("a"), Held("b"), None, Held("c")])
    throttle = Scripted(lambda: next(answers))
    waits = []
    for _ in range(4):
        held = pod.held((throttle,), None)
        waits.append(held and held.retry_seconds)
        seconds.now += 10
    assert waits == [1, 2, None, 1]


def test_a_longer_time_that_a_throttle_names_is_kept(pod: PodThrottles, seconds: Seconds) -> None:
    throttle = Scripted(lambda: Held("closed until tomorrow", 3600.0))
    assert pod.held((throttle,), None) == Held("closed until tomorrow", 3600.0)
    seconds.now += 3600
    assert pod.held((throttle,), None) == Held("closed until tomorrow", 3600.0)


@pytest.mark.parametrize("strange", [0.0, -5.0, float("nan"), float("inf")])
def test_a_time_that_is_none_becomes_a_second(pod: PodThrottles, strange: float) -> None:
    assert pod.held((Scripted(lambda: Held("odd", strange)),), None) == Held("odd", 1.0)


def test_each_time_is_a_little_longer_by_chance(seconds: Seconds) -> None:
    waits = set()
    for _ in range(50):
        held = a_pod(seconds).held((Scripted(lambda: Held("held", 8.0)),), None)
        assert held is not None
        waits.add(held.retry_seconds)
    assert all(8.0 <= wait <= 10.0 for wait in waits)
    assert max(waits) - min(waits) > 0.2


def test_every_reason_is_named_and_the_longest_wait_counts(pod: PodThrottles) -> None:
    first, second = Scripted(lambda: Held("lag 9 s", 2.0)), Scripted(lambda: Held("closed", 60.0))
    assert pod.held((first, Scripted(), second), None) == Held("lag 9 s; closed", 60.0)


# Closed


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no number\nsecond line"), "ValueError: no number"),
        (KeyError(), "KeyError"),
        (OperationalError("SHOW x", {}, Exception("gone away")), "OperationalError: gone away"),
    ],
)
def test_one_that_cannot_be_read_holds_the_run_back(pod: PodThrottles, error: Exception, said: str) -> None:
    assert pod.held((Scripted(raising(error)),), None) == Held(f"scripted cannot be read: {said}", 1.0)


def test_a_pod_that_cannot_be_reached_holds_the_run_back(seconds: Seconds) -> None:
    throttle = Scripted()
    held = a_pod(seconds, raising(ConnectionError("it is down"))).held((throttle,), None)
    assert held is not None
    assert held.reason == "scripted cannot be read: ConnectionError: it is down"
    assert throttle.asked == []


@pytest.mark.parametrize("nonsense", [True, False, "busy", 0, ("busy", 1.0)])
def test_an_answer_that_is_none_holds_the_run_back(pod: PodThrottles, nonsense: object) -> None:
    held = pod.held((Scripted(lambda: nonsense),), None)
    assert held is not None
    assert held.reason.startswith("scripted cannot be read: TypeError: it answered ")


def test_a_limit_of_the_jobs_time_is_not_taken_for_an_answer(pod: PodThrottles) -> None:
    with pytest.raises(TimeLimitExceeded):
        pod.held((Scripted(raising(TimeLimitExceeded("it ran for 5 s"))),), None)
    assert pod.held((Scripted(),), None) is None


def test_one_that_does_not_answer_holds_back_everybody_who_asks(
    pod: PodThrottles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttles, "PATIENCE_SECONDS", 0.01)
    asking, answer = threading.Event(), threading.Event()

    def stuck() -> None:
        asking.set()
        answer.wait(30)

    throttle = Scripted(stuck)
    thread = threading.Thread(target=pod.held, args=((throttle,), None))
    thread.start()
    assert asking.wait(30)
    held = pod.held((throttle,), None)
    answer.set()
    thread.join()
    assert held is not None
    assert held.reason == "scripted cannot be read: it has not answered yet"
    assert pod.held((throttle,), None) is None
    assert len(throttle.asked) == 1


# Functions


@pytest.mark.parametrize(
    ("said", "held"),
    [
        (None, None),
        ("9 orders, limit 5", Held("mine 9 orders, limit 5", 1.0)),
        (Held("9 orders, limit 5", 7.0), Held("mine 9 orders, limit 5", 7.0)),
    ],
)
def test_a_function_says_why_under_the_throttles_name(
    pod: PodThrottles, said: Any, held: Held | None
) -> None:
    assert pod.held((Function("mine", lambda _around: said),), None) == held


@pytest.mark.parametrize("said", [True, False, 0, ""])
def test_a_function_that_says_neither_holds_the_run_back(pod: PodThrottles, said: Any) -> None:
    held = pod.held((Function("mine", lambda _around: said),), None)
    assert held is not None
    assert held.reason.startswith("mine ")
