"""What jobs and servers do to a worker's process: it stays, or is replaced, and its neighbours go on."""

from __future__ import annotations

import signal
from contextlib import suppress

import pytest

from podwork.errors import StoreUnavailable
from podwork_ops.local.redis import RedisServer
from tests.support import worker_shop as shop
from tests.support.processes import Processes
from tests.support.servers import PrivateServers
from tests.support.wait import until
from tests.support.worker_run import WorkerRun


@pytest.fixture
def run(processes: Processes, redis_url: str) -> WorkerRun:
    return WorkerRun(processes, redis_url)


def test_a_failure_that_cannot_be_written_as_it_is_buries_its_job_only(run: WorkerRun) -> None:
    run.start(threads=2)
    before = run.children()
    job_id = run.push(shop.unspeakable)
    run.until_state(job_id, "dead")
    job = run.job(job_id)
    assert job is not None
    assert (job.error, job.reclaims) == ("OSError: no file caf\\udce9", 0)
    assert run.children() == before


def test_a_process_that_a_job_forks_has_signals_of_its_own(run: WorkerRun) -> None:
    worker = run.start(threads=2)
    before = run.children()
    job_id = run.push(shop.forking)
    run.until_marked("finished", job_id)
    run.until_state(job_id, "ended")
    run.until_state(run.push(shop.effect), "ended")
    assert run.children() == before
    worker.signal(signal.SIGTERM)
    assert worker.wait().code == 0
    assert "drained" in worker.stderr
    assert worker.stderr.count("died") == 0


def test_an_emptied_redis_ends_the_children_and_new_ones_run_what_is_pushed(run: WorkerRun) -> None:
    worker = run.start(processes=2, threads=2)
    run.until_marked("started", run.push(shop.stand, go="never"))
    before = set(run.children())
    run.marks.flushall()
    until(lambda: len(run.children()) == 2 and not before & set(run.children()), 20.0, "new children")
    pushed = [run.push(shop.effect, shop_id=number) for number in range(1, 20)]
    run.until_marked("runs", *pushed)
    until(lambda: run.inspection.counts().unfinished == 0)
    assert worker.is_running()


def test_a_redis_that_comes_back_empty_is_served_again(
    processes: Processes, own_redis: RedisServer, private_servers: PrivateServers
) -> None:
    run = WorkerRun(processes, own_redis.url)
    worker = run.start(threads=2)
    before = run.children()
    own_redis.stop()
    worker.wait_for_output("keeps its results and tries again")
    private_servers.restart(own_redis)
    run.marks.flushall()
    with suppress(StoreUnavailable):
        run.children()  # the test's own connection is one of those that broke
    until(lambda: len(run.children()) == 1 and run.children() != before, 20.0, "a new child")
    run.until_state(run.push(shop.effect), "ended")


def test_leaving_in_order_is_no_lost_lease(run: WorkerRun) -> None:
    for _ in range(3):
        worker = run.start(processes=2)
        worker.signal(signal.SIGTERM)
        assert worker.wait().code == 0
        assert "lost its lease" not in worker.stderr


def test_jobs_that_give_themselves_back_all_run_again_soon(run: WorkerRun) -> None:
    job_ids = [run.push(shop.interrupted_at_first, shop_id=number) for number in range(1, 101)]
    run.start(threads=5)
    until(lambda: run.inspection.counts().unfinished == 0, 20.0, "none is held without being run")
    assert run.marked("runs") == dict.fromkeys(job_ids, 2)
