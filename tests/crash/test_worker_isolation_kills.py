"""Crashes around a job's own process (`--isolate`): each costs that job a reclaim, its neighbours nothing."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from podwork.inspection import JobState
from podwork.job import JobClass
from podwork_ops.local.redis import RedisServer
from tests.support import isolated_shop as shop
from tests.support import worker_shop
from tests.support.isolated_run import IsolatedRun, children_of, stop
from tests.support.pause import Point
from tests.support.processes import ManagedProcess, Processes
from tests.support.servers import paused
from tests.support.wait import until
from tests.support.worker_run import is_alive, kill

QUICK: dict[str, Any] = {"lease_seconds": 1.0, "threads": 2}
LONG_LEASE: dict[str, Any] = {"lease_seconds": 60.0, "threads": 2}
"""What comes back within the test did not wait for a lease to run out."""


@pytest.fixture
def run(processes: Processes, redis_url: str) -> IsolatedRun:
    return IsolatedRun(processes, redis_url)


def found(run: IsolatedRun, job_id: str) -> JobState:
    job = run.job(job_id)
    assert job is not None
    return job


class Standing:
    """A worker with one child, in which a neighbour runs in a process of its own."""

    def __init__(self, run: IsolatedRun, **options: Any) -> None:
        self.run = run
        self.worker: ManagedProcess = run.start(**{**LONG_LEASE, **options})
        [self.child] = run.children()
        [self.hatchery] = children_of(self.child)
        self.neighbour = run.push(shop.stand_here, shop_id=1, go="neighbour")
        self.neighbour_pid = run.pid_of(self.neighbour)
        run.until_marked("started", self.neighbour)

    def assert_unharmed(self) -> None:
        """The neighbour still runs where it ran, and comes to its end once."""
        assert self.run.children() == [self.child]
        assert children_of(self.child) == [self.hatchery]
        assert is_alive(self.neighbour_pid)
        self.run.go("neighbour")
        self.run.until_state(self.neighbour, "ended")
        assert self.run.marked("started")[self.neighbour] == 1
        assert self.run.marked("finished")[self.neighbour] == 1


@pytest.mark.parametrize(
    ("job", "args"), [(shop.segfault, {"times": 1}), (shop.vanish, {"code": 9}), (shop.vanish, {"code": 0})]
)
def test_a_process_that_dies_without_a_word_costs_its_job_one_reclaim(
    run: IsolatedRun, job: JobClass[Any], args: dict[str, Any]
) -> None:
    standing = Standing(run)
    job_id = run.push(job, shop_id=2, **args)
    run.until_state(job_id, "ended")
    assert run.marked("runs") == {job_id: 2}
    assert run.inspection.totals()["reclaimed"] == 1
    standing.assert_unharmed()


def test_the_third_time_it_is_buried_as_poison_pill(run: IsolatedRun) -> None:
    standing = Standing(run)
    job_id = run.push(shop.segfault, shop_id=2, times=9)
    run.until_state(job_id, "dead")
    dead = found(run, job_id)
    assert run.marked("runs") == {job_id: 3}
    assert (dead.attempts, dead.reclaims) == (0, 3)
    assert dead.error == "poison pill: 3 processes died running it; the last one was killed by SIGSEGV"
    assert "Fatal Python error: Segmentation fault" in standing.worker.stderr
    standing.assert_unharmed()


def test_a_job_that_may_run_once_is_buried(run: IsolatedRun) -> None:
    standing = Standing(run)
    job_id = run.push(shop.vanish_once, shop_id=2)
    run.until_state(job_id, "dead")
    assert run.marked("runs") == {job_id: 1}
    assert (
        found(run, job_id).error
        == "its process ended with exit code 9 while it ran, and it may run at most once"
    )
    standing.assert_unharmed()


def test_a_job_process_killed_from_outside(run: IsolatedRun) -> None:
    standing = Standing(run)
    job_id = run.push(shop.stand_here, shop_id=2, go="second")
    first_pid = run.pid_of(job_id)
    run.until_marked("started", job_id)
    kill(first_pid)
    run.until_marked("started", job_id, times=2)
    assert found(run, job_id).reclaims == 1
    assert found(run, job_id).error == "its process was killed by SIGKILL"
    run.go("second")
    run.until_state(job_id, "ended")
    standing.assert_unharmed()


def test_a_killed_hatchery_takes_its_jobs_along_and_the_child_is_replaced(run: IsolatedRun) -> None:
    standing = Standing(run)
    kill(standing.hatchery)
    until(lambda: not is_alive(standing.neighbour_pid), 5.0, "the job process ended with its hatchery")
    run.until_marked("started", standing.neighbour, times=2)  # long before the lease is over
    assert found(run, standing.neighbour).reclaims == 1
    assert found(run, standing.neighbour).error == "its process ended with its hatchery"
    until(lambda: run.children() != [standing.child] and len(run.children()) == 1, message="a new child")
    standing.worker.wait_for_output("died: its hatchery died")
    run.go("neighbour")
    run.until_state(standing.neighbour, "ended")
    assert run.marked("finished") == {standing.neighbour: 1}


def test_a_job_that_kills_hatcheries_is_stopped_like_any_poison(run: IsolatedRun) -> None:
    worker = run.start(**LONG_LEASE)
    job_id = run.push(shop.kill_parent)
    run.until_state(job_id, "ended", 30.0)
    assert run.marked("runs") == {job_id: 2}
    assert run.inspection.totals()["reclaimed"] == 1
    assert worker.is_running()


def test_a_killed_child_takes_hatchery_and_job_processes_along(run: IsolatedRun) -> None:
    standing = Standing(run, lease_seconds=3.0)
    kill(standing.child)
    until(lambda: not is_alive(standing.neighbour_pid) and not is_alive(standing.hatchery), 2.5, "they ended")
    run.until_marked("started", standing.neighbour, times=2)  # another child runs it once the lease is over
    assert found(run, standing.neighbour).reclaims == 1
    run.go("neighbour")
    run.until_state(standing.neighbour, "ended")
    assert run.marked("finished") == {standing.neighbour: 1}


def test_a_killed_hatchery_takes_its_jobs_along_while_the_child_stands_still(run: IsolatedRun) -> None:
    """Nobody but the system can do it then."""
    standing = Standing(run)
    stop(standing.child)
    kill(standing.hatchery)
    until(lambda: not is_alive(standing.neighbour_pid), 5.0, "the job process ended with its hatchery")
    os.kill(standing.child, signal.SIGCONT)
    run.until_marked("started", standing.neighbour, times=2)


@pytest.mark.parametrize("victim", ["child", "hatchery"])
def test_nobody_is_left_behind_where_the_system_does_not_help(run: IsolatedRun, victim: str) -> None:
    run.program = "tests.support.untethered_shop"
    standing = Standing(run, lease_seconds=1.0)
    kill(getattr(standing, victim))
    until(lambda: not is_alive(standing.hatchery) and not is_alive(standing.neighbour_pid), 5.0, "they ended")
    run.until_marked("started", standing.neighbour, times=2)
    run.go("neighbour")
    run.until_state(standing.neighbour, "ended")
    assert run.marked("finished") == {standing.neighbour: 1}


def test_a_child_that_lost_its_lease_takes_them_along(run: IsolatedRun) -> None:
    standing = Standing(run, lease_seconds=1.0)
    stop(standing.child)
    run.start(lease_seconds=1.0, threads=2)
    until(lambda: str(standing.child) not in str(run.incarnations()), message="reclaimed")
    os.kill(standing.child, signal.SIGCONT)
    until(lambda: not is_alive(standing.child) and not is_alive(standing.neighbour_pid), message="they ended")
    until(lambda: not is_alive(standing.hatchery))
    run.go("neighbour")
    run.until_state(standing.neighbour, "ended")


def test_without_a_supervisor_the_child_drains_and_nobody_is_left(run: IsolatedRun) -> None:
    standing = Standing(run, drain_seconds=0.3)
    standing.worker.kill()
    until(lambda: not is_alive(standing.child), 10.0, "the child ended")
    until(lambda: not is_alive(standing.hatchery) and not is_alive(standing.neighbour_pid))
    job = found(run, standing.neighbour)
    assert (job.state, job.attempts, job.interruptions, job.reclaims) == ("ready", 0, 1, 0)


@pytest.mark.parametrize(
    ("point", "runs"),
    [
        ("hatchery.hatched", (1, 2)),  # it may have run by then, and lost what it said
        ("job-process.started", (1, 1)),
        ("job-process.ran", (2, 2)),
        ("job-process.reported", (1, 1)),  # its end is known: the death of its process changes nothing
    ],
)
def test_killed_at_a_point_of_the_road(run: IsolatedRun, point: str, runs: tuple[int, int]) -> None:
    """The hatchery, or the job process itself."""
    job_id = run.push(worker_shop.effect)
    worker = run.start_pausing([Point(point)], **LONG_LEASE)
    worker.wait_at(point).kill()
    run.until_state(job_id, "ended", 30.0)
    assert runs[0] <= run.marked("runs")[job_id] <= runs[1]
    assert run.marks.smembers("effects") == {job_id}
    assert run.inspection.totals()["acknowledged"] == 1


def test_a_job_that_may_run_once_is_not_begun_twice_by_a_hatchery_that_died(run: IsolatedRun) -> None:
    """It was killed after it had forked the process, and before it could say so."""
    job_id = run.push(shop.stand_once, go="never")
    worker = run.start_pausing([Point("hatchery.hatched")], **LONG_LEASE)
    worker.wait_at("hatchery.hatched").kill()
    run.until_state(job_id, "dead", 30.0)
    assert run.marked("started").get(job_id, 0) <= 1


@pytest.mark.parametrize("point", ["isolation.hatched", "worker.before-crash"])
def test_a_child_killed_around_a_crash(run: IsolatedRun, point: str) -> None:
    job_id = run.push(shop.vanish, code=9)
    worker = run.start_pausing([Point(point)], **QUICK)
    worker.wait_at(point).kill()
    run.until_state(job_id, "ended", 30.0)
    assert run.marked("runs")[job_id] >= 2
    assert run.inspection.totals()["acknowledged"] == 1


def test_a_crash_that_redis_hears_late_counts_once(processes: Processes, own_redis: RedisServer) -> None:
    run = IsolatedRun(processes, own_redis.url)
    job_id = run.push(shop.vanish, code=9)
    worker = run.start_pausing([Point("worker.before-crash")], **LONG_LEASE)
    crash = worker.wait_at("worker.before-crash")
    with paused(own_redis):
        crash.go_on()
        worker.process.wait_for_output("does not answer")
    run.until_state(job_id, "ended", 30.0)
    assert run.marked("runs") == {job_id: 2}
    assert run.inspection.totals()["reclaimed"] == 1
