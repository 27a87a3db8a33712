"""The clockwork of a child: what it has put off itself is queued when it is due, however long it sleeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from podwork import App
from podwork.lease import Lease
from podwork.observation import Tally
from podwork.queues import Queues
from podwork.store import Store
from podwork.worker import timekeeper
from podwork.worker.awaiting import Runnable
from podwork.worker.life import Life
from podwork.worker.outage import Outage
from podwork.worker.timekeeper import Timekeeper
from tests.integration.test_worker_manager import ME, QUEUE, push
from tests.support import worker_shop as shop
from tests.support.processes import Processes
from tests.support.wait import until
from tests.support.worker_run import WorkerRun

LONG_SECONDS = 30.0
SOON_SECONDS = 0.2


@pytest.fixture
def queues(redis_url: str) -> Iterator[Queues]:
    queues = Queues(Store(redis_url), lease_seconds=30)
    queues.register(ME, {"pid": 1})
    yield queues
    queues.store.close()


@pytest.fixture
def keeper(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> Timekeeper:
    monkeypatch.setattr(timekeeper, "LONGEST_PAUSE_SECONDS", LONG_SECONDS)
    made = Timekeeper(queues, Runnable(App("shop")), Tally(), Life(ME, 30), Outage())
    queues.observe_schedule = made.expect
    assert made.tick(time.monotonic()) == LONG_SECONDS, "nothing is due"
    return made


def snoozes(queues: Queues, after_seconds: float = SOON_SECONDS) -> None:
    assert queues.snooze(ME, held(queues), time.time() + after_seconds)


def retries(queues: Queues) -> None:
    assert queues.retry(ME, held(queues), time.time() + SOON_SECONDS, "it failed")


def held(queues: Queues) -> Lease:
    push(queues, 1)
    [lease] = queues.claim(ME, [QUEUE], 1)
    return lease


def slept(keeper: Timekeeper) -> float:
    began = time.monotonic()
    keeper._sleep(LONG_SECONDS)
    return time.monotonic() - began


@pytest.mark.parametrize("put_off", [snoozes, retries])
def test_what_is_put_off_while_it_sleeps_wakes_it(
    keeper: Timekeeper, queues: Queues, put_off: Callable[[Queues], None]
) -> None:
    def put_off_when_it_sleeps() -> None:
        until(lambda: keeper._sleeps_until < time.monotonic() + 2 * LONG_SECONDS)
        put_off(queues)

    thread = threading.Thread(target=put_off_when_it_sleeps)
    thread.start()
    assert slept(keeper) < LONG_SECONDS / 2
    thread.join()
    assert keeper.tick(time.monotonic()) <= SOON_SECONDS


def test_what_is_put_off_after_its_look_is_looked_at_before_it_sleeps(
    keeper: Timekeeper, queues: Queues
) -> None:
    keeper._sleep(0.01)
    assert keeper.tick(time.monotonic()) == LONG_SECONDS
    snoozes(queues)
    assert slept(keeper) < LONG_SECONDS / 2
    assert keeper.tick(time.monotonic()) <= SOON_SECONDS


def test_what_is_due_after_its_next_look_wakes_nobody(keeper: Timekeeper, queues: Queues) -> None:
    keeper._sleeps_until = time.monotonic() + LONG_SECONDS
    snoozes(queues, 2 * LONG_SECONDS)
    assert not keeper._woken.is_set()
    snoozes(queues)
    assert keeper._woken.is_set()


def test_a_job_that_snoozes_for_a_moment_comes_back_after_a_moment(
    processes: Processes, redis_url: str
) -> None:
    """The child looks into the schedule once an hour here, unless it knows of something."""
    run = WorkerRun(processes, redis_url)
    job_id = run.push(shop.snoozing)
    run.start(longest_pause_seconds=3_600.0, threads=1)
    run.until_state(job_id, "ended")
    assert run.marked("runs") == {job_id: 4}
