"""A held job whose own process died: `crash` does with it what a reclaim does, and its neighbours stay."""

from __future__ import annotations

import pytest

from podwork import keys
from podwork.inspection import Inspection, JobState
from podwork.lease import Lease
from podwork.queues import POISON_RECLAIMS, POISON_WINDOW_MS, Queues
from podwork.store import Store
from tests.support import engine
from tests.support.engine import A, B, expire

HOW = "was killed by SIGSEGV"


@pytest.fixture
def queues(store_url: str) -> Queues:
    queues = Queues(Store(store_url), lease_seconds=30)
    queues.register(A, {"pid": 1})
    queues.register(B, {"pid": 2})
    return queues


def push(queues: Queues, count: int) -> list[str]:
    return engine.push(queues, ("7", count))


def claim(queues: Queues, limit: int = 1) -> list[Lease]:
    return engine.claim(queues, limit)


def state(queues: Queues, job_id: str) -> JobState:
    found = Inspection(queues.store).job(job_id)
    assert found is not None
    return found


def test_it_is_queued_again_at_the_head_of_its_lane_with_one_reclaim_and_the_reason(queues: Queues) -> None:
    first, second, third = push(queues, 3)
    held, neighbour = claim(queues, 2)
    assert queues.crash(A, held, HOW) == "queued"
    crashed = state(queues, first)
    assert (crashed.state, crashed.attempts, crashed.interruptions, crashed.reclaims) == ("ready", 0, 0, 1)
    assert crashed.error == f"its process {HOW}"
    assert state(queues, second).state == "held"
    assert queues.acknowledge(A, [neighbour]) == []
    assert [lease.id for lease in claim(queues, 5)] == [first, third]
    assert Inspection(queues.store).totals()["reclaimed"] == 1


def test_the_third_time_within_the_hour_it_is_buried(queues: Queues) -> None:
    [job_id] = push(queues, 1)
    for _ in range(POISON_RECLAIMS - 1):
        [held] = claim(queues)
        assert queues.crash(A, held, HOW) == "queued"
    [held] = claim(queues)
    assert queues.crash(A, held, HOW) == "buried"
    dead = state(queues, job_id)
    assert (dead.state, dead.attempts, dead.reclaims) == ("dead", 0, POISON_RECLAIMS)
    assert dead.error == f"poison pill: 3 processes died running it; the last one {HOW}"
    assert claim(queues) == []


def test_reclaims_and_crashes_count_together(queues: Queues) -> None:
    [job_id] = push(queues, 1)
    for _ in range(2):
        [held] = claim(queues)
        queues.start(A, held)
        expire(queues, A)
        assert [one.buried for one in queues.reclaim()] == [False]
        queues.register(A, {"pid": 1})
    [held] = claim(queues)
    assert queues.crash(A, held, HOW) == "buried"
    assert state(queues, job_id).reclaims == POISON_RECLAIMS


def test_crashes_from_before_the_window_do_not_count(queues: Queues) -> None:
    [job_id] = push(queues, 1)
    [held] = claim(queues)
    queues.crash(A, held, HOW)
    [held] = claim(queues)
    long_ago_ms = held.head.since_ms - POISON_WINDOW_MS - 1000
    queues.store.command("HSET", keys.jobs("7"), job_id, held.record(reclaims=2, since_ms=long_ago_ms))
    assert queues.crash(A, held, HOW) == "queued"
    assert state(queues, job_id).reclaims == 1


def test_a_job_that_may_run_once_is_buried_at_once(queues: Queues) -> None:
    [job_id] = push(queues, 1)
    [held] = claim(queues)
    assert queues.start(A, held, at_most_once=True)
    assert queues.crash(A, held, HOW) == "buried"
    assert state(queues, job_id).error == f"its process {HOW} while it ran, and it may run at most once"


def test_a_job_that_a_person_cancelled_ends(queues: Queues) -> None:
    [job_id] = push(queues, 1)
    [held] = claim(queues)
    queues.store.call("cancel", "", "cancelled", job_id)
    assert queues.crash(A, held, HOW) == "cancelled"
    assert Inspection(queues.store).job(job_id) is None


def test_it_frees_the_slot_of_a_limit(queues: Queues) -> None:
    name, text = "class=shop.collect:concurrency", "concurrency 1 0 1 * shop.collect * operator"
    queues.store.call("limit", "operator", name, text)
    push(queues, 2)
    [held] = claim(queues, 2)
    assert queues.store.command("SCARD", keys.passes(name)) == 1
    queues.crash(A, held, HOW)
    [again] = claim(queues, 2)
    assert again.id != held.id  # who waited in the room is next; it goes behind
    assert queues.store.command("SMEMBERS", keys.passes(name)) == [again.id.encode()]


@pytest.mark.parametrize("holder", [B, "nobody:1:0000"])
def test_only_who_holds_it_can_say_so(queues: Queues, holder: str) -> None:
    [job_id] = push(queues, 1)
    [held] = claim(queues)
    assert queues.crash(holder, held, HOW) == ""
    assert (state(queues, job_id).state, state(queues, job_id).reclaims) == ("held", 0)
    assert queues.acknowledge(A, [held]) == []
    assert queues.crash(A, held, HOW) == ""
    assert Inspection(queues.store).totals().get("reclaimed", 0) == 0
