"""The formula of retries, what a policy may say, and the decision between another run and the dead set."""

from __future__ import annotations

from typing import Any

import pytest

from podwork import App, Bury, Discard, RetryPolicy
from podwork.errors import ConfigurationError
from podwork.retry import (
    ERROR_CHARACTERS,
    Again,
    Decision,
    Dropped,
    Exhausted,
    decide,
    delay_seconds,
    describe,
)
from podwork.signals import Retry

NO = ValueError("no")


@pytest.mark.parametrize(
    ("failures", "least", "most"), [(1, 15, 25), (2, 16, 36), (3, 31, 61), (5, 271, 321), (11, 10015, 10125)]
)
def test_the_wait_is_sidekiqs_curve(failures: int, least: float, most: float) -> None:
    assert delay_seconds(failures, lambda: 0.0) == least
    assert delay_seconds(failures, lambda: 1.0) == most


def test_jitter_spreads_jobs_that_failed_together() -> None:
    assert len({delay_seconds(3) for _ in range(50)}) > 40


def kinds(policy: RetryPolicy, times: int) -> list[type[Decision]]:
    return [type(decide(policy, failures, NO)) for failures in range(times)]


def test_as_many_retries_as_declared_and_then_the_dead_set() -> None:
    assert kinds(RetryPolicy(2), 3) == [Again, Again, Exhausted]
    assert kinds(RetryPolicy(0), 1) == [Exhausted]


def test_a_schedule_says_when_and_how_often() -> None:
    policy = RetryPolicy(schedule=[5, 60])
    assert [decide(policy, failures, NO) for failures in range(3)] == [
        Again(5, "ValueError: no"),
        Again(60, "ValueError: no"),
        Exhausted("ValueError: no"),
    ]


def test_a_schedule_is_what_it_was_when_it_was_declared() -> None:
    waits = [5.0]
    policy = RetryPolicy(schedule=waits)
    waits.append(6.0)
    assert policy.most == 1
    assert hash(policy) == hash(RetryPolicy(schedule=(5.0,)))


def test_for_a_time_retries_go_on_however_many_and_end_with_it() -> None:
    policy = RetryPolicy(for_seconds=100.0)
    late = decide(policy, 60, NO, failing_seconds=40.0)
    assert late == Again(60.0, "ValueError: no"), (
        "the last one comes at the end of the time, not weeks after it"
    )
    first = decide(policy, 0, NO)
    assert isinstance(first, Again)
    assert 15 <= first.after_seconds <= 25
    assert decide(policy, 1, NO, failing_seconds=100.0) == Exhausted("ValueError: no")


def test_the_last_wait_of_a_schedule_repeats_as_long_as_there_is_time() -> None:
    policy = RetryPolicy(for_seconds=100.0, schedule=(1.0, 7.0))
    waits = [decide(policy, failures, NO, 10.0) for failures in (0, 1, 9)]
    assert [wait.after_seconds for wait in waits if isinstance(wait, Again)] == [1.0, 7.0, 7.0]


def advising(answer: Any, count: int = 2) -> RetryPolicy:
    return RetryPolicy(count, hook=lambda _error, _failures: answer)


def test_a_hook_is_asked_with_the_error_and_the_failures_so_far() -> None:
    asked: list[tuple[BaseException, int]] = []
    policy = RetryPolicy(hook=lambda error, failures: asked.append((error, failures)))
    decide(policy, 3, NO)
    assert asked == [(NO, 4)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (12.5, Again(12.5, "ValueError: no")),
        (0, Again(0.0, "ValueError: no")),
        (Discard("known"), Dropped("known")),
        (Bury("look at it"), Exhausted("look at it (ValueError: no)")),
    ],
)
def test_a_hook_decides(answer: Any, expected: Decision) -> None:
    assert decide(advising(answer), 0, NO) == expected


def test_a_hook_makes_no_more_retries_than_there_are() -> None:
    assert decide(advising(1.0), 2, NO) == Exhausted("ValueError: no")
    assert decide(advising(Discard("known")), 2, NO) == Dropped("known")
    for_a_time = RetryPolicy(for_seconds=5.0, hook=lambda _error, _failures: 60.0)
    assert decide(for_a_time, 0, NO, failing_seconds=1.0) == Again(4.0, "ValueError: no")


@pytest.mark.parametrize(
    "answer", [None, "soon", -1.0, float("nan"), float("inf"), 1e300, True, object(), Discard]
)
def test_without_usable_advice_it_goes_on_as_usual(answer: Any) -> None:
    decision = decide(advising(answer), 0, NO)
    assert isinstance(decision, Again)
    assert 15 <= decision.after_seconds <= 25


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(1), KeyboardInterrupt()])
def test_a_hook_that_fails_loses_nothing(error: BaseException) -> None:
    def fail(_error: BaseException, _failures: int) -> None:
        raise error

    assert isinstance(decide(RetryPolicy(2, hook=fail), 0, NO), Again)
    assert isinstance(decide(RetryPolicy(2, hook=fail), 2, NO), Exhausted)


def test_a_hook_may_raise_what_it_may_return() -> None:
    def drop(_error: BaseException, _failures: int) -> None:
        raise Discard("known")

    assert decide(RetryPolicy(hook=drop), 0, NO) == Dropped("known")


def test_a_job_may_say_when_and_spends_an_attempt_all_the_same() -> None:
    assert decide(RetryPolicy(1), 0, Retry(7.5)) == Again(7.5, "podwork.signals.Retry: asked for by the job")
    assert isinstance(decide(RetryPolicy(1), 1, Retry(7.5)), Exhausted)
    assert decide(advising(1.0), 0, Retry(7.5)) == Again(7.5, "podwork.signals.Retry: asked for by the job")


def test_a_job_may_say_that_it_is_enough() -> None:
    assert decide(RetryPolicy(9), 0, Bury("look at it")) == Exhausted("look at it")
    assert len(decide(RetryPolicy(9), 0, Bury("x" * 5000)).reason) == ERROR_CHARACTERS  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "policy",
    [
        RetryPolicy(-1),
        RetryPolicy("3"),  # type: ignore[arg-type]
        RetryPolicy(True),
        RetryPolicy(for_seconds=0),
        RetryPolicy(for_seconds=float("inf")),
        RetryPolicy(3, for_seconds=60),
        RetryPolicy(3, schedule=(1, 2)),
        RetryPolicy(schedule=()),
        RetryPolicy(schedule=(1, -1)),
        RetryPolicy(schedule="12"),  # type: ignore[arg-type]
        RetryPolicy(schedule=5),  # type: ignore[arg-type]
        RetryPolicy(3, schedule=5),  # type: ignore[arg-type]
        RetryPolicy(hook="soon"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_meant_so_is_refused(policy: RetryPolicy) -> None:
    with pytest.raises(ConfigurationError, match=r"shop\.collect"):
        policy.check("shop.collect")


@pytest.mark.parametrize(
    "policy",
    [
        RetryPolicy(),
        RetryPolicy(0),
        RetryPolicy(for_seconds=60),
        RetryPolicy(schedule=[1, 2.5]),
        RetryPolicy(2, schedule=(1, 2)),
        RetryPolicy(for_seconds=60, schedule=(1,)),
        RetryPolicy(hook=lambda _error, _failures: None),
    ],
)
def test_what_can_be_meant_so_is_taken(policy: RetryPolicy) -> None:
    policy.check("shop.collect")


@pytest.mark.parametrize("retry", [1, RetryPolicy(), RetryPolicy(for_seconds=60), RetryPolicy(schedule=(1,))])
def test_at_most_once_and_retries_exclude_each_other(retry: int | RetryPolicy) -> None:
    with pytest.raises(ConfigurationError, match="at_most_once"):
        App("x").job(at_most_once=True, retry=retry)(lambda: None)
    App("y").job(at_most_once=True, retry=0)(lambda: None)
    App("z").job(at_most_once=True)(lambda: None)


def test_an_error_is_one_bounded_line() -> None:
    assert describe(ValueError("two\nlines")) == "ValueError: two lines"
    assert describe(SystemExit()) == "SystemExit"
    assert len(describe(ValueError("x" * 5000))) == ERROR_CHARACTERS


def test_an_error_that_cannot_be_shown_is_still_a_failure() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "cannot be shown" in describe(Broken())
