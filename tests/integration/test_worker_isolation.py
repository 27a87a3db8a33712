"""A process for each job (`--isolate`): where it runs, how its end gets back, how it is asked to stop."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest

from podwork.inspection import JobState
from podwork.job import JobClass
from tests.support import isolated_shop as shop
from tests.support import worker_shop
from tests.support.isolated_run import IsolatedRun, children_of
from tests.support.pause import Point
from tests.support.processes import Processes
from tests.support.wait import until
from tests.support.worker_run import is_alive


@pytest.fixture
def run(processes: Processes, redis_url: str) -> IsolatedRun:
    return IsolatedRun(processes, redis_url)


def found(run: IsolatedRun, job_id: str) -> JobState:
    job = run.job(job_id)
    assert job is not None
    return job


def test_each_job_has_a_process_of_its_own_with_one_thread(run: IsolatedRun) -> None:
    run.start(threads=2)
    [child] = run.children()
    [hatchery] = children_of(child)
    jobs = [run.push(shop.where) for _ in range(6)]
    for job_id in jobs:
        run.until_state(job_id, "ended")
    said = [json.loads(str(run.marks.hget("where", job_id))) for job_id in jobs]
    pids = {facts[0] for facts in said}
    assert len(pids) == 6
    assert not pids & {child, hatchery}
    assert {tuple(facts[1:]) for facts in said} == {(hatchery, 1, True)}
    assert children_of(child) == [hatchery]
    assert children_of(hatchery) == []


def test_as_many_run_at_once_as_there_are_threads(run: IsolatedRun) -> None:
    run.start(threads=3)
    jobs = [run.push(shop.stand_here, shop_id=number, go="a") for number in range(1, 5)]
    until(lambda: len(run.marked("started")) == 3)
    [hatchery] = children_of(run.children()[0])
    assert len(children_of(hatchery)) == 3
    run.go("a")
    for job_id in jobs:
        run.until_state(job_id, "ended")
    assert run.marked("finished") == dict.fromkeys(jobs, 1)


def test_a_failure_is_scheduled_with_reason_and_fingerprint_as_in_a_thread(run: IsolatedRun) -> None:
    def fail(*, isolate: bool) -> JobState:
        worker = run.start(threads=1, isolate=isolate)
        job_id = run.push(worker_shop.failing)
        run.until_state(job_id, "scheduled")
        worker.signal(signal.SIGTERM)
        assert worker.wait().code == 0
        assert "in failing\n    raise ValueError" in worker.stderr
        return found(run, job_id)

    threaded, isolated = fail(isolate=False), fail(isolate=True)
    assert (isolated.attempts, isolated.reclaims, isolated.error) == (1, 0, "ValueError: always fails")
    assert isolated.error == threaded.error
    assert isolated.fingerprint == threaded.fingerprint


@pytest.mark.parametrize(
    ("job", "args", "end", "outcome"),
    [
        (worker_shop.discarding, {}, "ended", "discarded"),
        (worker_shop.exiting, {}, "dead", "dead"),
        (worker_shop.unspeakable, {}, "dead", "dead"),
        (shop.failing_by_hook, {}, "dead", "dead"),
        (worker_shop.interrupted_once, {}, "ended", "interrupted"),
        (worker_shop.on_hold_once, {}, "ended", "interrupted"),
        (worker_shop.stale_once, {}, "ended", "interrupted"),
        (worker_shop.again_soon, {}, "dead", "retried"),
        (shop.snoozing_once, {}, "ended", "snoozed"),
        (shop.cancelling, {}, "ended", "cancelled"),
        (worker_shop.forking, {}, "ended", "succeeded"),
        (shop.slow_here, {}, "dead", "dead"),
    ],
)
def test_the_ends_of_runs_are_those_of_threads(
    run: IsolatedRun, job: JobClass[Any], args: dict[str, Any], end: str, outcome: str
) -> None:
    worker = run.start(threads=1)
    job_id = run.push(job, **args)
    run.until_state(job_id, end)
    worker.signal(signal.SIGTERM)
    assert worker.wait().code == 0
    assert json.loads(worker.stdout)[outcome] >= 1


def test_the_retry_policy_is_asked_where_the_error_is(run: IsolatedRun) -> None:
    run.start(threads=1)
    job_id = run.push(shop.failing_by_hook)
    run.until_state(job_id, "dead")
    assert found(run, job_id).error.startswith("a hook saw Local in the process of the job (")


def test_what_follows_is_stored_if_and_only_if_it_succeeds(run: IsolatedRun) -> None:
    run.start(threads=2)
    done, failed = (
        run.push(shop.talkative, pushes=2, fails=False),
        run.push(shop.talkative, pushes=2, fails=True),
    )
    run.until_state(done, "ended")
    run.until_state(failed, "scheduled")
    until(lambda: run.inspection.counts().unfinished == 1)
    assert len(run.marked("runs")) == 2 + 2 + 1  # both pushed, one was followed


def test_an_end_may_be_larger_than_a_socket_holds(run: IsolatedRun) -> None:
    run.start(threads=1)
    run.until_state(run.push(shop.heavy, size=4_000_000), "ended")
    assert until(lambda: run.marks.get("kept")) == "4000000"


def test_what_it_logged_and_printed_is_written(run: IsolatedRun) -> None:
    options = json.dumps({"isolate": True, "threads": 1})
    buffered = {"PYTHONUNBUFFERED": ""}  # as a file is: what was printed is written when somebody flushes
    worker = run.processes.python("-m", run.program, run.url, options, environment=buffered)
    worker.wait_for_output("the worker is ready")
    run.until_state(run.push(shop.late_logger), "ended")
    assert "logged at the very end" in worker.stderr
    assert worker.stdout.count("printed at the very end") == 1


def test_a_job_process_is_deaf_to_what_ends_a_worker(run: IsolatedRun) -> None:
    run.start(threads=1)
    job_id = run.push(shop.deaf, go="a")
    run.go("a")
    run.until_state(job_id, "ended")
    assert run.marked("finished") == {job_id: 1}


def test_signals_to_the_hatchery_harm_no_job(run: IsolatedRun) -> None:
    run.start(threads=4)
    [hatchery] = children_of(run.children()[0])
    jobs = [run.push(worker_shop.effect, shop_id=number) for number in range(1, 101)]
    numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTSTP, signal.SIGCHLD, signal.SIGCONT]

    def all_ended() -> bool:
        for number in numbers:
            os.kill(hatchery, number)
        return run.inspection.counts().unfinished == 0

    until(all_ended, 60.0)
    assert run.marked("runs") == dict.fromkeys(jobs, 1)
    assert run.inspection.totals().get("reclaimed", 0) == 0


def test_term_asks_the_job_in_its_process_to_stop(run: IsolatedRun) -> None:
    worker = run.start(threads=2, drain_seconds=60.0)
    job_id = run.push(worker_shop.polite, go="never")
    run.until_marked("started", job_id)
    worker.signal(signal.SIGTERM)
    assert worker.wait(20.0).code == 0  # long before it would be killed
    job = found(run, job_id)
    assert (job.state, job.attempts, job.interruptions, job.reclaims) == ("ready", 0, 1, 0)


def test_after_the_drain_time_job_processes_are_killed_and_jobs_given_back(run: IsolatedRun) -> None:
    worker = run.start(threads=2, drain_seconds=0.3)
    jobs = [run.push(shop.stand_here, shop_id=number, go="never") for number in (1, 2)]
    pids = [run.pid_of(job_id) for job_id in jobs]
    started = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait().code == 0
    assert 0.3 <= time.monotonic() - started < 4
    assert [is_alive(pid) for pid in pids] == [False, False]
    for job_id in jobs:
        job = found(run, job_id)
        assert (job.state, job.attempts, job.interruptions, job.reclaims) == ("ready", 0, 1, 0)
    assert run.incarnations() == []


def test_a_job_is_given_back_only_when_its_process_is_gone(run: IsolatedRun) -> None:
    worker = run.start_pausing([Point("worker.before-give-back")], threads=1, drain_seconds=0.2)
    job_id = run.push(shop.stand_here, go="never")
    pid = run.pid_of(job_id)
    run.until_marked("started", job_id)
    worker.process.signal(signal.SIGTERM)
    stop = worker.wait_at("worker.before-give-back")
    assert not is_alive(pid)
    assert run.state(job_id) == "held"
    stop.go_on()
    assert worker.process.wait().code == 0


def test_a_job_that_may_run_once_and_was_killed_is_buried(run: IsolatedRun) -> None:
    worker = run.start(threads=1, drain_seconds=0.2)
    job_id = run.push(shop.stand_once, go="never")
    run.until_marked("started", job_id)
    worker.signal(signal.SIGTERM)
    assert worker.wait().code == 0
    assert run.state(job_id) == "dead"


def test_a_second_term_kills_at_once(run: IsolatedRun) -> None:
    worker = run.start(threads=1, drain_seconds=60.0)
    job_id = run.push(shop.stand_here, go="never")
    pid = run.pid_of(job_id)
    worker.signal(signal.SIGTERM)
    worker.wait_for_output("draining")
    worker.signal(signal.SIGTERM)
    assert worker.wait(10).code == 0
    assert not is_alive(pid)
    assert run.state(job_id) == "ready"


def test_a_job_over_the_memory_limit_is_killed_and_has_failed(run: IsolatedRun) -> None:
    run.start(threads=2, memory_limit_bytes=150 * 1024 * 1024)
    [child] = run.children()
    neighbour = run.push(shop.stand_here, shop_id=1, go="a")
    run.until_marked("started", neighbour)
    greedy = run.push(shop.greedy, shop_id=2, mebibytes=200)
    run.until_state(greedy, "dead")
    assert "MiB, more than 150 MiB" in found(run, greedy).error
    assert not is_alive(run.pid_of(greedy))
    run.go("a")
    run.until_state(neighbour, "ended")
    assert run.marked("finished") == {neighbour: 1}
    assert run.children() == [child]
