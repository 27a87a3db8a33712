"""A worker from outside: signals, limits, deaths of children, and its end."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.support import worker_shop as shop
from tests.support.processes import ManagedProcess, Processes
from tests.support.wait import until
from tests.support.worker_run import WorkerRun, is_alive, kill


@pytest.fixture
def run(processes: Processes, redis_url: str) -> WorkerRun:
    return WorkerRun(processes, redis_url)


def test_term_gives_back_what_is_unstarted_and_lets_finish_what_runs(run: WorkerRun) -> None:
    worker = run.start(threads=1)
    run.until_state(run.push(shop.nothing), "ended")  # measured: from now on it claims ahead
    running = run.push(shop.stand, go="a")
    run.until_marked("started", running)
    worker.signal(signal.SIGTERM)
    worker.wait_for_output("draining")
    waiting = run.push(shop.effect)
    run.go("a")
    assert worker.wait().code == 0
    assert run.marked("finished") == {running: 1}
    assert (run.state(running), run.state(waiting)) == ("ended", "ready")
    assert run.incarnations() == []
    assert json.loads(worker.stdout)["succeeded"] == 2


def test_term_makes_a_polite_job_give_itself_back(run: WorkerRun) -> None:
    worker = run.start(threads=2)
    job_id = run.push(shop.polite, go="never")
    run.until_marked("started", job_id)
    worker.signal(signal.SIGTERM)
    assert worker.wait().code == 0
    job = run.job(job_id)
    assert job is not None
    assert (job.state, job.attempts, job.interruptions, job.reclaims) == ("ready", 0, 1, 0)


def test_after_the_drain_time_the_rest_is_given_back(run: WorkerRun) -> None:
    worker = run.start(threads=1, drain_seconds=0.3)
    job_id = run.push(shop.stand, go="never")
    run.until_marked("started", job_id)
    started = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait().code == 0
    assert 0.3 <= time.monotonic() - started < 4
    job = run.job(job_id)
    assert job is not None
    assert (job.state, job.attempts, job.interruptions, job.reclaims) == ("ready", 0, 1, 0)
    assert run.incarnations() == []


def test_a_second_term_gives_back_at_once(run: WorkerRun) -> None:
    worker = run.start(threads=1, drain_seconds=60.0)
    job_id = run.push(shop.stand, go="never")
    run.until_marked("started", job_id)
    worker.signal(signal.SIGTERM)
    worker.wait_for_output("draining")
    worker.signal(signal.SIGTERM)
    assert worker.wait(10).code == 0
    assert run.state(job_id) == "ready"
    assert run.incarnations() == []


def test_tstp_quiets_and_cont_resumes(run: WorkerRun) -> None:
    worker = run.start(threads=2)
    running = run.push(shop.stand, go="a")
    run.until_marked("started", running)
    worker.signal(signal.SIGTSTP)
    until(lambda: [process.fields["quiet"] for process in run.inspection.processes()] == ["1"])
    waiting = run.push(shop.effect)
    run.go("a")
    run.until_state(running, "ended")  # what ran was finished and acknowledged
    assert run.state(waiting) == "ready"
    worker.signal(signal.SIGCONT)
    run.until_state(waiting, "ended")
    assert worker.is_running()


def test_hup_restarts_children_one_by_one(run: WorkerRun) -> None:
    worker = run.start(processes=2)
    before = set(run.children())
    fewest = 2
    worker.signal(signal.SIGHUP)

    def replaced() -> bool:
        nonlocal fewest
        now = run.children()
        fewest = min(fewest, len(now))
        assert len(now) <= 3
        return len(now) == 2 and not before & set(now)

    until(replaced, 20.0, "two new children")
    assert fewest == 2, "a child leaves only when its successor is ready"
    run.until_state(run.push(shop.effect), "ended")
    worker.signal(signal.SIGTERM)
    assert worker.wait().code == 0


def test_hup_under_load_loses_and_doubles_nothing(run: WorkerRun) -> None:
    worker = run.start(processes=1, threads=4)
    before = set(run.children())
    pushed = run.push_many(shop.effect, ({"shop_id": number % 20 + 1} for number in range(3000)))
    worker.signal(signal.SIGHUP)
    until(lambda: not before & set(run.children()), 20.0, "a new child")
    until(lambda: run.inspection.counts().unfinished == 0, 60.0, "all done")
    assert run.marked("runs") == dict.fromkeys(pushed, 1)


def test_usr1_shows_the_stacks_of_the_children(run: WorkerRun) -> None:
    worker = run.start(threads=1)
    job_id = run.push(shop.stand, go="never")
    run.until_marked("started", job_id)
    worker.signal(signal.SIGUSR1)
    worker.wait_for_output("stand_until")
    worker.wait_for_output("run_one")
    assert worker.is_running()


def test_a_child_over_the_memory_limit_drains_and_is_replaced(run: WorkerRun) -> None:
    worker = run.start(threads=2, memory_limit_bytes=150 << 20)
    standing = run.push(shop.stand, go="a")
    run.until_marked("started", standing)
    run.push(shop.hog, mebibytes=200)
    worker.wait_for_output("it drains and is replaced")
    fat = int(str(run.marks.get("hogged")))
    assert is_alive(fat), "it waits for what runs"
    run.go("a")
    until(lambda: run.children() and fat not in run.children(), 15.0, "a new child")
    assert run.marked("finished") == {standing: 1}
    run.until_state(run.push(shop.effect), "ended")


def test_a_child_that_died_is_replaced_and_its_jobs_are_reclaimed(run: WorkerRun) -> None:
    worker = run.start(lease_seconds=1.0)
    job_id = run.push(shop.stand, go="a")
    run.until_marked("started", job_id)
    [child] = run.children()
    kill(child)
    run.until_marked("started", job_id, times=2)
    run.go("a")
    run.until_state(job_id, "ended")
    assert worker.is_running()
    assert run.inspection.totals()["reclaimed"] == 1


def test_a_child_that_does_not_end_in_time_is_killed(run: WorkerRun) -> None:
    worker = run.start(drain_seconds=0.1)
    [child] = run.children()
    os.kill(child, signal.SIGSTOP)
    worker.signal(signal.SIGTERM)
    assert worker.wait(20).code == 0
    assert "was killed" in worker.stderr
    assert not is_alive(child)


def test_a_worker_that_can_never_start_says_why_and_fails(run: WorkerRun) -> None:
    worker = run.processes.python("-m", "tests.support.worker_shop", "http://no-redis", "{}")
    ended = worker.wait()
    assert ended.code == 1
    assert "cannot start" in ended.stderr


def test_a_worker_waits_for_a_redis_that_is_not_there_yet(processes: Processes) -> None:
    worker = processes.python("-m", "tests.support.worker_shop", "redis://127.0.0.1:1/0", "{}")
    worker.wait_for_output("does not answer")
    worker.signal(signal.SIGTERM)
    assert worker.wait().code == 0


def test_signals_to_the_whole_group_are_the_supervisors_business(run: WorkerRun) -> None:
    worker: ManagedProcess = run.start(threads=1)
    job_id = run.push(shop.stand, go="a")
    run.until_marked("started", job_id)
    os.killpg(worker.pid, signal.SIGINT)  # Ctrl-C in a terminal
    worker.wait_for_output("draining")
    os.killpg(worker.pid, signal.SIGHUP)
    run.go("a")
    assert worker.wait().code == 0
    assert run.state(job_id) == "ended"
