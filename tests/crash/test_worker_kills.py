"""A worker killed at every named point: no job is lost, none doubled that was acknowledged (J1, J2)."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from podwork import keys
from podwork.inspection import Inspection
from podwork.job import JobClass
from podwork.policy import JobPolicy
from podwork.store import Store
from tests.support import worker_shop as shop
from tests.support.pause import Point
from tests.support.processes import Processes
from tests.support.wait import until
from tests.support.worker_run import WorkerRun, is_alive

QUICK: dict[str, Any] = {"lease_seconds": 1.0, "threads": 2}


@pytest.fixture
def run(processes: Processes, redis_url: str) -> WorkerRun:
    return WorkerRun(processes, redis_url)


@pytest.mark.parametrize(
    ("point", "runs"),
    [
        ("worker.registered", 1),
        ("worker.claimed", 1),  # claimed, not handed out: the next child runs it
        ("worker.started", 1),
        ("worker.ran", 2),  # its effect is there, its end is not: at least once
        ("worker.before-acknowledge", 2),
        ("worker.acknowledged", 1),  # ended: nobody runs it again
    ],
)
def test_killed_at_a_point_of_the_road(run: WorkerRun, point: str, runs: int) -> None:
    job_id = run.push(shop.effect)
    worker = run.start_pausing([Point(point)], **QUICK)
    worker.wait_at(point).kill()
    run.until_state(job_id, "ended", 30.0)
    until(lambda: run.inspection.counts().unfinished == 0)
    assert run.marked("runs") == {job_id: runs}
    assert run.marks.smembers("effects") == {job_id}
    assert run.inspection.totals()["acknowledged"] == 1


@pytest.mark.parametrize(
    ("point", "job", "end", "runs"),
    [
        ("worker.before-release", shop.interrupted_once, "ended", 2),
        ("worker.before-retry", shop.failing, "scheduled", 2),
        ("worker.before-bury", shop.exiting, "dead", 2),
    ],
)
def test_killed_before_a_transition(
    run: WorkerRun, point: str, job: JobClass[Any], end: str, runs: int
) -> None:
    job_id = run.push(job)
    worker = run.start_pausing([Point(point)], **QUICK)
    worker.wait_at(point).kill()
    run.until_state(job_id, end, 30.0)
    assert run.marked("runs") == {job_id: runs}
    assert run.inspection.totals()["reclaimed"] == 1


def test_killed_before_parking(run: WorkerRun) -> None:
    newer: JobClass[Any] = JobClass(
        shop.app, shop.newer, name="tests.support.worker_shop.newer", queue="default", policy=JobPolicy()
    )
    job_id = run.push(newer)
    worker = run.start_pausing([Point("worker.before-park")], **QUICK)
    worker.wait_at("worker.before-park").kill()
    run.until_state(job_id, "parked", 30.0)


@pytest.mark.parametrize("point", ["worker.before-forward", "worker.forwarded"])
def test_killed_while_forwarding(run: WorkerRun, valkey_url: str, point: str) -> None:
    run.marks.set("fence-knows", 1)
    job_id = run.push(shop.effect)
    worker = run.start_pausing([Point("worker.claimed"), Point(point)], elsewhere=valkey_url, **QUICK)
    claimed = worker.wait_at("worker.claimed")
    run.queues.set_gate(330, "moved", 2, 2)
    claimed.go_on()
    worker.wait_at(point).kill()
    there = Inspection(Store(valkey_url))
    # Reclaimed under a gate that says `moved`, the job waits in its lane for the move's own transfer.
    until(lambda: run.inspection.counts().held == 0, 30.0, "reclaimed")
    assert run.state(job_id) == "ready"
    assert there.counts().unfinished == (1 if point == "worker.forwarded" else 0)
    assert run.marked("runs") == {}


@pytest.mark.parametrize("point", ["worker.before-give-back", "worker.before-deregister"])
def test_killed_while_leaving(run: WorkerRun, point: str) -> None:
    worker = run.start_pausing([Point(point)], drain_seconds=0.2, **QUICK)
    job_id = run.push(shop.stand, go="a")
    run.until_marked("started", job_id)
    worker.process.signal(signal.SIGTERM)
    worker.wait_at(point).kill()
    assert worker.process.wait().code == 0
    run.go("a")
    run.start(**QUICK)
    run.until_state(job_id, "ended", 20.0)
    assert run.marked("finished") == {job_id: 1}


def test_a_frozen_worker_is_refused_when_it_wakes_and_ends(run: WorkerRun) -> None:
    job_id = run.push(shop.effect)
    frozen = run.start_pausing([Point("worker.before-acknowledge")], **QUICK)
    stop = frozen.wait_at("worker.before-acknowledge")
    stop.freeze()
    other = run.start(**QUICK)
    run.until_state(job_id, "ended", 20.0)
    assert run.marked("runs") == {job_id: 2}
    stop.thaw()
    stop.go_on()
    frozen.process.wait_for_output("lost its lease")
    until(lambda: not is_alive(stop.pid))
    assert run.inspection.totals()["acknowledged"] == 1
    assert other.is_running()
    until(lambda: len(run.children()) == 2, message="the lost child is replaced")


def test_a_worker_that_slept_through_its_lease_starts_nothing(run: WorkerRun) -> None:
    job_id = run.push(shop.effect)
    frozen = run.start_pausing([Point("worker.claimed")], **QUICK)
    stop = frozen.wait_at("worker.claimed")
    stop.freeze()
    run.start(**QUICK)
    run.until_state(job_id, "ended", 20.0)
    stop.go_on()
    stop.thaw()
    frozen.process.wait_for_output("lost its lease")
    until(lambda: not is_alive(stop.pid))
    assert run.marked("runs") == {job_id: 1}


@pytest.mark.parametrize("how", ["killed", "stopped past its lease"])
def test_an_idle_worker_is_lost_with_what_a_push_handed_to_it(run: WorkerRun, how: str) -> None:
    idle = run.start_pausing([Point("worker.told")], **QUICK)
    until(lambda: run.store.client.hlen(keys.IDLE) == 1, message="an idle worker")
    job_id = run.push(shop.effect)
    stop = idle.wait_at("worker.told")
    assert run.state(job_id) == "held", "it came with the push, and has not been looked at"
    if how == "killed":
        stop.kill()
    else:
        stop.freeze()
        run.start(**QUICK)
    run.until_state(job_id, "ended", 30.0)
    if how != "killed":
        stop.go_on()
        stop.thaw()
        idle.process.wait_for_output("lost its lease")
        until(lambda: not is_alive(stop.pid))
    assert run.marked("runs") == {job_id: 1}
    assert run.inspection.totals()["reclaimed"] == 1


def test_children_end_when_their_supervisor_is_killed(run: WorkerRun) -> None:
    worker = run.start(processes=2, threads=1, drain_seconds=30.0)
    polite = run.push(shop.polite, go="never")
    standing = run.push(shop.stand, go="a")
    run.until_marked("started", polite, standing)
    children = run.children()
    worker.kill()
    run.until_state(polite, "ready")
    assert run.job(polite).interruptions == 1  # type: ignore[union-attr]
    run.go("a")  # what runs and does not end by itself has the drain time
    run.until_state(standing, "ended")
    until(lambda: not any(is_alive(pid) for pid in children), 10.0, "the children's end")
    assert run.incarnations() == []


def test_children_without_a_supervisor_do_not_outlive_the_drain_time(run: WorkerRun) -> None:
    worker = run.start(threads=1, drain_seconds=0.5)
    job_id = run.push(shop.stand, go="never")
    run.until_marked("started", job_id)
    [child] = run.children()
    worker.kill()
    until(lambda: not is_alive(child), 10.0, "the child's end")
    assert run.state(job_id) == "ready"


def test_a_job_that_takes_its_process_along_costs_itself_one_reclaim(run: WorkerRun) -> None:
    worker = run.start(processes=2, **QUICK)
    job_id = run.push(shop.dying)
    run.until_state(job_id, "ended", 20.0)
    assert run.marked("runs") == {job_id: 2}
    assert run.inspection.totals()["reclaimed"] == 1
    assert worker.is_running()
    until(lambda: len(run.children()) == 2, message="the dead child is replaced")
