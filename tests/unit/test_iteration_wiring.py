"""An iteration job among the other jobs: how it is declared, which policies it may have, and who runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

import podwork
from podwork import (
    App,
    Collection,
    Concurrency,
    Interrupted,
    Job,
    RetryPolicy,
    Snooze,
    Unique,
    identity,
    record,
)
from podwork.context import JobContext
from podwork.errors import ConfigurationError, InvalidArguments
from podwork.identity import InvalidJobId, job_of_run, run_of
from podwork.iteration.job import IterationJob
from podwork.iteration.methods import Form
from podwork.job import JobClass
from podwork.lease import Lease
from podwork.signals import JobSignal
from podwork.testing import fake
from podwork.worker.isolation import ends
from podwork.worker.middleware import run_job
from podwork_pods import items
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.run_jobs import RunJobs

RUN = "0" * 20 + "a-330"
CONTEXT = JobContext(RUN, "fill", "low", 330, 7, 2)


class Fill(IterationJob):
    """Fills something."""

    percent: int = 100

    def collection(self) -> Collection:
        return items([1, 2, 3])

    def each(self, item: int) -> None:
        """Do nothing."""


class Sweep(Job):
    """Another kind of job."""

    def run(self) -> None:
        """Do nothing."""


class Recorder:
    """Runs nothing; knows what it was asked for, and answers what it is given."""

    def __init__(self, answer: JobSignal | None = None) -> None:
        self.answer = answer
        self.asked: list[tuple[JobClass[Any], Mapping[str, Any], JobContext]] = []

    def work(
        self, job_class: JobClass[Any], args: Mapping[str, Any], context: JobContext
    ) -> JobSignal | None:
        self.asked.append((job_class, args, context))
        return self.answer


def declared(**policies: Any) -> JobClass[Any]:
    """Return the job in an application of its own."""
    app = App("x")
    app.job(name="fill", **policies)(type("Fill", (Fill,), {}))
    return app.job_class("fill")


def lease_of(job_class: JobClass[Any], args: bytes = b'{"percent":95}', job_id: str = RUN) -> Lease:
    prefix = record.payload_prefix(job_class.name, 1)
    return Lease("host:1:aaaa", "330", job_id, record.encode_first("low", 1, prefix, args))


# Declaring


def test_its_declaration_comes_with_the_job() -> None:
    job_class = declared(queue="backfills")
    assert job_class.declaration is not None
    assert (job_class.declaration.form, job_class.queue) == (Form.EACH, "backfills")
    assert job_class.parameters is job_class.declaration.parameters
    app = App("others")
    app.job(name="sweep")(Sweep)
    app.job(name="function")(lambda: None)
    assert [each.declaration for each in app.job_classes.values()] == [None, None]
    assert not app.has_iteration_jobs()
    assert job_class.app.has_iteration_jobs()


def test_what_it_lacks_is_said_when_it_is_declared() -> None:
    with pytest.raises(ConfigurationError, match=r"has no collection\(\)"):
        App("x").job()(type("Empty", (IterationJob,), {}))


@pytest.mark.parametrize(
    ("policies", "why"),
    [
        ({"at_most_once": True}, "its jobs have to start again"),
        ({"unique": Unique()}, "a run has many jobs"),
        ({"soft_limit_seconds": 60}, "each of its jobs works for 60 seconds"),
        ({"hard_limit_seconds": 5.5}, "hard_limit_seconds=5.5"),
    ],
)
def test_policies_that_would_be_taken_to_be_about_the_run_are_refused(
    policies: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigurationError, match=why) as raised:
        declared(**policies)
    assert raised.value.remedy


def test_other_policies_are_those_of_its_jobs() -> None:
    job_class = declared(
        retry=RetryPolicy(3), version=2, limits=[Concurrency(4)], soft_limit_seconds=61, expires_in=5
    )
    assert job_class.policy.version == 2


def test_a_shorter_time_slice_allows_a_shorter_limit() -> None:
    class Short(Fill):
        """Works for a second at a time."""

        time_slice_seconds = 1.0

    App("x").job(soft_limit_seconds=2)(Short)


# Pushing


def test_it_is_pushed_like_any_other_job() -> None:
    job_class = declared()
    with fake(job_class.app, pods=[1, 2]) as jobs:
        job_class.enqueue(percent=95, shop_id=330)
        job_class.enqueue_bulk([{"percent": 1, "shop_id": 331}, {"pod": 2}])
        jobs.assert_enqueued(job_class, percent=95, shop_id=330)
        jobs.assert_enqueued(job_class, percent=100, pod=2)
        with pytest.raises(InvalidArguments):
            job_class.enqueue(percent="95", shop_id=330)
        with pytest.raises(InvalidArguments):
            job_class.enqueue(95, shop_id=330)
        assert len(jobs.enqueued()) == 3


def test_every_pod_gets_a_job_of_its_own() -> None:
    job_class = declared()
    with fake(job_class.app, pods=[1, 4]) as jobs:
        first, second = job_class.enqueue_on_every_pod(percent=95)
        found = jobs.enqueued(job_class, percent=95)
    assert [(job.id, job.pod_id) for job in found] == [(first, 1), (second, 4)]
    assert first != second
    assert {identity.shop_text(job_id) for job_id in (first, second)} == {"pod"}


def test_a_schedule_pushes_it_too() -> None:
    job_class = declared()
    job_class.app.schedule("nightly", job_class, {"percent": 95}, every=86_400)
    [schedule] = job_class.app.schedules
    assert (schedule.work.args, schedule.work.extras) == ('{"percent":95}', "i:1")


def test_a_job_knows_its_group() -> None:
    assert CONTEXT.group_id is None
    assert JobContext(RUN, "fill", "low", None, 7, 2, extras=f"g:{RUN},z:3").group_id == RUN


# Running


def test_who_is_bound_runs_it() -> None:
    job_class, recorder = declared(), Recorder()
    job_class.app.bind(None, lambda: recorder)
    run_job(job_class, lease_of(job_class), CONTEXT)
    assert recorder.asked == [(job_class, {"percent": 95}, CONTEXT)]


@pytest.mark.parametrize("signal", [Snooze(5, "the replica lags"), Interrupted()])
def test_what_it_answers_is_how_the_job_ends(signal: JobSignal) -> None:
    job_class = declared()
    job_class.app.bind(None, lambda: Recorder(signal))
    with pytest.raises(type(signal)) as raised:
        run_job(job_class, lease_of(job_class), CONTEXT)
    assert raised.value is signal
    told = ends.decode(ends.encode(ends.End(ends.of_error(signal, lease_of(job_class), job_class)))).what
    with pytest.raises(type(signal)) as heard:  # the same from a process of its own
        ends.come_back(told, CONTEXT)
    assert str(heard.value) == str(signal)


def test_where_nobody_is_bound_it_fails_and_says_so() -> None:
    job_class = declared()
    with pytest.raises(ConfigurationError, match="cannot run iteration jobs here"):
        run_job(job_class, lease_of(job_class), CONTEXT)
    job_class.app.bind(None, Recorder)
    job_class.app.bind(None)  # binding a client anew takes it away
    with pytest.raises(ConfigurationError):
        run_job(job_class, lease_of(job_class), CONTEXT)


# Ids


def test_the_jobs_of_a_run_say_whose_they_are() -> None:
    run_id = identity.new_job_id(1_000, "330")
    third = job_of_run(run_id, 3)
    assert (job_of_run(run_id, 0), job_of_run(third, 12)) == (run_id, job_of_run(run_id, 12))
    assert (run_of(third), run_of(run_id)) == (run_id, run_id)
    assert (identity.shop_text(third), identity.pushed_at_seconds(third)) == ("330", 1.0)
    assert third.partition("-")[2] == "330", "as scripts read it"
    assert len({job_of_run(run_id, number) for number in range(20)}) == 20


@pytest.mark.parametrize("number", ["", "0", "01", "x", "-1", "1.2", "\N{SUPERSCRIPT TWO}"])
def test_a_number_that_no_job_of_a_run_has_makes_no_id(number: str) -> None:
    with pytest.raises(InvalidJobId):
        run_of(f"{'0' * 21}.{number}-7")


# Loading


def test_it_is_loaded_when_it_is_asked_for() -> None:
    assert podwork.IterationJob is IterationJob
    assert set(podwork.__all__) <= set(dir(podwork)) | set(podwork._ITERATION)
    with pytest.raises(AttributeError, match="Iterations"):
        podwork.Iterations  # type: ignore[attr-defined]  # noqa: B018


def test_a_run_whose_class_is_unknown_here_is_left_to_others() -> None:
    app = App("other")
    unknown: dict[str, Any] = dict.fromkeys(Run._fields)
    run = Run(**{**unknown, "id": RUN, "job_class": "fill", "params": {}})
    RunJobs(app).of_known(run)  # it has no client, and needs none
    with pytest.raises(ConfigurationError, match="not connected"):
        RunJobs(declared().app).of_known(run)
