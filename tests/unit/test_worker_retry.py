"""The formula of retries, and the decision between another run and the dead set."""

from __future__ import annotations

import pytest

from podwork.retry import ERROR_CHARACTERS, Again, Exhausted, decide, delay_seconds, describe
from podwork.signals import Retry


@pytest.mark.parametrize(
    ("failures", "least", "most"), [(1, 15, 25), (2, 16, 36), (3, 31, 61), (5, 271, 321), (11, 10015, 10125)]
)
def test_the_wait_is_sidekiqs_curve(failures: int, least: float, most: float) -> None:
    assert delay_seconds(failures, lambda: 0.0) == least
    assert delay_seconds(failures, lambda: 1.0) == most


def test_jitter_spreads_jobs_that_failed_together() -> None:
    assert len({delay_seconds(3) for _ in range(50)}) > 40


def test_as_many_retries_as_declared_and_then_the_dead_set() -> None:
    decisions = [decide(failures, 2, ValueError("no")) for failures in range(3)]
    assert [type(decision) for decision in decisions] == [Again, Again, Exhausted]


def test_a_job_may_say_when_and_spends_an_attempt_all_the_same() -> None:
    assert decide(0, 1, Retry(7.5)) == Again(7.5, "podwork.signals.Retry: asked for by the job")
    assert isinstance(decide(1, 1, Retry(7.5)), Exhausted)


def test_an_error_is_one_bounded_line() -> None:
    assert describe(ValueError("two\nlines")) == "ValueError: two lines"
    assert describe(SystemExit()) == "SystemExit"
    assert len(describe(ValueError("x" * 5000))) == ERROR_CHARACTERS


def test_an_error_that_cannot_be_shown_is_still_a_failure() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "cannot be shown" in describe(Broken())
