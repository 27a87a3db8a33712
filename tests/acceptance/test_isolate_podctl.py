"""`podctl workers --isolate` on whole stacks: shop transactions in job processes, and kills in the middle."""

from __future__ import annotations

import signal

import pytest
from sqlalchemy import text

from podwork.settings import load
from podwork_ops.composition import Platform, open_platform
from tests.support import counting_shop
from tests.support.fleets import Fleet, StartFleet
from tests.support.isolated_run import children_of
from tests.support.processes import ManagedProcess
from tests.support.wait import until
from tests.support.worker_run import is_alive, kill

SHOPS = 4
JOBS = 120
WORKERS = ("workers", "--pod", "1", "--app", "tests.support.counting_shop:app", "--isolate", "--threads", "3")


@pytest.fixture(params=["embedded_stack", pytest.param("served_stack", marks=pytest.mark.slow)])
def fleet(request: pytest.FixtureRequest) -> Fleet:
    start: StartFleet = request.getfixturevalue(request.param)
    fleet = start(pods=1)
    with fleet.config.open("a") as config:
        config.write("\n[worker]\nlease_seconds = 2.0\n")
    return fleet


def push(platform: Platform) -> None:
    """Push the jobs, one counted effect each."""
    platform.bind(counting_shop.app)
    platform.directory.assign_many(dict.fromkeys(range(1, SHOPS + 1), 1))
    with platform.engine(1).begin() as connection:
        for statement in counting_shop.SCHEMA:
            connection.execute(text(statement))
        for shop_id in range(1, SHOPS + 1):
            connection.execute(text("INSERT INTO counters VALUES (:shop, 0)"), {"shop": shop_id})
    rows = [{"shop_id": number % SHOPS + 1, "number": number} for number in range(JOBS)]
    counting_shop.count.enqueue_bulk(rows)


def await_progress(platform: Platform, done: int, worker: ManagedProcess) -> None:
    inspection = platform.inspection(1)
    until(lambda: inspection.totals().get("acknowledged", 0) >= done, 60, f"{done} jobs end; {worker}")


@pytest.mark.timeout(240)
def test_every_effect_is_there_once_whoever_is_killed_meanwhile(fleet: Fleet) -> None:
    with open_platform(load(file=fleet.config, environment={}).settings) as platform:
        push(platform)
        worker = fleet.podctl(*WORKERS)
        await_progress(platform, JOBS // 5, worker)
        [child] = children_of(worker.pid)
        assert len(platform.registry.workers(1)) == 1, "a job process is no worker"
        kill(children_of(child)[0])  # the hatchery
        await_progress(platform, 2 * JOBS // 5, worker)
        until(lambda: children_of(worker.pid) not in ([], [child]), 20, "another child")
        kill(children_of(worker.pid)[0])
        await_progress(platform, 3 * JOBS // 5, worker)
        worker.kill()
        worker = fleet.podctl(*WORKERS)
        await_progress(platform, JOBS, worker)
        with platform.engine(1).connect() as connection:
            effects = connection.execute(text("SELECT COUNT(*) FROM effects")).scalar_one()
            totals = connection.execute(text("SELECT SUM(total), MIN(total) FROM counters")).one()
        assert effects == JOBS
        assert tuple(totals) == (JOBS, JOBS // SHOPS)
        assert platform.inspection(1).counts().dead == 0
        [child] = children_of(worker.pid)
        family = [child, *children_of(child)]
        worker.signal(signal.SIGTERM)
        assert worker.wait().code == 0
        assert [pid for pid in family if is_alive(pid)] == []
        assert "3 job processes" in worker.stderr
