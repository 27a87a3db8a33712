"""A worker killed around starts that may happen once, and around ends that have follow-ups (J1, J2)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import ends_shop as ends
from tests.support.pause import Point
from tests.support.processes import Processes
from tests.support.wait import until
from tests.support.worker_run import WorkerRun, kill

QUICK: dict[str, Any] = {"lease_seconds": 1.0, "threads": 2}


@pytest.fixture
def run(processes: Processes, redis_url: str) -> WorkerRun:
    return WorkerRun(processes, redis_url)


def test_what_may_start_once_is_buried_when_its_process_dies_with_it(run: WorkerRun) -> None:
    run.start(**QUICK)
    job_id = run.push(ends.once, go="never")
    run.until_marked("started", job_id)
    [child] = run.children()
    kill(child)
    run.until_state(job_id, "dead", 20.0)
    assert run.marked("started") == {job_id: 1}
    assert "at most once" in run.error_of(job_id)


@pytest.mark.parametrize(
    ("point", "state", "starts"),
    [
        ("worker.claimed", "ended", 1),
        ("worker.before-start", "ended", 1),  # nobody was told: it has not started
        ("worker.started", "dead", 0),  # Redis knows of a start, whether its code ran or not
        ("worker.before-acknowledge", "dead", 1),  # it succeeded, and nobody knows
        ("worker.acknowledged", "ended", 1),
    ],
)
def test_what_may_start_once_starts_at_most_once_wherever_its_process_dies(
    run: WorkerRun, point: str, state: str, starts: int
) -> None:
    job_id = run.push(ends.once)
    worker = run.start_pausing([Point(point)], **QUICK)
    worker.wait_at(point).kill()
    run.until_state(job_id, state, 20.0)
    until(lambda: run.inspection.counts().unfinished == 0)
    assert run.marked("started") == ({job_id: starts} if starts else {})


@pytest.mark.parametrize(
    ("point", "runs"),
    [
        ("worker.ran", 2),
        ("worker.before-acknowledge", 2),  # nothing was stored: it runs once more, and collects once more
        ("worker.acknowledged", 1),  # both were
    ],
)
def test_what_follows_is_there_once_wherever_the_process_dies(run: WorkerRun, point: str, runs: int) -> None:
    job_id = run.push(ends.leading)
    worker = run.start_pausing([Point(point)], **QUICK)
    worker.wait_at(point).kill()
    until(lambda: run.inspection.counts().unfinished == 0 and run.state(job_id) == "ended", 20.0)
    assert run.marked("runs")[job_id] == runs
    [follower] = run.marks.smembers("effects")
    assert run.marked("runs") == {job_id: runs, follower: 1}


def test_a_snooze_survives_the_death_of_its_process(run: WorkerRun) -> None:
    job_id = run.push(ends.returning, kind="snooze")
    worker = run.start_pausing([Point("worker.before-snooze")], **QUICK)
    worker.wait_at("worker.before-snooze").kill()
    run.until_state(job_id, "ended", 20.0)  # the second run, which the reclaim gave, speaks no more
    assert run.marked("runs") == {job_id: 2}
