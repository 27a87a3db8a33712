"""The hard time limit: with a process for each job it is killed; without, the child is replaced at once."""

from __future__ import annotations

import signal

import pytest

from podwork.inspection import JobState
from tests.support import isolated_shop as shop
from tests.support import worker_shop
from tests.support.isolated_run import IsolatedRun, children_of
from tests.support.pause import Point
from tests.support.processes import Processes
from tests.support.wait import until
from tests.support.worker_run import is_alive

REASON = "podwork.errors.TimeLimitExceeded: the job has run longer than its hard limit"
LONG_LEASE_SECONDS = 60.0
"""What comes back within the test did not wait for a lease to run out."""


@pytest.fixture
def run(processes: Processes, redis_url: str) -> IsolatedRun:
    return IsolatedRun(processes, redis_url)


def found(run: IsolatedRun, job_id: str) -> JobState:
    job = run.job(job_id)
    assert job is not None
    return job


def assert_failed_once(run: IsolatedRun, job_id: str) -> None:
    """It has spent one attempt, and nothing else."""
    job = found(run, job_id)
    assert (job.state, job.attempts, job.interruptions, job.reclaims) == ("scheduled", 1, 0, 0)
    assert job.error.startswith(REASON)
    assert run.marked("started")[job_id] == 1
    assert job_id not in run.marked("finished")


def test_isolated_the_process_is_killed_with_what_it_started_and_nothing_else(run: IsolatedRun) -> None:
    worker = run.start(threads=2, lease_seconds=LONG_LEASE_SECONDS)
    [child] = run.children()
    [hatchery] = children_of(child)
    neighbour = run.push(shop.stand_here, shop_id=1, go="a")
    run.until_marked("started", neighbour)
    stuck = run.push(shop.stuck, shop_id=2, go="never")
    run.until_marked("started", stuck)
    sleeper = int(str(run.marks.hget("sleepers", stuck)))
    run.until_state(stuck, "scheduled")
    assert_failed_once(run, stuck)
    assert not is_alive(run.pid_of(stuck))
    until(lambda: not is_alive(sleeper), message="what the job started")
    assert run.children() == [child]
    assert children_of(child) == [hatchery]
    run.go("a")
    run.until_state(neighbour, "ended")
    assert run.marked("finished") == {neighbour: 1}
    assert worker.is_running()


@pytest.mark.parametrize("isolate", [False, True])
def test_without_a_retry_left_it_is_buried(run: IsolatedRun, isolate: bool) -> None:
    run.start(isolate=isolate, threads=1, drain_seconds=0.3)
    job_id = run.push(shop.stuck_last)
    run.until_state(job_id, "dead")
    assert found(run, job_id).error.startswith(REASON)


def test_in_threads_a_successor_starts_at_once_and_the_job_is_failed_at_the_end(run: IsolatedRun) -> None:
    worker = run.start(isolate=False, threads=2, lease_seconds=LONG_LEASE_SECONDS, drain_seconds=30.0)
    [old] = run.children()
    neighbour = run.push(shop.stand_here, shop_id=1, go="a")
    run.until_marked("started", neighbour)
    stuck = run.push(shop.stuck, shop_id=2, go="never")
    run.until_marked("started", stuck)
    until(lambda: len(run.children()) == 2, message="a successor beside the old child")
    run.until_state(run.push(worker_shop.effect, shop_id=3), "ended")  # the successor's
    assert run.state(stuck) == "held"  # not failed before its thread is about to end
    assert old in run.children()
    run.go("a")  # the neighbour has the drain time, and needs less
    run.until_state(neighbour, "ended")
    run.until_state(stuck, "scheduled")
    assert_failed_once(run, stuck)
    until(lambda: not is_alive(old))
    assert run.marked("finished") == {neighbour: 1}
    worker.wait_for_output("a job ran past its hard time limit")
    assert "the pauses between starts grow" not in worker.stderr
    assert len(run.children()) == 1


def test_in_threads_others_are_given_back_after_the_drain_time(run: IsolatedRun) -> None:
    run.start(isolate=False, threads=2, lease_seconds=LONG_LEASE_SECONDS, drain_seconds=0.3)
    [old] = run.children()
    neighbour = run.push(shop.stand_here, shop_id=1, go="a")
    run.until_marked("started", neighbour)
    stuck = run.push(shop.stuck, shop_id=2, go="never")
    run.until_marked("started", neighbour, times=2)  # by the successor
    run.until_state(stuck, "scheduled")
    assert_failed_once(run, stuck)
    again = found(run, neighbour)
    assert (again.attempts, again.interruptions, again.reclaims) == (0, 1, 0)
    until(lambda: not is_alive(old), message="the old child ends")


def test_a_worker_that_drains_does_not_wait_for_an_overdue_job(run: IsolatedRun) -> None:
    worker = run.start(isolate=False, threads=1, drain_seconds=60.0)
    stuck = run.push(shop.stuck, go="never")
    run.until_marked("started", stuck)
    worker.signal(signal.SIGTERM)
    assert worker.wait(20).code == 0
    assert_failed_once(run, stuck)


def test_a_child_killed_before_it_failed_the_job_costs_a_reclaim_instead(run: IsolatedRun) -> None:
    worker = run.start_pausing([Point("worker.before-overran")], isolate=False, threads=1, lease_seconds=1.0)
    stuck = run.push(shop.stuck, go="a")
    stop = worker.wait_at("worker.before-overran")
    stop.kill()
    run.until_marked("started", stuck, times=2)
    job = found(run, stuck)
    assert (job.attempts, job.reclaims) == (0, 1)


def test_a_job_that_ends_while_its_child_drains_has_succeeded(run: IsolatedRun) -> None:
    """Late is not failed: what has ended by itself is acknowledged."""
    worker = run.start(isolate=False, threads=2, drain_seconds=30.0)
    neighbour = run.push(shop.stand_here, shop_id=1, go="b")
    run.until_marked("started", neighbour)
    stuck = run.push(shop.stuck, shop_id=2, go="a")
    worker.wait_for_output("ran past its hard time limit")
    run.go("a")
    run.until_state(stuck, "ended")
    run.go("b")
    run.until_state(neighbour, "ended")
    assert run.marked("finished") == {stuck: 1, neighbour: 1}
