"""What a person does to jobs: cancel, discard, run again, move to another queue; and delayed pushes."""

from __future__ import annotations

import pytest

from podwork import keys
from podwork.identity import new_job_id
from podwork.interventions import Interventions
from podwork.queues import End, Queues
from podwork.store import Store
from tests.support.engine import A, B, claim, counts, die, expire, ids, push, state


@pytest.fixture
def queues(store_url: str) -> Queues:
    queues = Queues(Store(store_url), lease_seconds=30)
    queues.register(A, {"pid": 1})
    queues.register(B, {"pid": 2})
    return queues


@pytest.fixture
def hand(queues: Queues) -> Interventions:
    return Interventions(queues.store)


def stand(queues: Queues, where: str) -> str:
    """Push a job and bring it into the state."""
    if where == "scheduled":
        [job_id] = push(queues, ("7", 1), due_ms=4_000_000_000_000)
        return job_id
    [job_id] = push(queues, ("7", 1))
    if where == "ready":
        return job_id
    [held] = claim(queues)
    if where == "dead":
        queues.bury(A, held, "error")
    if where == "parked":
        queues.park(A, held)
    return job_id


@pytest.mark.parametrize("where", ["ready", "scheduled", "dead", "parked"])
def test_a_waiting_job_is_cancelled_wherever_it_waits(
    queues: Queues, hand: Interventions, where: str
) -> None:
    job_id = stand(queues, where)
    assert state(queues, job_id) == where
    assert hand.cancel([job_id]) == [(job_id, "ended")]
    assert counts(queues) == (0, 0, 0, 0, 0)
    assert claim(queues) == []
    assert hand.cancel([job_id]) == [(job_id, "missing")]


@pytest.mark.parametrize("way", ["retry", "snooze", "release", "bury", "park", "die"])
def test_a_running_job_that_was_cancelled_never_runs_again(
    queues: Queues, hand: Interventions, way: str
) -> None:
    job_id = stand(queues, "held")
    [held] = queues.adopt(A)
    assert hand.cancel([job_id]) == [(job_id, "stopping")]
    assert hand.cancel([job_id]) == [(job_id, "stopping")], "asked twice, told once"
    assert queues.heartbeat(A, {"pid": 1}).orders == [f"cancel {job_id}"]
    assert {
        "retry": lambda: queues.retry(A, held, 0, "error"),
        "snooze": lambda: queues.snooze(A, held, 0),
        "release": lambda: queues.release(A, [held]) == 1,
        "bury": lambda: queues.bury(A, held, "error"),
        "park": lambda: queues.park(A, held),
        "die": lambda: len(die(queues, A)) == 1,
    }[way]()
    assert state(queues, job_id) == "ended"
    assert counts(queues) == (0, 0, 0, 0, 0)


def test_a_running_job_that_was_cancelled_may_still_succeed(queues: Queues, hand: Interventions) -> None:
    job_id = stand(queues, "held")
    [held] = queues.adopt(A)
    hand.cancel([job_id])
    assert queues.acknowledge(A, [held]) == []


def test_only_jobs_in_the_named_state_are_touched(queues: Queues, hand: Interventions) -> None:
    ready, dead = stand(queues, "ready"), None
    [held] = claim(queues)
    queues.bury(A, held, "error")
    dead, ready = ready, stand(queues, "ready")
    assert hand.discard([ready, dead]) == [(ready, "ready"), (dead, "ended")]
    assert hand.cancel([ready], state="scheduled") == [(ready, "ready")]
    assert state(queues, ready) == "ready"


def test_a_dead_job_runs_again_from_the_start(queues: Queues, hand: Interventions) -> None:
    job_id = stand(queues, "dead")
    assert hand.retry([job_id]) == [(job_id, "queued")]
    [held] = claim(queues)
    assert (held.id, held.attempts, held.error) == (job_id, 0, "error")
    assert counts(queues) == (0, 1, 0, 0, 0)
    assert hand.retry([job_id]) == [(job_id, "held")]


def test_a_scheduled_job_runs_now(queues: Queues, hand: Interventions) -> None:
    job_id = stand(queues, "scheduled")
    assert hand.retry([job_id], state="dead") == [(job_id, "scheduled")]
    assert hand.retry([job_id]) == [(job_id, "queued")]
    assert ids(claim(queues)) == [job_id]


@pytest.mark.parametrize("where", ["ready", "scheduled", "dead", "parked"])
def test_a_job_moves_to_another_queue_and_stands_in_one_lane_only(
    queues: Queues, hand: Interventions, where: str
) -> None:
    job_id = stand(queues, where)
    assert hand.move([job_id], "low") == [(job_id, "moved")]
    assert state(queues, job_id) == where
    queues.unpark({"shop.collect": 1})
    if where in ("dead", "scheduled"):
        hand.retry([job_id])
    assert claim(queues) == []
    assert ids(claim(queues, names=("low",))) == [job_id]
    assert queues.store.command("HGETALL", keys.SIZES) in ([b"default", b"0", b"low", b"0"], [b"low", b"0"])


def test_a_running_job_is_not_moved(queues: Queues, hand: Interventions) -> None:
    job_id = stand(queues, "held")
    assert hand.move([job_id], "low") == [(job_id, "held")]


def test_strangers_are_missing(queues: Queues, hand: Interventions) -> None:
    nobody = new_job_id(1, "7")
    assert hand.cancel([nobody, "nonsense"]) == [(nobody, "missing"), ("nonsense", "missing")]
    assert hand.retry([nobody]) == [(nobody, "missing")]
    assert hand.move([nobody], "low") == [(nobody, "missing")]


def test_jobs_for_later_wait_in_the_schedule_until_they_are_due(queues: Queues) -> None:
    later = push(queues, ("7", 2), due_ms=4_000_000_000_000)
    due = push(queues, ("8", 2), due_ms=1)
    assert counts(queues) == (0, 0, 4, 0, 0)
    assert queues.promote() == 2
    assert sorted(ids(claim(queues))) == sorted(due)
    assert queues.next_due() == (4_000_000_000_000, None)
    assert state(queues, later[0]) == "scheduled"


def test_an_end_without_success_leaves_nothing(queues: Queues) -> None:
    push(queues, ("7", 1))
    [held] = claim(queues)
    assert queues.turn(A, [End(held, "expired")], ["default"], 0) == ([], [])
    assert counts(queues) == (0, 0, 0, 0, 0)
    assert queues.turn(A, [End(held, "expired")], ["default"], 0) == ([held.id], [])


def test_what_may_start_only_once_is_buried_when_its_process_dies(queues: Queues) -> None:
    push(queues, ("7", 2))
    started, waiting = claim(queues)
    assert queues.start(A, started, at_most_once=True)
    expire(queues, A)
    fates = {one.id: one.buried for one in queues.reclaim()}
    assert fates == {started.id: True, waiting.id: False}
    assert not queues.start(A, waiting), "its lease is gone"
    assert counts(queues) == (1, 0, 0, 0, 1)


def test_an_order_to_nobody_is_refused(hand: Interventions) -> None:
    assert not hand.order("nobody", "quiet")


def test_a_record_that_somebody_broke_is_claimed_and_can_be_buried(queues: Queues) -> None:
    [job_id] = push(queues, ("7", 1))
    queues.store.command("HSET", keys.jobs("7"), job_id, b"\xff nonsense")
    [held] = claim(queues)
    assert "cannot be read" in held.fault
    assert queues.bury(A, held, held.fault)
    assert state(queues, job_id) == "dead"
