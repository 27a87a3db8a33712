"""An idle processor listens itself: what it hears it runs, and nobody else is needed for that."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from podwork.lease import Lease
from podwork.queues import Queues
from podwork.store import Store
from podwork.worker.manager import Manager
from tests.integration.test_worker_manager import ME, end, hear, manager_of, push, ready
from tests.support.wait import until


@pytest.fixture
def queues(redis_url: str) -> Queues:
    queues = Queues(Store(redis_url), lease_seconds=30)
    queues.register(ME, {"pid": 1})
    return queues


class Taking(threading.Thread):
    """A processor that takes one job."""

    def __init__(self, manager: Manager) -> None:
        super().__init__(daemon=True)
        self._manager = manager
        self.lease: Lease | None = None

    def run(self) -> None:
        self.lease = self._manager.take()

    def took(self) -> str:
        self.join(10)
        assert self.lease is not None, "it took nothing"
        return self.lease.id


@contextmanager
def seated(manager: Manager) -> Iterator[Taking]:
    """Let a processor sit and wait."""
    taking = Taking(manager)
    taking.start()
    until(lambda: manager._ear._seat_bell._asleep, message="somebody sits")
    yield taking


def test_what_is_handed_over_is_run_by_who_hears_it(queues: Queues) -> None:
    manager = manager_of(queues)
    manager.step()
    with seated(manager) as taking:
        [job_id] = push(queues, 1)
        assert taking.took() == job_id
    assert manager.held() == {job_id}
    assert ready(manager) == 0


def test_one_sits_and_the_others_wait_and_the_rest_of_a_message_is_theirs(queues: Queues) -> None:
    manager = manager_of(queues, threads=3)
    manager.step()
    with seated(manager) as first:
        other = Taking(manager)
        other.start()
        until(lambda: not manager._ear.sit(), message="the seat is taken")
        pushed = push(queues, 2)
        assert [first.took(), other.took()] == pushed


def test_while_nobody_sits_the_dispatcher_listens(queues: Queues) -> None:
    manager = manager_of(queues)
    manager.step()
    with seated(manager) as taking:
        [first] = push(queues, 1)
        assert taking.took() == first
    [second] = push(queues, 1)
    hear(manager)
    manager.step()
    assert manager.take().id == second


def test_while_somebody_sits_the_dispatcher_does_not_wake(queues: Queues) -> None:
    manager = manager_of(queues)
    manager.step()
    assert manager._ear.sit()
    push(queues, 1)
    assert manager._ear.listen(), "it has arrived"
    manager._ear.wait(0)
    manager._ear.wait(0)
    assert not manager._ear.heard
    manager._ear.rise()
    hear(manager)
    assert manager._ear.heard


def test_who_sits_is_stirred_by_a_job_that_comes_another_way(queues: Queues) -> None:
    manager = manager_of(queues)
    manager.step()
    with seated(manager) as taking:
        manager._intake.claimed([Lease(ME, "7", "1-7", b"- default 1 0 0 0 0 {}")])
        assert taking.took() == "1-7"


def test_a_job_that_came_just_before_sitting_down_is_seen(queues: Queues) -> None:
    manager = manager_of(queues)
    manager.step()
    lease = Lease(ME, "7", "1-7", b"- default 1 0 0 0 0 {}")
    assert manager._ear.sit()
    manager._ready.put([lease])  # nobody stirs: it stood there before
    assert manager._intake.listen() is None
    assert manager.take() is lease


def test_a_line_that_ends_under_who_sits_means_adopting(queues: Queues) -> None:
    manager = manager_of(queues)
    manager.step()
    with seated(manager) as taking:
        queues.store.command("CLIENT", "KILL", "TYPE", "pubsub")
        until(lambda: manager._intake.deaf, message="it heard the end")
        queues.claim(ME, ["default"], 0)
        [job_id] = push(queues, 1)
        manager.step()
        assert taking.took() == job_id
    assert not manager._intake.deaf


def test_who_adopts_closes_the_line_and_who_sits_rises(queues: Queues) -> None:
    manager = manager_of(queues)
    manager.step()
    with seated(manager) as taking:
        manager._adopt()
        until(lambda: not manager._ear._seat.locked(), message="it has risen")
        [job_id] = push(queues, 1)
        manager.step()
        assert taking.took() == job_id
    end(manager, taking.lease, 1.0)  # type: ignore[arg-type]  # took() has seen it
    manager.step()
    assert manager.holds_nothing


def test_who_is_quiet_does_not_sit(queues: Queues) -> None:
    manager = manager_of(queues)
    manager.step()
    with seated(manager) as taking:
        manager.quiet()
        until(lambda: not manager._ear._seat.locked(), message="it has risen")
        manager.step()
        manager.resume()
        manager.step()
        [job_id] = push(queues, 1)
        hear(manager)
        manager.step()
        assert taking.took() == job_id


def test_who_rises_lets_the_dispatcher_listen_at_once(queues: Queues) -> None:
    manager = manager_of(queues)
    manager.step()
    manager._ear.wait(0)
    assert manager._ear.sit()
    waiting = threading.Thread(target=manager._ear.wait, args=(60.0,), daemon=True)
    waiting.start()
    until(lambda: manager._ear._bell._asleep, message="the dispatcher waits for its bell alone")
    manager._ear.rise()
    waiting.join(10)
    assert not waiting.is_alive()
