"""The register of running jobs, and what jobs ask it through their contexts."""

from __future__ import annotations

from typing import Any

from podwork import App, record
from podwork.context import JobContext
from podwork.identity import new_job_id
from podwork.job import JobClass
from podwork.lease import Lease
from podwork.worker import running as register
from podwork.worker.life import Life
from podwork.worker.running import RunningJobs

ME = "host:1:aaaa"


def lease() -> Lease:
    stored = record.encode_first("default", 1, record.payload_prefix("shop.collect", 1), b"{}")
    return Lease(ME, "7", new_job_id(1, "7"), stored)


def declare(**policy: Any) -> JobClass[Any]:
    return App("x").job(name="shop.collect", **policy)(lambda: None)


def test_only_jobs_past_their_hard_limit_are_overdue() -> None:
    running = RunningJobs(Life(ME, 10.0))
    limited, unlimited = declare(hard_limit_seconds=5), declare(soft_limit_seconds=1)
    late, punctual, endless = lease(), lease(), lease()
    running.now = {
        1: (late, limited, 94.9),
        2: (punctual, limited, 95.0),
        3: (endless, unlimited, 0.0),
        4: None,
    }
    assert running.overdue(100.0) == [late]


def test_what_runs_is_listed_by_processor() -> None:
    running, declared, first, second = RunningJobs(Life(ME, 10.0)), declare(), lease(), lease()
    running.now = {2: (second, declared, 0.0), 1: (first, declared, 0.0), 3: None}
    assert [(job.processor, job.lease) for job in running.all()] == [(1, first), (2, second)]
    assert running.runs(first.id)
    assert not running.runs(lease().id)


def context_of(running: RunningJobs, job_id: str) -> JobContext:
    return JobContext(job_id, "shop.collect", "default", 7, 1, 1, overseer=running)


def test_a_cancelled_job_is_told_and_no_other() -> None:
    running, mine, other = RunningJobs(Life(ME, 10.0)), lease(), lease()
    running.now = {1: (mine, declare(), 0.0)}
    assert running.cancel(mine.id)
    assert not running.cancel("somewhere-else")
    told, untold = context_of(running, mine.id), context_of(running, other.id)
    assert (told.cancelled, told.should_stop()) == (True, True)
    assert (untold.cancelled, untold.should_stop()) == (False, False)


def test_a_worker_that_stops_asks_all_its_jobs_to_stop() -> None:
    life = Life(ME, 10.0)
    context = context_of(RunningJobs(life), "x-7")
    assert not context.should_stop()
    life.stopping = True
    assert (context.should_stop(), context.cancelled) == (True, False)


def test_the_memory_of_cancelled_jobs_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(register, "MOST_CANCELLED", 3)
    running = RunningJobs(Life(ME, 10.0))
    for number in range(5):
        running.cancel(f"{number}-7")
    assert list(running.cancelled) == ["2-7", "3-7", "4-7"]
