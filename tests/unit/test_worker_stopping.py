"""Children that end by their own decision: followed at once, or not at all."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from podwork.worker import Supervisor, supervisor
from podwork.worker.channel import Stopping
from tests.unit.test_worker_supervisor import Nursery, living, nursery, observed, worker

__all__ = ["nursery", "observed", "worker"]  # fixtures


def tick(worker: Supervisor, monkeypatch: pytest.MonkeyPatch, times: int = 1) -> None:
    worker._signals = type("NoSignals", (), {"read": lambda _self: []})()
    monkeypatch.setattr(supervisor, "TICK_SECONDS", 0.0)
    for _ in range(times):
        worker._tick()


def say(nursery: Nursery, child: Any, *, for_good: bool) -> None:
    nursery.ends[child.pid].send(Stopping("because", for_good))


def test_a_successor_starts_while_it_drains_and_its_death_is_none(
    worker: Supervisor, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick(worker, monkeypatch)
    [old] = nursery.children
    say(nursery, old, for_good=False)
    tick(worker, monkeypatch, 2)
    assert living(worker) == [old.pid, 1001]
    nursery.die(old)
    tick(worker, monkeypatch, 3)
    assert living(worker) == [1001]
    assert worker._rebirth.early_deaths == 0
    assert worker._rebirth.not_before == 0.0


def test_its_last_words_may_be_that_it_stops(
    worker: Supervisor, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick(worker, monkeypatch)
    [old] = nursery.children
    say(nursery, old, for_good=True)
    nursery.die(old)
    tick(worker, monkeypatch, 2)
    assert living(worker) == []
    assert worker._stopping


def test_nobody_follows_who_was_told_to_stop_and_with_the_last_the_worker_ends(
    worker: Supervisor, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker._wanted = 2
    tick(worker, monkeypatch)
    first, second = nursery.children
    say(nursery, first, for_good=True)
    tick(worker, monkeypatch, 2)
    nursery.die(first)
    tick(worker, monkeypatch, 2)
    assert living(worker) == [second.pid]
    assert worker.health().ready == second.claims_ok
    assert not worker._stopping
    say(nursery, second, for_good=True)
    tick(worker, monkeypatch)
    assert worker._stopping


def test_during_a_restart_the_successor_of_one_that_stops_for_good_goes_too(
    worker: Supervisor, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker._wanted = 2
    tick(worker, monkeypatch)
    first, second = nursery.children
    worker._obey(signal.SIGHUP)
    worker._give_births()
    successor = nursery.children[2]
    successor.ready = False
    say(nursery, first, for_good=True)
    tick(worker, monkeypatch)
    assert successor.leaving
    nursery.die(first)
    nursery.die(successor)
    tick(worker, monkeypatch, 3)
    # The restart goes on with the second child; when that has ended, one is left.
    third = nursery.children[3]
    nursery.die(second)
    tick(worker, monkeypatch, 3)
    assert living(worker) == [third.pid]
    assert worker._wanted == 1


def test_during_a_restart_the_successor_takes_the_place_of_one_that_leaves(
    worker: Supervisor, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick(worker, monkeypatch)
    [old] = nursery.children
    worker._obey(signal.SIGHUP)
    worker._give_births()
    successor = nursery.children[1]
    successor.ready = False
    say(nursery, old, for_good=False)
    tick(worker, monkeypatch, 3)
    assert living(worker) == [old.pid, successor.pid], "one successor, not two"
    assert successor.counts
    nursery.die(old)
    tick(worker, monkeypatch, 3)
    assert living(worker) == [successor.pid]


def test_who_was_told_to_drain_before_is_replaced_as_was_decided(
    worker: Supervisor, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick(worker, monkeypatch)
    [old] = nursery.children
    old.drain(10.0)  # over its memory limit
    say(nursery, old, for_good=True)
    nursery.die(old)
    tick(worker, monkeypatch, 2)
    assert living(worker) == [1001]
