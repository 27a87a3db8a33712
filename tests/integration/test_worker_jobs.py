"""How runs end: each with its one transition, in a real worker."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from podwork.inspection import Inspection
from podwork.job import JobClass
from podwork.policy import JobPolicy
from podwork.store import Store
from podwork_ops.local.redis import RedisServer
from tests.support import worker_shop as shop
from tests.support.pause import Point
from tests.support.processes import Processes
from tests.support.servers import paused
from tests.support.wait import until
from tests.support.worker_run import WorkerRun


@pytest.fixture
def run(processes: Processes, redis_url: str) -> WorkerRun:
    return WorkerRun(processes, redis_url)


def test_a_worker_runs_what_is_pushed_before_and_after_its_start(run: WorkerRun) -> None:
    before = [run.push(shop.effect, shop_id=number) for number in range(1, 20)]
    run.start(threads=3)
    after = [run.push(shop.effect, shop_id=number) for number in range(1, 20)]
    run.until_marked("runs", *before, *after)
    assert set(run.marked("runs").values()) == {1}
    until(lambda: run.inspection.counts().unfinished == 0)


def test_both_servers_serve(processes: Processes, store_url: str) -> None:
    run = WorkerRun(processes, store_url)
    run.start()
    run.until_state(run.push(shop.effect), "ended")


def test_interruption_spends_no_attempt(run: WorkerRun) -> None:
    job_id = run.push(shop.interrupted_once)
    run.start(threads=1)
    run.until_state(job_id, "ended")
    assert run.marked("runs") == {job_id: 2}
    assert json.loads(str(run.marks.get("second-run"))) == [1, 1]


def test_a_shop_that_is_being_switched_spends_no_attempt(run: WorkerRun) -> None:
    job_id = run.push(shop.on_hold_once)
    run.start(threads=1)
    run.until_state(job_id, "ended")
    assert run.marked("runs") == {job_id: 2}
    assert json.loads(str(run.marks.get("second-run"))) == [1, 1]


def test_a_failure_is_scheduled_with_its_reason(run: WorkerRun) -> None:
    job_id = run.push(shop.failing)
    run.start()
    run.until_state(job_id, "scheduled")
    job = run.job(job_id)
    assert job is not None
    assert (job.attempts, job.error) == (1, "ValueError: always fails")
    assert 10 < job.due_at - job.pushed_at < 40


def test_retries_run_out_and_the_job_is_buried(run: WorkerRun) -> None:
    job_id = run.push(shop.again_soon)
    run.start()
    run.until_state(job_id, "dead")
    assert run.marked("runs") == {job_id: 2}


def test_a_discarded_job_is_done(run: WorkerRun) -> None:
    worker = run.start()
    job_id = run.push(shop.discarding)
    run.until_state(job_id, "ended")
    assert run.marked("runs") == {job_id: 1}
    worker.signal(signal.SIGTERM)
    assert json.loads(worker.wait().stdout) == {"discarded": 1}


def test_an_exit_inside_a_job_is_its_failure_and_the_thread_goes_on(run: WorkerRun) -> None:
    run.start(threads=1)
    exiting = run.push(shop.exiting)
    run.until_state(exiting, "dead")
    job = run.job(exiting)
    assert job is not None
    assert job.error == "SystemExit: 3"
    run.until_state(run.push(shop.effect), "ended")


def test_a_class_of_a_newer_revision_waits_for_a_worker_that_knows_it(run: WorkerRun) -> None:
    newer: JobClass[Any] = JobClass(
        shop.app, shop.newer, name="tests.support.worker_shop.newer", queue="default", policy=JobPolicy()
    )
    job_id = run.push(newer)
    old = run.start()
    run.until_state(job_id, "parked")
    assert old.stderr.count("wait for a revision that knows it") == 1
    run.start(knows_newer=True)
    until(lambda: run.marked("runs").get(job_id), message="the newer worker runs it")
    run.until_state(job_id, "ended")
    assert run.marked("runs") == {job_id: 1}


def test_a_class_that_requires_a_migration_waits_until_it_is_applied(run: WorkerRun) -> None:
    job_id = run.push(shop.migrated)
    worker = run.start()
    run.until_state(job_id, "parked")
    assert worker.stderr.count("they wait for migration 20261201000000") == 1
    [process] = run.inspection.processes()
    assert json.loads(process.fields["awaits"]) == {"tests.support.worker_shop.migrated": "20261201000000"}
    run.marks.sadd("applied", "20261201000000")
    run.until_state(job_id, "ended")
    assert run.marked("runs") == {job_id: 1}


@pytest.mark.parametrize("found", ["before the run", "inside the job"])
def test_a_stale_epoch_sends_the_job_after_its_shop(run: WorkerRun, valkey_url: str, found: str) -> None:
    if found == "before the run":
        run.marks.set("fence-knows", 1)
    job_id = run.push(shop.stale)
    worker = run.start_pausing([Point("worker.claimed")], elsewhere=valkey_url)
    stop = worker.wait_at("worker.claimed")
    run.queues.set_gate(330, "moved", 2, 2)
    stop.go_on()
    run.until_state(job_id, "ended")
    moved = Inspection(Store(valkey_url)).job(job_id)
    assert moved is not None
    assert (moved.state, moved.attempts) == ("ready", 0)
    assert run.marked("runs") == ({} if found == "before the run" else {job_id: 1})
    assert run.inspection.totals()["forwarded"] == 1


def test_a_shop_that_is_being_switched_keeps_its_job_here(run: WorkerRun) -> None:
    job_id = run.push(shop.stale_once)
    worker = run.start_pausing([Point("worker.claimed")], threads=1)
    stop = worker.wait_at("worker.claimed")
    run.queues.set_gate(330, "hold", 2, 1)
    stop.go_on()
    run.until_state(job_id, "ready")
    run.queues.set_gate(330, "open", 2, 1)
    run.until_state(job_id, "ended")
    assert run.marked("runs") == {job_id: 2}


def test_a_shop_that_is_here_after_all_keeps_its_job(run: WorkerRun) -> None:
    job_id = run.push(shop.stale_once)
    run.start(threads=1)
    run.until_state(job_id, "ended")
    assert run.marked("runs") == {job_id: 2}


@pytest.mark.parametrize(
    ("point", "job", "end"),
    [("worker.before-acknowledge", shop.effect, "ended"), ("worker.before-retry", shop.failing, "scheduled")],
)
def test_redis_away_when_a_job_ends_delays_its_end_and_runs_nothing_twice(
    processes: Processes, own_redis: RedisServer, point: str, job: JobClass[Any], end: str
) -> None:
    run = WorkerRun(processes, own_redis.url)
    job_id = run.push(job)
    worker = run.start_pausing([Point(point)], threads=2, lease_seconds=30.0)
    stop = worker.wait_at(point)
    with paused(own_redis):
        stop.go_on()
        worker.process.wait_for_output("keeps its results and tries again")
    run.until_state(job_id, end)
    worker.process.wait_for_output("Redis answers again")
    run.until_state(run.push(shop.nothing), "ended")
    assert run.marked("runs") == {job_id: 1}
    assert run.children() == [stop.pid], "the same process went on"
    assert worker.process.stderr.count("keeps its results") == 1
