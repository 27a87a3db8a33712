"""`podctl workers` killed with -9 again and again while it drains: every effect is there exactly once.

Half of the kills hit the supervisor alone (its children see it and end in order), half the whole process
group, as a power cut or an out-of-memory killer would. `make test-long` runs 20 kills in 50,000 jobs.
"""

from __future__ import annotations

import pytest
from sqlalchemy import text

from podwork.inspection import Inspection
from podwork.settings import load
from podwork_ops.composition import open_platform
from tests.support import counting_shop
from tests.support.fleets import Fleet, StartFleet
from tests.support.processes import ManagedProcess
from tests.support.wait import until

SHOPS = 20
WORKERS = ("workers", "--pod", "1", "--app", "tests.support.counting_shop:app", "--threads", "4")


def drain_under_fire(fleet: Fleet, jobs: int, kills: int) -> None:
    """Push jobs, kill the worker at even distances of progress, start another, check the effects."""
    with fleet.config.open("a") as config:
        config.write("\n[worker]\nlease_seconds = 2.0\n")
    with open_platform(load(file=fleet.config, environment={}).settings) as platform:
        platform.bind(counting_shop.app)
        platform.directory.assign_many(dict.fromkeys(range(1, SHOPS + 1), 1))
        with platform.engine(1).begin() as connection:
            for statement in counting_shop.SCHEMA:
                connection.execute(text(statement))
            for shop_id in range(1, SHOPS + 1):
                connection.execute(text("INSERT INTO counters VALUES (:shop, 0)"), {"shop": shop_id})
        rows = [{"shop_id": number % SHOPS + 1, "number": number} for number in range(jobs)]
        counting_shop.count.enqueue_bulk(rows)
        inspection = platform.inspection(1)
        worker = fleet.podctl(*WORKERS)
        for kill in range(1, kills + 1):
            await_progress(inspection, kill * jobs // (kills + 1), worker)
            (worker.kill if kill % 2 else worker.end)()
            worker = fleet.podctl(*WORKERS)
        until(lambda: inspection.counts().unfinished == 0, 120, f"all jobs end; {worker}")
        assert inspection.counts().dead == 0
        with platform.engine(1).connect() as connection:
            effects = connection.execute(text("SELECT COUNT(*), SUM(runs) FROM effects")).one()
            totals = connection.execute(text("SELECT SUM(total), MIN(total) FROM counters")).one()
        assert effects[0] == jobs
        assert tuple(totals) == (jobs, jobs // SHOPS)
        assert inspection.totals()["reclaimed"] > 0, "no kill hit a worker with jobs in hand"


def await_progress(inspection: Inspection, done: int, worker: ManagedProcess) -> None:
    """Wait until so many jobs have ended."""
    until(lambda: inspection.totals().get("acknowledged", 0) >= done, 60, f"{done} jobs end; {worker}")


@pytest.mark.timeout(300)
def test_six_kills_in_six_thousand_jobs(embedded_stack: StartFleet) -> None:
    drain_under_fire(embedded_stack(pods=1), 6_000, 6)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_twenty_kills_in_fifty_thousand_jobs(embedded_stack: StartFleet) -> None:
    drain_under_fire(embedded_stack(pods=1), 50_000, 20)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_twenty_kills_on_servers(served_stack: StartFleet) -> None:
    drain_under_fire(served_stack(pods=1), 20_000, 20)
