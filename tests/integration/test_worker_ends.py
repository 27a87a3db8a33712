"""Signals, retry policies, expiry, at most once, soft limits and follow-ups, in a real worker."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest

from podwork import keys, record
from podwork.client import Client
from podwork.interventions import Interventions
from podwork.job import JobClass
from podwork.policy import JobPolicy
from podwork.queues import Queues
from podwork.single import SingleRouter
from tests.support import ends_shop as ends
from tests.support import worker_shop as shop
from tests.support.pause import Point
from tests.support.processes import ManagedProcess, Processes
from tests.support.wait import until
from tests.support.worker_run import SHOP, WorkerRun

ENDINGS = {"interrupted": 1, "snooze": 1, "retry": 2}
"""Signals after which a job runs again -> the attempt that the second run is."""


@pytest.fixture
def run(processes: Processes, redis_url: str) -> WorkerRun:
    return WorkerRun(processes, redis_url)


def extras(run: WorkerRun, job_id: str) -> dict[str, str]:
    """The extras of a job as they stand."""
    stored = run.store.command("HGET", keys.jobs(str(SHOP)), job_id)
    return record.read_extras(record.split(stored)[0].extras)


def observed(worker: ManagedProcess) -> dict[str, int]:
    """End the worker and return what it has counted, by outcome."""
    worker.signal(signal.SIGTERM)
    counted: dict[str, int] = json.loads(worker.wait().stdout.splitlines()[-1])
    return counted


# Signals


@pytest.mark.parametrize("job", [ends.returning, ends.raising], ids=["returned", "raised"])
@pytest.mark.parametrize("kind", ENDINGS)
def test_a_signal_runs_the_job_again(run: WorkerRun, job: JobClass[Any], kind: str) -> None:
    job_id = run.push(job, kind=kind)
    run.start(threads=1)
    run.until_state(job_id, "ended")
    assert run.marked("runs")[job_id] == 2
    interruptions, snoozes = int(kind == "interrupted"), int(kind == "snooze")
    assert json.loads(str(run.marks.get("second-run"))) == [ENDINGS[kind], interruptions, snoozes]


@pytest.mark.parametrize("job", [ends.returning, ends.raising], ids=["returned", "raised"])
@pytest.mark.parametrize(
    ("kind", "state", "total", "outcome"),
    [
        ("discard", "ended", "discarded", "discarded"),
        ("cancel", "ended", "cancelled", "cancelled"),
        ("bury", "dead", "buried", "dead"),
    ],
)
def test_a_signal_ends_the_job(
    run: WorkerRun, job: JobClass[Any], kind: str, state: str, total: str, outcome: str
) -> None:
    worker = run.start(threads=1)
    job_id = run.push(job, kind=kind)
    run.until_state(job_id, state)
    assert run.marked("runs") == {job_id: 1}
    assert run.inspection.totals()[total] == 1
    assert "acknowledged" not in run.inspection.totals()
    if kind == "bury":
        assert run.error_of(job_id) == "somebody has to look"
    assert observed(worker) == {outcome: 1}
    assert run.inspection.counts().ready == 0, "what it had collected to follow was dropped"


# Retries


def test_a_schedule_of_retries_and_a_fingerprint_that_stays(run: WorkerRun) -> None:
    first, second = run.push(ends.on_schedule), run.push(ends.on_schedule, shop_id=SHOP)
    run.start(threads=2)
    run.until_state(first, "dead")
    run.until_state(second, "dead")
    assert run.marked("runs") == {first: 3, second: 3}
    prints = {extras(run, job_id)["e"] for job_id in (first, second)}
    assert len(prints) == 1, "the messages differ in what is quoted and in a number"
    assert len(prints.pop()) == 8
    assert abs(int(extras(run, first)["f"]) / 1000 - time.time()) < 60


def test_retries_for_a_time_end_with_it(run: WorkerRun) -> None:
    job_id = run.push(ends.for_a_while)
    run.start(threads=1)
    run.until_state(job_id, "dead")
    buried_ms = float(run.store.command("ZSCORE", keys.DEAD, job_id))
    assert buried_ms - int(extras(run, job_id)["f"]) >= 1990, "not before the time was over"
    assert run.marked("runs")[job_id] >= 2


def test_a_hook_decides_and_a_broken_one_loses_nothing(run: WorkerRun) -> None:
    worker = run.start(threads=2)
    jobs = {
        text: run.push(ends.advised, message=text) for text in ("again", "bury", "raise", "nonsense", "else")
    }
    run.until_state(jobs["again"], "ended")
    assert run.marked("runs")[jobs["again"]] == 3
    run.until_state(jobs["bury"], "dead")
    assert run.error_of(jobs["bury"]) == "a hook said so (ValueError: bury)"
    for text in ("raise", "nonsense", "else"):
        run.until_state(jobs[text], "scheduled")
        assert run.error_of(jobs[text]) == f"ValueError: {text}"
    assert "a retry hook failed" in worker.stderr
    assert "a retry hook answered 'soon'" in worker.stderr


# Expiry, versions, records that nobody can read


def test_a_job_that_expired_is_not_started(run: WorkerRun) -> None:
    shop.app.bind(Client(SingleRouter(), lambda _pod: run.queues))
    expired = shop.effect.enqueue(shop_id=SHOP, expires_in=0.001)
    in_time = shop.effect.enqueue(shop_id=SHOP, expires_in=3600)
    until(lambda: time.time() * 1000 > int(extras(run, expired)["x"]))
    worker = run.start(threads=1)
    run.until_state(in_time, "ended")
    run.until_state(expired, "ended")
    assert run.marked("runs") == {in_time: 1}
    assert run.inspection.totals()["expired"] == 1
    assert observed(worker) == {"succeeded": 1, "expired": 1}


def test_a_version_above_the_declared_one_waits(run: WorkerRun) -> None:
    newer: JobClass[Any] = JobClass(
        shop.app,
        shop.nothing.target,
        name=shop.nothing.name,
        queue="default",
        policy=JobPolicy(version=2),
    )
    job_id, known = run.push(newer), run.push(shop.nothing)
    run.start(threads=1)
    run.until_state(job_id, "parked")
    run.until_state(known, "ended")


def test_a_record_that_nobody_can_read_is_buried(run: WorkerRun) -> None:
    job_id = run.push(shop.effect)
    run.store.command("HSET", keys.jobs(str(SHOP)), job_id, "- default 1 0 0 0 0 {not json")
    run.start(threads=1)
    until(lambda: run.inspection.counts().dead == 1, message="buried")
    stored = run.store.command("HGET", keys.jobs(str(SHOP)), job_id)
    assert b"its record cannot be read" in stored


# At most once


def test_what_may_start_once_is_buried_when_its_process_has_to_go(run: WorkerRun) -> None:
    worker = run.start(threads=2, drain_seconds=0.2)
    once, deaf = run.push(ends.once, go="never"), run.push(shop.stand, go="never")
    run.until_marked("started", once, deaf)
    assert observed(worker) == {"dead": 1, "interrupted": 1}
    assert (run.state(once), run.state(deaf)) == ("dead", "ready")
    assert "at most once" in run.error_of(once)
    assert run.marked("started") == {once: 1, deaf: 1}


def test_what_may_start_once_and_has_not_is_given_back(run: WorkerRun) -> None:
    """It waits behind another job when the worker is told to go."""
    worker = run.start(threads=1, drain_seconds=0.2)
    run.push(shop.stand, go="never")
    run.until_marked("started", *run.inspection.job_ids(str(SHOP)))
    waiting = run.push(ends.once)
    worker.signal(signal.SIGTERM)
    worker.wait()
    assert run.state(waiting) == "ready"
    run.go("never")
    run.start(threads=1)
    run.until_state(waiting, "ended")
    assert run.marked("started")[waiting] == 1


@pytest.mark.parametrize("kind", ["interrupted", "snooze", "retry"])
def test_what_may_start_once_cannot_ask_for_another_start(run: WorkerRun, kind: str) -> None:
    job_id = run.push(ends.once_speaking, kind=kind)
    run.start(threads=1)
    run.until_state(job_id, "dead")
    assert run.marked("started") == {job_id: 1}


def test_a_lock_until_the_start_is_free_when_the_job_runs(run: WorkerRun) -> None:
    run.start(threads=2)
    first = run.push(ends.lone_until_start, go="a")
    run.until_marked("started", first)
    second = run.push(ends.lone_until_start, go="a")
    assert second != first
    run.until_marked("started", second)
    run.go("a")
    run.until_state(first, "ended")
    run.until_state(second, "ended")


# Limits of time, and a person's word


def test_a_job_over_its_soft_limit_fails_unless_it_catches_the_error(run: WorkerRun) -> None:
    run.start(threads=2)
    failing, catching = run.push(ends.slow, catches=False), run.push(ends.slow, catches=True)
    run.until_state(failing, "dead")
    run.until_state(catching, "ended")
    job = run.job(failing)
    assert job is not None
    assert (job.attempts, "soft limit" in job.error) == (1, True)
    assert run.marked("limited") == {failing: 1, catching: 1}
    run.until_state(run.push(shop.effect), "ended")


def test_a_running_job_that_a_person_cancels_is_told_and_never_runs_again(run: WorkerRun) -> None:
    worker = run.start(threads=1)
    job_id = run.push(ends.stoppable, go="never")
    run.until_marked("started", job_id)
    assert Interventions(run.store).cancel([job_id]) == [(job_id, "stopping")]
    run.until_state(job_id, "ended")
    assert json.loads(str(run.marks.get("stopped-because"))) == [True, True]
    assert run.marked("started") == {job_id: 1}
    assert run.inspection.totals()["cancelled"] == 1
    assert observed(worker) == {"cancelled": 1}


# Follow-ups


def test_what_follows_is_stored_with_the_success(run: WorkerRun) -> None:
    job_id = run.push(ends.leading, calls=3)
    run.start(threads=2)
    until(lambda: run.marks.scard("effects") == 3, message="three effects")
    run.until_state(job_id, "ended")
    until(lambda: run.inspection.counts().unfinished == 0)
    assert run.inspection.totals()["acknowledged"] == 4


def test_the_class_form_leads_too_and_what_is_due_later_is_scheduled(run: WorkerRun) -> None:
    run.push(ends.Leading.job_class)
    run.start(threads=1)
    until(lambda: run.marks.scard("effects") == 1, message="the effect that follows at once")
    assert run.inspection.counts().scheduled == 1


def test_a_job_of_the_pod_is_followed_in_the_pod(run: WorkerRun) -> None:
    shop.app.bind(Client(SingleRouter(), lambda _pod: run.queues))
    ends.leading.enqueue(pod=1)
    run.start(threads=1)
    until(lambda: run.marks.scard("effects") == 1, message="the effect")


def test_nothing_follows_a_failure(run: WorkerRun) -> None:
    job_id = run.push(ends.leading, fails=True)
    run.start(threads=1)
    run.until_state(job_id, "scheduled")
    assert run.inspection.counts().unfinished == 1


def test_a_job_of_another_shop_cannot_follow(run: WorkerRun) -> None:
    job_id = run.push(ends.leading_astray)
    run.start(threads=1)
    run.until_state(job_id, "scheduled")
    assert "InvalidRoute" in run.error_of(job_id)


def test_an_end_that_is_said_twice_stores_what_follows_once(run: WorkerRun) -> None:
    """The answer to the first was lost: the second finds that the job is not held any more."""
    lead = run.push(ends.leading)
    worker = run.start_pausing([Point("worker.before-acknowledge")], threads=1)
    stop = worker.wait_at("worker.before-acknowledge")
    [incarnation] = run.incarnations()
    [lease] = run.queues.adopt(incarnation)
    assert Queues(run.store).acknowledge(incarnation, [lease]) == []  # as if the exchange had gone through
    stop.go_on()
    run.until_state(lead, "ended")
    until(lambda: run.inspection.counts().unfinished == 0)
    assert run.marks.scard("effects") == 0, "an end that is refused stores nothing"
