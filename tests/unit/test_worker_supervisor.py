"""The supervisor's bookkeeping of children: descriptors that come again, successors that come in time."""

from __future__ import annotations

import selectors
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from podwork import App
from podwork.observation import Observation
from podwork.worker import Supervisor, WorkerSpec, supervisor
from podwork.worker.channel import Channel, Command, Observed, channel_pair
from podwork.worker.offspring import Offspring


class Nursery:
    """Children without processes, in place of the fork."""

    def __init__(self) -> None:
        self.children: list[Offspring] = []
        self.ends: dict[int, Channel[Command]] = {}
        self.dead: set[int] = set()

    def give_birth(self, _spec: WorkerSpec, _forget: Any) -> Offspring:
        ours, theirs = channel_pair()
        child = Offspring(1000 + len(self.children), ours)
        child.ready = True
        self.children.append(child)
        self.ends[child.pid] = theirs
        return child

    def die(self, child: Offspring) -> None:
        self.ends[child.pid].close()
        self.dead.add(child.pid)

    def reap_of(self) -> Callable[[Offspring], bool]:
        def reap(child: Offspring) -> bool:
            if child.pid in self.dead:
                child.status = -signal.SIGKILL
            return child.status is not None

        return reap


@pytest.fixture
def nursery(monkeypatch: pytest.MonkeyPatch) -> Nursery:
    nursery = Nursery()
    monkeypatch.setattr(supervisor, "give_birth", nursery.give_birth)
    monkeypatch.setattr(Offspring, "reap", nursery.reap_of())
    return nursery


@pytest.fixture
def observed() -> list[int]:
    return []


@pytest.fixture
def worker(nursery: Nursery, observed: list[int]) -> Iterator[Supervisor]:
    spec = WorkerSpec(1, App("x"), connect=lambda: pytest.fail("not here"), processes=1)
    worker = Supervisor(spec, lambda pid, _observation: observed.append(pid))
    with selectors.DefaultSelector() as worker._selector:
        yield worker
    for child in nursery.children:
        child.channel.close()
        nursery.ends[child.pid].close()


def living(worker: Supervisor) -> list[int]:
    return [child.pid for child in worker._children]


def test_a_child_that_was_told_something_after_its_death_is_replaced(
    worker: Supervisor, nursery: Nursery, observed: list[int]
) -> None:
    worker._fill_up()
    [first] = nursery.children
    nursery.ends[first.pid].send(Observed(Observation()))
    nursery.die(first)
    worker._obey(signal.SIGTSTP)  # the same moment: its pipe is broken before its death is known
    assert first.channel.closed
    worker._bury_the_dead()
    worker._fill_up()  # the next child's pipe has the same descriptor
    assert living(worker) == [1001]
    assert len(worker._selector.get_map()) == 1
    assert observed == [first.pid], "its last words are heard"


def test_a_child_that_dies_during_a_restart_is_followed_by_its_successor_alone(
    worker: Supervisor, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker._fill_up()
    worker._signals = type("NoSignals", (), {"read": lambda _self: []})()
    monkeypatch.setattr(supervisor, "TICK_SECONDS", 0.0)
    worker._obey(signal.SIGHUP)
    worker._tick()
    old, new = nursery.children
    new.ready = False
    nursery.die(old)
    for _ in range(3):
        worker._tick()
    assert living(worker) == [new.pid]
    assert new.counts


def test_a_fork_that_fails_is_tried_again_and_ends_nothing(
    worker: Supervisor, nursery: Nursery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_process_left(*_arguments: Any) -> Offspring:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    worker._give_births()
    worker._obey(signal.SIGHUP)
    monkeypatch.setattr(supervisor, "give_birth", no_process_left)
    worker._give_births()
    worker._give_births()
    assert living(worker) == [1000]
    assert caplog.text.count("no child can be started now") == 1, "said once a pause"
    monkeypatch.setattr(supervisor, "give_birth", nursery.give_birth)
    worker._fork_not_before = 0.0
    worker._give_births()
    assert living(worker) == [1000, 1001], "the restart goes on with the child whose turn it was"
    assert not nursery.children[1].counts
