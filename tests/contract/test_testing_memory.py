"""The memory of `podwork.testing` and the scripts do the same: stories and random histories on both."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from podwork import App
from podwork.job import JobClass
from podwork.unique import Conflict, Unique, Until
from tests.support.memory_and_scripts import Both

PLACES: list[int | None] = [1, 2, None]
app = App("contract")


def declare(name: str, unique: Unique | None = None, queue: str = "default") -> JobClass[Any]:
    @app.job(name=name, unique=unique, queue=queue)
    def job(n: int = 0, note: int = 0) -> None:
        """Do nothing."""

    return job


def by_n(until: Until, conflict: Conflict, period_seconds: float | None = None) -> JobClass[Any]:
    name = f"{'period' if period_seconds else until}-{conflict}"
    return declare(name, Unique(until, period_seconds, ("n",), conflict))


PLAIN, LOW = declare("plain"), declare("plain-low", queue="low")
START_DROP, START_AGAIN = by_n("start", "drop"), by_n("start", "reschedule")
DROP, REPLACE, AGAIN = (by_n("success", conflict) for conflict in ("drop", "replace", "reschedule"))
PERIOD_DROP, PERIOD_REPLACE, PERIOD_AGAIN = (
    by_n("success", conflict, 22) for conflict in ("drop", "replace", "reschedule")
)
JOBS = [
    PLAIN, LOW, START_DROP, START_AGAIN, DROP, REPLACE, AGAIN, PERIOD_DROP, PERIOD_REPLACE, PERIOD_AGAIN
]  # fmt: skip


@pytest.fixture
def both(redis_url: str) -> Iterator[Both]:
    made = Both(redis_url)
    yield made
    made.compare()
    made.close()


@pytest.mark.parametrize("job", [DROP, PERIOD_DROP, START_DROP], ids=lambda job: job.name)
def test_a_second_push_is_the_first(both: Both, job: JobClass[Any]) -> None:
    assert [both.push(job, note=note) for note in (1, 2)] == [0, 0]
    assert both.note(0) == 1
    assert both.push(job, place=2) == 1
    assert both.push(job, n=1) == 2


@pytest.mark.parametrize("job", [REPLACE, PERIOD_REPLACE], ids=lambda job: job.name)
def test_a_replacement_gives_its_content_and_its_time(both: Both, job: JobClass[Any]) -> None:
    assert both.push(job, note=1, in_=12) == 0
    assert both.push(job, note=2, in_=27) == 0
    both.pass_time(15)
    assert both.claim() is None
    assert both.push(job, note=3) == 0
    assert (both.claim(), both.note(0)) == (0, 3)


@pytest.mark.parametrize("job", [REPLACE, AGAIN, PERIOD_REPLACE, PERIOD_AGAIN], ids=lambda job: job.name)
def test_what_runs_is_followed_once(both: Both, job: JobClass[Any]) -> None:
    both.push(job)
    both.claim()
    assert [both.push(job, note=note) for note in (1, 2)] == [1, 1]
    newest = 2 if job in (REPLACE, PERIOD_REPLACE) else 1
    assert (both.note(0), both.note(1)) == (0, newest)
    assert both.claim() is None
    both.end(0, "discard")
    assert both.push(job, note=3) == 1, "the lock is the follower's now"
    assert both.claim() == 1


@pytest.mark.parametrize("way", ["succeed", "follow", "discard", "bury"])
@pytest.mark.parametrize("job", [REPLACE, AGAIN, PERIOD_REPLACE, PERIOD_AGAIN], ids=lambda job: job.name)
def test_who_waits_for_an_end_is_let_in_whatever_the_end(both: Both, job: JobClass[Any], way: str) -> None:
    both.push(job)
    both.claim()
    assert both.push(job) == 1
    both.end(0, way)
    assert both.claim() == 1


@pytest.mark.parametrize("way", ["succeed", "bury"])
def test_a_period_outlives_its_job_and_who_followed_it(both: Both, way: str) -> None:
    both.push(PERIOD_AGAIN)
    both.claim()
    both.push(PERIOD_AGAIN)
    both.end(0, way)
    both.claim()
    assert both.push(PERIOD_AGAIN) == 0, "the period is not over"
    both.end(1, "succeed")
    assert both.push(PERIOD_AGAIN) == 0
    both.pass_time(23)
    assert both.push(PERIOD_AGAIN) == 2


@pytest.mark.parametrize("job", [PERIOD_REPLACE, PERIOD_AGAIN], ids=lambda job: job.name)
def test_the_lock_of_a_follower_ends_with_it(both: Both, job: JobClass[Any]) -> None:
    both.push(job)
    both.claim()
    assert both.push(job) == 1
    both.end(0, "discard")
    assert both.claim() == 1
    both.end(1, "succeed")
    assert both.push(job) == 2


@pytest.mark.parametrize("job", [START_DROP, START_AGAIN], ids=lambda job: job.name)
def test_a_lock_until_start_is_free_at_the_start(both: Both, job: JobClass[Any]) -> None:
    both.push(job)
    both.claim()
    both.start(0)
    assert both.push(job) == 1


@pytest.mark.parametrize(
    ("job", "way", "free"),
    [
        (DROP, "succeed", True),
        (DROP, "discard", True),
        (DROP, "bury", True),
        (DROP, "retry", False),
        (DROP, "release", False),
        (PERIOD_DROP, "succeed", False),
        (PERIOD_DROP, "discard", True),
        (PERIOD_DROP, "bury", False),
        (PERIOD_REPLACE, "bury", False),
    ],
)
def test_when_a_lock_is_free_again(both: Both, job: JobClass[Any], way: str, free: bool) -> None:
    both.push(job)
    both.claim()
    both.end(0, way)
    assert both.push(job, note=7) == (1 if free else 0)


def test_what_is_due_first_comes_first(both: Both) -> None:
    for in_ in (27, 12, 17):
        both.push(PLAIN, in_=in_)
    both.pass_time(30)
    assert [both.claim() for _ in range(4)] == [1, 2, 0, None]


def test_a_period_ends_by_itself(both: Both) -> None:
    both.push(PERIOD_DROP)
    both.pass_time(15)
    assert both.push(PERIOD_DROP) == 0
    both.pass_time(15)
    assert both.push(PERIOD_DROP) == 1


def test_an_idempotency_key_outlives_its_job(both: Both) -> None:
    assert both.push(PLAIN, key="a") == 0
    both.claim()
    both.end(0, "succeed")
    assert both.push(PLAIN, key="a") == 0
    assert both.push(PLAIN, key="b") == 1
    both.pass_time(100_000)
    assert both.push(PLAIN, key="a") == 2


class Histories(RuleBasedStateMachine):
    """Every step is done on both sides. A history knows few jobs and places, so that they meet."""

    url: str
    jobs: list[JobClass[Any]]
    places: list[int | None]

    def __init__(self) -> None:
        super().__init__()
        self.both = Both(self.url)

    @initialize(
        jobs=st.lists(st.sampled_from(JOBS), min_size=1, max_size=2, unique=True),
        places=st.lists(st.sampled_from(PLACES), min_size=1, max_size=3, unique=True),
    )
    def choose(self, jobs: list[JobClass[Any]], places: list[int | None]) -> None:
        self.jobs, self.places = jobs, places

    @rule(
        choice=st.randoms(use_true_random=False),
        n=st.sampled_from([0, 0, 0, 1]),
        note=st.integers(0, 9),
        in_=st.sampled_from([None, None, 12, 27]),
        key=st.sampled_from([None, None, None, "a"]),
    )
    def push(self, choice: Any, n: int, note: int, in_: int | None, key: str | None) -> None:
        job, place = choice.choice(self.jobs), choice.choice(self.places)
        self.both.push(job, place=place, n=n, note=note, in_=in_, key=key)

    @rule()
    def claim(self) -> None:
        self.both.claim()

    @precondition(lambda self: self.both.held)
    @rule(choice=st.randoms(use_true_random=False))
    def start(self, choice: Any) -> None:
        self.both.start(choice.choice(self.both.held))

    @precondition(lambda self: self.both.held)
    @rule(choice=st.randoms(use_true_random=False), way=st.sampled_from(Both.WAYS), late=st.booleans())
    def end(self, choice: Any, way: str, late: bool) -> None:
        number = choice.choice(self.both.held)
        self.both.end(number, way, follower=choice.choice(self.jobs), late=late)

    @rule()
    def promote(self) -> None:
        self.both.promote()

    @rule(seconds=st.sampled_from([5, 15, 100_000]))
    def pass_time(self, seconds: int) -> None:
        self.both.pass_time(seconds)

    @invariant()
    def the_same_jobs_stand_at_the_same_places(self) -> None:
        self.both.compare()

    def teardown(self) -> None:
        """Run dry: the order in which all that is left is claimed is the same, too."""
        _until_none(self.both.claim)
        self.both.close()


def _until_none(step: Callable[[], object]) -> None:
    while step() is not None:
        pass


@pytest.mark.timeout(600)
def test_the_memory_does_what_the_scripts_do(redis_url: str) -> None:
    Histories.url = redis_url
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=int(os.environ.get("PODWORK_FUZZ_EXAMPLES", "25")),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
