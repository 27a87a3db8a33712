"""Limits, holds and times under real workers: what the scripts promise is what runs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from podwork.holds import Holds
from podwork.limits import Bucket, Concurrency, Limits
from tests.support.fault_shop import FaultRun, effect, nap
from tests.support.processes import Processes
from tests.support.wait import until


@pytest.fixture
def run(processes: Processes, redis_url: str, tmp_path: Path) -> FaultRun:
    return FaultRun(processes, redis_url, tmp_path)


def done(run: FaultRun, job_ids: list[str], timeout_seconds: float = 30.0) -> None:
    until(lambda: set(run.runs()) >= set(job_ids), timeout_seconds, "every job ran")
    until(lambda: run.inspection.counts().unfinished == 0, message="every end is written down")


def replaced(run: FaultRun, before: set[str]) -> set[str]:
    """Wait until none of the processes is left; return those that follow them."""

    def others() -> set[str]:
        now = {process.incarnation for process in run.inspection.processes()}
        return set() if now & before else now

    return until(others, 30.0, "every child is replaced")


def held_at_once(run: FaultRun) -> int:
    return run.inspection.counts().held


def test_two_workers_together_keep_one_limit(run: FaultRun) -> None:
    Limits(run.store).set(Concurrency(2), job_class=nap.name)
    run.start(processes=2, threads=4)
    run.start(threads=4)
    job_ids = [nap.enqueue(seconds=0.05, shop_id=number % 5) for number in range(40)]
    most = 0

    def all_ran() -> bool:
        nonlocal most
        most = max(most, held_at_once(run))
        return len(run.runs()) == len(job_ids)

    until(all_ran, 30.0)
    done(run, job_ids)
    assert most == 2


def test_a_killed_process_gives_its_slots_back(run: FaultRun) -> None:
    Limits(run.store).set(Concurrency(1), job_class=nap.name)
    stuck = nap.enqueue(seconds=60.0, shop_id=1)
    run.start(threads=2, lease_seconds=1.0)
    until(lambda: held_at_once(run) == 1)
    waiting = nap.enqueue(seconds=0.0, shop_id=2)
    until(lambda: run.inspection.counts().parked == 1)
    [process] = run.inspection.processes()
    os.kill(int(process.fields["pid"]), signal.SIGKILL)
    until(lambda: waiting in run.runs(), 20.0, "the slot went to the one that waited")
    assert stuck not in run.runs()


def test_a_rate_is_kept_over_time(run: FaultRun) -> None:
    """Five at once, then one every 40 ms: 30 jobs cannot be through in less than a second."""
    Limits(run.store).set(Bucket(25, per_seconds=1.0, burst=5), job_class=effect.name)
    run.start(threads=4)
    started = time.monotonic()
    job_ids = [effect.enqueue(shop_id=number % 3) for number in range(30)]
    done(run, job_ids)
    assert time.monotonic() - started > 0.95


def test_a_job_for_later_runs_when_it_is_due_and_not_before(run: FaultRun) -> None:
    run.start(threads=1)
    due = time.time() + 1.0
    late, soon = effect.enqueue(shop_id=1, at=due), effect.enqueue(shop_id=1, in_=0.2)
    until(lambda: soon in run.runs())
    assert late not in run.runs()
    assert time.time() < due
    done(run, [late, soon])
    assert time.time() >= due


def test_a_hold_stops_a_working_worker_and_lapses_by_itself(run: FaultRun) -> None:
    run.start(threads=1)
    Holds(run.store).place(shop="1", seconds=0.7, reason="test", owner="test")
    held, free = effect.enqueue(shop_id=1), effect.enqueue(shop_id=2)
    until(lambda: free in run.runs())
    assert held not in run.runs()
    done(run, [held])


def test_pushes_and_a_rolling_restart_lose_and_double_nothing(run: FaultRun) -> None:
    """HUP replaces the children one by one, while pushes go on; each job runs exactly once."""
    worker = run.start(processes=2, threads=3)
    before = {process.incarnation for process in run.inspection.processes()}
    job_ids: list[str] = []
    for _ in range(2):
        worker.signal(signal.SIGHUP)
        for _batch in range(15):
            job_ids += run.push_many([{"shop_id": number % 11} for number in range(50)])
        before = replaced(run, before)
    done(run, job_ids, 60.0)
    assert set(run.runs().values()) == {1}
    assert set(run.runs()) == set(job_ids)
