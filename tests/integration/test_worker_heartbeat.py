"""The lease is renewed, and its loss ends the process."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from podwork import keys
from podwork.inspection import Inspection
from podwork.interventions import Interventions
from podwork.queues import Pulse, Queues
from podwork.store import Store
from podwork.worker.heartbeat import Heartbeat
from podwork.worker.life import EXIT_LEASE_LOST, Life
from podwork.worker.outage import Outage

ME = "host:1:aaaa"


@pytest.fixture
def queues(redis_url: str) -> Queues:
    queues = Queues(Store(redis_url), lease_seconds=30)
    queues.register(ME, {"pid": 1})
    return queues


def heartbeat_of(queues: Queues, codes: list[int], heard: Callable[[Pulse], None] | None = None) -> Heartbeat:
    life = Life(ME, 30, end=codes.append)
    return Heartbeat(queues, life, Outage(), lambda: {"busy": 3}, heard or (lambda pulse: None))


def test_a_beat_renews_the_lease_and_says_how_the_process_is(queues: Queues) -> None:
    codes: list[int] = []
    heartbeat = heartbeat_of(queues, codes)
    assert heartbeat.beat()
    assert heartbeat.life.valid_until > time.monotonic() + 25
    [process] = Inspection(queues.store).processes()
    assert process.fields["busy"] == "3"
    assert codes == []


def test_a_lost_lease_ends_the_process_and_is_not_taken_again(queues: Queues) -> None:
    codes: list[int] = []
    heartbeat = heartbeat_of(queues, codes)
    queues.deregister(ME)
    assert not heartbeat.beat()
    assert codes == [EXIT_LEASE_LOST]
    assert heartbeat.life.valid_until == 0.0
    assert Inspection(queues.store).processes() == []


def test_a_redis_that_does_not_answer_renews_nothing_and_ends_nothing() -> None:
    codes: list[int] = []
    heartbeat = heartbeat_of(Queues(Store("redis://127.0.0.1:1/0")), codes)
    assert not heartbeat.beat()
    assert (codes, heartbeat.life.valid_until) == ([], 0.0)


def test_who_left_has_not_lost_its_lease(queues: Queues) -> None:
    codes: list[int] = []
    heartbeat = heartbeat_of(queues, codes)
    heartbeat.life.left = True  # as the child does before it deregisters
    queues.deregister(ME)
    assert not heartbeat.beat()
    assert codes == []


def test_a_beat_hears_the_time_who_leads_and_what_to_do(queues: Queues) -> None:
    pulses: list[Pulse] = []
    heartbeat = heartbeat_of(queues, [], pulses.append)
    queues.register("host:2:bbbb", {"pid": 2})
    assert Interventions(queues.store).order(ME, "quiet")
    assert heartbeat.beat()
    assert heartbeat.beat()
    first, second = pulses
    assert (first.leads, first.orders, second.orders) == (True, ["quiet"], [])
    assert heartbeat.life.is_leader
    assert abs(first.now_ms / 1000 - time.time()) < 5
    assert not queues.heartbeat("host:2:bbbb", {"pid": 2}).leads


def test_another_leads_when_the_leader_has_gone(queues: Queues) -> None:
    queues.register("host:2:bbbb", {"pid": 2})
    assert queues.heartbeat(ME, {"pid": 1}).leads
    queues.store.command("ZADD", keys.PROCESSES, 1, ME)
    assert queues.heartbeat("host:2:bbbb", {"pid": 2})[1:3] == (False, True), "it hears that one has expired"
    queues.reclaim()
    assert queues.heartbeat("host:2:bbbb", {"pid": 2}).leads
