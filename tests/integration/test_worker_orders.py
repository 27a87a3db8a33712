"""What a person tells one process through Redis, in both modes: quiet, resume, stop, dump, cancel."""

from __future__ import annotations

import json
import signal

import pytest

from podwork.interventions import Interventions, Order
from podwork.limits import Limits
from tests.support import isolated_shop as shop
from tests.support import worker_shop
from tests.support.isolated_run import IsolatedRun
from tests.support.processes import Processes
from tests.support.wait import until


@pytest.fixture
def run(processes: Processes, redis_url: str) -> IsolatedRun:
    return IsolatedRun(processes, redis_url)


@pytest.fixture(params=[False, True], ids=["threads", "isolate"])
def isolate(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def tell(run: IsolatedRun, order: Order, incarnation: str | None = None) -> str:
    """Give the order to a process, by default the only one."""
    to = incarnation or run.incarnations()[0]
    assert Interventions(run.store).order(to, order)
    return to


def said(run: IsolatedRun, incarnation: str, field: str) -> str:
    """What the process says of itself."""
    found = [one for one in run.inspection.processes() if one.incarnation == incarnation]
    return found[0].fields[field] if found else ""


def test_quiet_claims_nothing_and_resume_claims_again(run: IsolatedRun, isolate: bool) -> None:
    run.start(isolate=isolate, threads=2)
    running = run.push(shop.stand_here, shop_id=1, go="a")
    run.until_marked("started", running)
    me = tell(run, "quiet")
    until(lambda: said(run, me, "quiet") == "1")
    waiting = run.push(worker_shop.effect, shop_id=2)
    run.go("a")
    run.until_state(running, "ended")  # what runs goes on
    assert run.state(waiting) == "ready"
    tell(run, "resume")
    run.until_state(waiting, "ended")
    until(lambda: said(run, me, "quiet") == "0")


def test_stop_drains_one_process_for_good(run: IsolatedRun, isolate: bool) -> None:
    worker = run.start(isolate=isolate, threads=1, processes=2)
    first, second = run.incarnations()
    tell(run, "stop", first)
    until(lambda: run.incarnations() == [second])
    worker.wait_for_output("drains and ends: told to stop")
    job_id = run.push(worker_shop.effect)
    run.until_state(job_id, "ended")
    assert run.incarnations() == [second]
    worker.signal(signal.SIGHUP)  # a restart brings back as many as are left
    until(lambda: len(run.incarnations()) == 1 and run.incarnations() != [second], 20.0)
    assert worker.is_running()


def test_the_worker_ends_with_the_last_child_that_is_told_to_stop(run: IsolatedRun, isolate: bool) -> None:
    worker = run.start(isolate=isolate, threads=1)
    job_id = run.push(shop.stand_here, go="a")
    run.until_marked("started", job_id)
    tell(run, "stop")
    worker.wait_for_output("the last child was told to stop")
    run.go("a")
    assert worker.wait().code == 0
    assert run.state(job_id) == "ended"
    assert run.incarnations() == []


def test_stop_gives_back_after_the_drain_time(run: IsolatedRun, isolate: bool) -> None:
    worker = run.start(isolate=isolate, threads=1, drain_seconds=0.3)
    job_id = run.push(shop.stand_here, go="never")
    run.until_marked("started", job_id)
    tell(run, "stop")
    assert worker.wait().code == 0
    job = run.job(job_id)
    assert job is not None
    assert (job.state, job.attempts, job.interruptions, job.reclaims) == ("ready", 0, 1, 0)


def test_dump_writes_the_stacks_of_all_that_run(run: IsolatedRun, isolate: bool) -> None:
    worker = run.start(isolate=isolate, threads=1)
    job_id = run.push(shop.stand_here, go="a")
    run.until_marked("started", job_id)
    tell(run, "dump")
    worker.wait_for_output(" in stand_here")  # the job's own frame
    worker.wait_for_output("in run_one")  # the processor's
    run.go("a")
    run.until_state(job_id, "ended")
    assert run.marked("started") == {job_id: 1}


def test_usr1_to_the_supervisor_reaches_job_processes(run: IsolatedRun) -> None:
    worker = run.start(threads=1)
    job_id = run.push(shop.stand_here, go="a")
    run.until_marked("started", job_id)
    worker.signal(signal.SIGUSR1)
    worker.wait_for_output(" in stand_here")
    run.go("a")
    run.until_state(job_id, "ended")


def test_cancel_asks_the_job_to_stop_and_it_never_runs_again(run: IsolatedRun, isolate: bool) -> None:
    run.start(isolate=isolate, threads=2)
    [me] = run.incarnations()
    neighbour = run.push(shop.stand_here, shop_id=1, go="a")
    cancelled = run.push(shop.stoppable_here, shop_id=2, go="never")
    run.until_marked("started", neighbour, cancelled)
    [outcome] = Interventions(run.store).cancel([cancelled])
    assert outcome.what == "stopping"
    run.until_state(cancelled, "ended")
    assert json.loads(str(run.marks.get("stopped-because"))) == [True, True]
    assert run.state(neighbour) == "held"
    run.go("a")
    run.until_state(neighbour, "ended")
    assert run.incarnations() == [me]
    assert run.inspection.totals()["cancelled"] == 1


def test_a_cancel_is_for_that_job_only(run: IsolatedRun) -> None:
    """The next job in the same slot has nothing to do with it."""
    run.start(threads=1)
    for number in range(1, 4):
        cancelled = run.push(shop.stoppable_here, shop_id=number, go="never")
        run.until_marked("started", cancelled)
        Interventions(run.store).cancel([cancelled])
        run.until_state(cancelled, "ended")
        job_id = run.push(shop.asks, shop_id=number)
        run.until_state(job_id, "ended")
        assert run.marks.hget("asked", job_id) == "no no"


def test_an_order_that_nobody_knows_changes_nothing(run: IsolatedRun) -> None:
    run.start(threads=1)
    tell(run, "dance")  # type: ignore[arg-type]  # a newer podctl may know more
    run.until_state(run.push(worker_shop.effect), "ended")


def test_a_process_says_what_it_can_run(run: IsolatedRun, isolate: bool) -> None:
    run.start(isolate=isolate, threads=1)
    [me] = run.incarnations()
    classes = json.loads(said(run, me, "classes"))
    assert classes["tests.support.worker_shop.effect"] == 1
    assert classes["tests.support.isolated_shop.newest"] == 3
    assert said(run, me, "isolate") == str(int(isolate))


def test_limits_of_the_code_are_published_at_the_boot(run: IsolatedRun) -> None:
    run.start(threads=1)
    [limit] = [one for one in Limits(run.store).list() if one.job_class.endswith(".lonely")]
    assert (limit.kind, limit.amount, limit.source) == ("concurrency", 1, "code")
