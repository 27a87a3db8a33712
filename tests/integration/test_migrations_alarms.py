"""Alarms of a plan, over the jobs of real pods' Redis."""

from __future__ import annotations

import pytest

from podwork.errors import ConfigurationError, StoreUnavailable
from podwork.inspection import Inspection
from podwork.queues import Queues
from podwork.store import Store
from podwork.testing.clock import VirtualClock
from podwork_migrations.plan.alarms import ErrorRate, QueueLatency
from tests.support.engine import NOW_MS, A, claim, push


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW_MS / 1000)


@pytest.fixture
def queues(redis_url: str) -> Queues:
    made = Queues(Store(redis_url), lease_seconds=30)
    made.register(A, {"pid": 1, "queues": "default"})
    return made


@pytest.fixture
def inspection(queues: Queues, clock: VirtualClock) -> Inspection:
    return Inspection(queues.store, clock=clock)


def end(queues: Queues, failing: int, succeeding: int, buried: int = 0) -> None:
    """Let jobs end: some with a failure that is tried again, some for good, the others well."""
    push(queues, ("7", failing + succeeding + buried))
    leases = claim(queues, failing + succeeding + buried)
    for lease in leases[:failing]:
        queues.retry(A, lease, NOW_MS / 1000 + 3600, "ValueError: no")
    for lease in leases[failing : failing + buried]:
        queues.bury(A, lease, "error")
    queues.acknowledge(A, leases[failing + buried :])


def test_jobs_that_wait_for_too_long(queues: Queues, inspection: Inspection, clock: VirtualClock) -> None:
    alarm = QueueLatency(lambda _: inspection, limit_seconds=30)
    assert alarm([1]) is None
    assert alarm([]) is None
    push(queues, ("7", 1))
    push(queues, ("7", 1), queue="slow")
    clock.advance(30)
    assert alarm([1]) is None
    clock.advance(1)
    assert alarm([1, 2]) == "pod 2: jobs in queue slow wait 31 s, limit 30 s"
    assert QueueLatency(lambda _: inspection, 30, ["default"])([1]) == (
        "pod 1: jobs in queue default wait 31 s, limit 30 s"
    )
    assert QueueLatency(lambda _: inspection, 30, ["other"])([1]) is None


def test_attempts_of_which_too_many_fail_since_the_last_look(queues: Queues, inspection: Inspection) -> None:
    alarm = ErrorRate(lambda _: inspection, limit=0.2, least=10)
    end(queues, failing=10, succeeding=0)
    assert alarm([1]) is None, "what was before is not the plan's"
    end(queues, failing=2, succeeding=8)
    assert alarm([1]) is None
    end(queues, failing=2, succeeding=6, buried=1)
    assert alarm([1]) is None, "too few have ended to say"
    end(queues, failing=0, succeeding=1)
    assert alarm([1]) == "pod 1: 30% of the attempts of its jobs fail, limit 20%"
    end(queues, failing=1, succeeding=9)
    assert alarm([1]) is None, "since then"


def test_a_redis_that_was_emptied_is_counted_from_anew(queues: Queues, inspection: Inspection) -> None:
    alarm = ErrorRate(lambda _: inspection, limit=0.2, least=10)
    end(queues, failing=0, succeeding=50)
    assert alarm([1]) is None
    queues.store.command("FLUSHDB")
    queues.register(A, {"pid": 1, "queues": "default"})
    end(queues, failing=10, succeeding=0)
    assert alarm([1]) is None
    end(queues, failing=10, succeeding=0)
    assert alarm([1]) == "pod 1: 100% of the attempts of its jobs fail, limit 20%"


def test_a_redis_that_does_not_answer_cannot_be_measured() -> None:
    gone = Inspection(Store("redis://127.0.0.1:1/0"))
    for alarm in (QueueLatency(lambda _: gone, 30), ErrorRate(lambda _: gone, 0.1)):
        with pytest.raises(StoreUnavailable):
            alarm([1])


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_limits_that_would_always_ring_are_refused(limit: float) -> None:
    with pytest.raises(ConfigurationError):
        QueueLatency(lambda _: pytest.fail("not looked at"), limit)
    with pytest.raises(ConfigurationError):
        ErrorRate(lambda _: pytest.fail("not looked at"), limit)
