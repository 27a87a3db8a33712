"""The lease is renewed, and its loss ends the process."""

from __future__ import annotations

import time

import pytest

from podwork.inspection import Inspection
from podwork.queues import Queues
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


def heartbeat_of(queues: Queues, codes: list[int]) -> Heartbeat:
    life = Life(ME, 30, end=codes.append)
    return Heartbeat(queues, life, Outage(), lambda: {"busy": 3})


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
