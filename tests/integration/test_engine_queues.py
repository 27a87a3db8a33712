"""Every transition of a job, against real servers: what it does, and that it needs the lease (J5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from podwork import keys, record
from podwork.errors import LeaseLost
from podwork.identity import new_job_id
from podwork.inspection import Inspection
from podwork.lease import Lease
from podwork.queues import End, PushGroup, Queues, Refusal
from podwork.store import Store
from tests.support.wait import until

A, B = "host:1:aaaa", "host:2:bbbb"
NOW_MS = 1_732_274_411_000


@pytest.fixture
def queues(store_url: str) -> Queues:
    queues = Queues(Store(store_url), lease_seconds=30)
    queues.register(A, {"pid": 1})
    queues.register(B, {"pid": 2})
    return queues


def job(shop: str = "7", queue: str = "default", job_class: str = "shop.collect") -> tuple[str, bytes]:
    prefix = record.payload_prefix(job_class, 1)
    return new_job_id(NOW_MS, shop), record.encode_first(queue, NOW_MS, prefix, b'{"n":[]}')


def push(queues: Queues, *counts: tuple[str, int], queue: str = "default", epoch: int = 1) -> list[str]:
    """Push `n` jobs for each (shop, n); return the ids."""
    groups = [PushGroup(queue, shop, epoch, [job(shop, queue) for _ in range(n)]) for shop, n in counts]
    assert queues.push(groups) == []
    return [job_id for group in groups for job_id, _ in group.jobs]


def claim(
    queues: Queues, limit: int = 10, who: str = A, names: tuple[str, ...] = ("default",)
) -> list[Lease]:
    return queues.claim(who, names, limit)


def counts(queues: Queues) -> tuple[int, ...]:
    return tuple(Inspection(queues.store).counts())


def expire(queues: Queues, who: str) -> None:
    """End a process's lease now, as time would."""
    queues.store.command("ZADD", keys.PROCESSES, 1, who)


def test_a_job_is_claimed_as_it_was_pushed(queues: Queues) -> None:
    [job_id] = push(queues, ("7", 1))
    [held] = claim(queues)
    assert (held.id, held.shop_id, held.job_class, held.args) == (job_id, 7, "shop.collect", {"n": []})
    assert (held.attempts, held.epoch, held.due_seconds) == (0, 1, NOW_MS / 1000)


def test_acknowledged_jobs_leave_nothing_behind(queues: Queues) -> None:
    push(queues, ("7", 3), ("8", 2))
    assert queues.acknowledge(A, claim(queues)) == []
    assert counts(queues) == (0, 0, 0, 0, 0)
    left: set[bytes] = set(queues.store.client.keys("podwork:*"))  # type: ignore[arg-type]  # bytes, not text
    expected = {
        keys.SIZES,
        keys.TOTALS,
        keys.PROCESSES,
        keys.process(A),
        keys.process(B),
    }
    assert {key.decode() for key in left} == expected


def test_one_turn_acknowledges_and_claims(queues: Queues) -> None:
    push(queues, ("7", 3))
    first = claim(queues, 1)
    refused, second = queues.turn(A, [End(lease) for lease in first], ["default"], 5)
    assert refused == []
    assert len(second) == 2
    assert counts(queues) == (0, 2, 0, 0, 0)


def test_queues_are_served_in_the_given_order(queues: Queues) -> None:
    push(queues, ("7", 2), queue="low")
    push(queues, ("7", 2), queue="critical")
    taken = claim(queues, 3, names=("critical", "low"))
    assert [held.queue for held in taken] == ["critical", "critical", "low"]


# Fairness (J4)


def test_each_shop_of_the_ring_has_its_turn(queues: Queues) -> None:
    push(queues, ("1", 1000))
    push(queues, ("2", 1), ("3", 1))
    assert sorted(held.shop for held in claim(queues, 6)) == ["1", "1", "1", "1", "2", "3"]


@pytest.mark.parametrize(("wanted", "of_each"), [(15, 1), (16, 2), (50, 2)])
def test_who_takes_many_jobs_takes_two_of_a_shop_in_its_turn(
    queues: Queues, wanted: int, of_each: int
) -> None:
    push(queues, *((str(shop), 3) for shop in range(1, 101)))
    taken = Counter(held.shop for held in claim(queues, wanted))
    assert set(taken.values()) == {of_each}
    assert list(taken) == [str(shop) for shop in range(1, wanted // of_each + 1)], "in the order of the ring"


def test_a_flooding_shop_delays_another_by_one_turn(queues: Queues) -> None:
    push(queues, ("1", 1000), ("2", 1000))
    for _ in range(4):
        claim(queues, 1)
    push(queues, ("3", 1))
    assert [claim(queues, 1)[0].shop for _ in range(3)] == ["1", "2", "3"]


def test_a_lone_shop_gets_the_whole_claim(queues: Queues) -> None:
    push(queues, ("1", 1000))
    assert len(claim(queues, 500)) == 500


def test_a_shops_jobs_come_in_the_order_of_their_push(queues: Queues) -> None:
    ids = push(queues, ("1", 20))
    assert [held.id for held in claim(queues, 20)] == ids


def test_a_shop_stands_in_the_ring_once(queues: Queues) -> None:
    push(queues, ("1", 1), ("2", 1))
    push(queues, ("1", 3))
    claim(queues, 1)
    assert queues.store.client.lrange(keys.ring("default"), 0, -1) == [b"2", b"1"]


# The lease (J5): every change needs it


def test_without_a_lease_nothing_is_claimed(queues: Queues) -> None:
    push(queues, ("7", 1))
    with pytest.raises(LeaseLost):
        claim(queues, who="host:3:unknown")
    assert counts(queues)[0] == 1


@pytest.mark.parametrize("change", ["acknowledge", "retry", "bury", "release", "park", "forget"])
def test_what_another_process_holds_cannot_be_changed(queues: Queues, change: str) -> None:
    push(queues, ("7", 1))
    [held] = claim(queues, who=A)
    before = queues.store.client.hgetall(keys.jobs("7"))
    outcome = {
        "acknowledge": lambda: queues.acknowledge(B, [held]) == [held.id],
        "retry": lambda: queues.retry(B, held, 0, "x") is False,
        "bury": lambda: queues.bury(B, held, "x") is False,
        "release": lambda: queues.release(B, [held], interrupted=True) == 0,
        "park": lambda: queues.park(B, held) is False,
        "forget": lambda: queues.forget(B, held) is False,
    }[change]()
    assert outcome, "the change was not refused"
    assert counts(queues) == (0, 1, 0, 0, 0)
    assert queues.store.client.hgetall(keys.jobs("7")) == before
    assert queues.acknowledge(A, [held]) == []


@pytest.mark.parametrize("change", ["acknowledge", "retry", "bury", "release", "park", "forget"])
def test_after_a_reclaim_the_late_holder_changes_nothing(queues: Queues, change: str) -> None:
    push(queues, ("7", 1))
    [held] = claim(queues, who=A)
    expire(queues, A)
    assert [job.id for job in queues.reclaim()] == [held.id]
    late: dict[str, Callable[[], object]] = {
        "acknowledge": lambda: queues.acknowledge(A, [held]),
        "retry": lambda: queues.retry(A, held, 0, "x"),
        "bury": lambda: queues.bury(A, held, "x"),
        "release": lambda: queues.release(A, [held]),
        "park": lambda: queues.park(A, held),
        "forget": lambda: queues.forget(A, held),
    }
    late[change]()
    assert counts(queues) == (1, 0, 0, 0, 0)
    [again] = claim(queues, who=B)
    assert (again.id, again.reclaims, again.attempts) == (held.id, 1, 0)


def test_a_mixed_acknowledgement_ends_only_what_is_held(queues: Queues) -> None:
    push(queues, ("7", 2), ("8", 2))
    mine, theirs = claim(queues, 2, A), claim(queues, 2, B)
    assert set(queues.acknowledge(A, mine + theirs)) == {held.id for held in theirs}
    assert counts(queues) == (0, 2, 0, 0, 0)
    assert queues.acknowledge(B, theirs) == []


def test_a_job_is_acknowledged_once(queues: Queues) -> None:
    push(queues, ("7", 1))
    held = claim(queues)
    assert queues.acknowledge(A, held) == []
    assert queues.acknowledge(A, held) == [held[0].id]


# Processes


def test_a_reclaimed_incarnation_never_gets_its_lease_back(queues: Queues) -> None:
    push(queues, ("7", 1))
    claim(queues, who=A)
    expire(queues, A)
    queues.reclaim()
    with pytest.raises(LeaseLost):
        queues.heartbeat(A, {"busy": 0})
    with pytest.raises(LeaseLost):
        claim(queues, who=A)
    with pytest.raises(LeaseLost):
        queues.adopt(A)


def test_a_heartbeat_keeps_what_is_held(queues: Queues) -> None:
    push(queues, ("7", 1))
    claim(queues, who=A)
    expire(queues, A)
    queues.heartbeat(A, {"busy": 1})
    assert queues.reclaim() == []


def test_a_lease_ends_by_itself(store_url: str) -> None:
    queues = Queues(Store(store_url), lease_seconds=0.05)
    queues.register(A, {"pid": 1})
    push(queues, ("7", 2))
    claim(queues, who=A)
    reclaimed = until(queues.reclaim, message="the lease ends")
    assert [job.incarnation for job in reclaimed] == [A, A]
    assert counts(queues) == (2, 0, 0, 0, 0)


def test_who_leaves_with_jobs_in_hand_is_reclaimed_at_once(queues: Queues) -> None:
    push(queues, ("7", 1))
    claim(queues, who=A)
    assert queues.deregister(A) == 1
    with pytest.raises(LeaseLost):
        queues.heartbeat(A, {"busy": 1})
    assert len(queues.reclaim()) == 1
    assert queues.deregister(B) == 0
    assert Inspection(queues.store).processes() == []


def test_a_claim_whose_answer_was_lost_is_adopted(queues: Queues) -> None:
    ids = push(queues, ("7", 2), ("8", 1))
    claim(queues, who=A)
    assert sorted(held.id for held in queues.adopt(A)) == sorted(ids)
    assert queues.adopt(B) == []


def test_reclaimed_jobs_go_in_front_in_their_order(queues: Queues) -> None:
    ids = push(queues, ("7", 5))
    claim(queues, 3, A)
    expire(queues, A)
    queues.reclaim()
    assert [held.id for held in claim(queues, 5, B)] == ids


def test_a_poison_pill_is_buried_at_the_third_reclaim(queues: Queues) -> None:
    [job_id] = push(queues, ("7", 1))
    for number in range(3):
        who = f"host:{number}:victim"
        queues.register(who, {"pid": number})
        [held] = claim(queues, who=who)
        assert queues.start(who, held)
        expire(queues, who)
        [taken] = queues.reclaim()
        assert taken.buried is (number == 2)
    state = Inspection(queues.store).job(job_id)
    assert state is not None
    assert (state.state, state.reclaims) == ("dead", 3)
    assert "poison pill" in state.error


def test_an_iteration_job_is_no_poison_it_goes_on_where_it_was(queues: Queues) -> None:
    extras = record.write_extras({"g": "all", "i": "1"})
    record_of_it = record.encode_first("default", 1, record.payload_prefix("shop.fill", 1), b"{}", extras)
    assert queues.push([PushGroup("default", "7", 1, [(new_job_id(1, "7"), record_of_it)])]) == []
    for number in range(4):
        who = f"host:{number}:victim"
        queues.register(who, {"pid": number})
        [held] = claim(queues, who=who)
        assert queues.start(who, held)
        expire(queues, who)
        assert [taken.buried for taken in queues.reclaim()] == [False]
    assert claim(queues)[0].reclaims == 4


def test_a_job_that_only_waited_in_dying_processes_is_never_buried(queues: Queues) -> None:
    push(queues, ("7", 1))
    for number in range(6):
        who = f"host:{number}:victim"
        queues.register(who, {"pid": number})
        claim(queues, who=who)
        expire(queues, who)
        assert [taken.buried for taken in queues.reclaim()] == [False]
    assert claim(queues)[0].reclaims == 1


def test_a_start_needs_the_lease(queues: Queues) -> None:
    push(queues, ("7", 1))
    [held] = claim(queues, who=A)
    assert not queues.start(B, held)
    assert queues.start(A, held)
    assert queues.acknowledge(A, [held]) == []


def test_reclaims_of_another_hour_do_not_count(queues: Queues) -> None:
    [job_id] = push(queues, ("7", 1))
    [held] = claim(queues)
    assert queues.start(A, held)
    stored = held.record(reclaims=2, since_ms=NOW_MS)  # long ago by Redis's clock
    queues.store.command("HSET", keys.jobs("7"), job_id, stored)
    expire(queues, A)
    [taken] = queues.reclaim()
    assert not taken.buried
    assert claim(queues, who=B)[0].reclaims == 1


# Retry, dead set, release, parking


def test_a_retry_waits_in_the_schedule_until_it_is_due(queues: Queues) -> None:
    push(queues, ("7", 1))
    [held] = claim(queues)
    assert queues.retry(A, held, 4e9, "ValueError: no")
    assert queues.promote() == 0
    queues.store.command("ZADD", keys.SCHEDULE, 1, held.id)
    assert queues.promote() == 1
    [again] = claim(queues)
    assert (again.attempts, again.error, again.args) == (1, "ValueError: no", {"n": []})


def test_a_buried_job_keeps_its_reason(queues: Queues) -> None:
    push(queues, ("7", 1))
    [held] = claim(queues)
    assert queues.bury(A, held, "boom\nline two")
    state = Inspection(queues.store).job(held.id)
    assert state is not None
    assert (state.state, state.error, state.attempts) == ("dead", "boom\nline two", 1)


def test_the_dead_set_drops_the_oldest_over_its_bound(queues: Queues) -> None:
    first, second = push(queues, ("7", 1), ("8", 1))
    leases = {held.id: held for held in claim(queues)}
    for job_id in (first, second):
        stored = leases[job_id].record(error="x")
        shop = leases[job_id].shop
        assert queues.store.call("bury", A, shop, job_id, stored, 1, 1000) == 1
    assert counts(queues) == (0, 0, 0, 0, 1)
    assert Inspection(queues.store).job(first) is None


def test_released_jobs_spend_no_attempt_and_keep_their_place(queues: Queues) -> None:
    ids = push(queues, ("7", 4))
    held = claim(queues, 3)
    assert queues.release(A, held[1:]) == 2
    assert queues.release(A, held[:1], interrupted=True) == 1
    again = claim(queues, 4)
    assert [lease.id for lease in again] == ids
    assert [(lease.attempts, lease.interruptions) for lease in again] == [(0, 1), (0, 0), (0, 0), (0, 0)]


def test_parked_jobs_wait_for_a_worker_that_knows_them(queues: Queues) -> None:
    push(queues, ("7", 1))
    [held] = claim(queues)
    assert queues.park(A, held)
    assert counts(queues) == (0, 0, 0, 1, 0)
    assert queues.unpark({"shop.other": 1}) == 0
    assert queues.unpark({"shop.other": 1, "shop.collect": 1}) == 1
    assert [lease.id for lease in claim(queues)] == [held.id]


def test_a_forgotten_job_is_gone_here(queues: Queues) -> None:
    push(queues, ("7", 1))
    [held] = claim(queues)
    assert queues.forget(A, held)
    assert Inspection(queues.store).job(held.id) is None


# The gate (J3)


def test_a_moved_shop_is_answered_not_stored(queues: Queues) -> None:
    queues.set_gate(7, "moved", 2, 9)
    groups = [PushGroup("default", shop, 1, [job(shop)]) for shop in ("6", "7", "8")]
    assert queues.push(groups) == [Refusal(1, 9, 2)]
    assert counts(queues)[0] == 2


def test_a_shop_on_hold_makes_pushes_wait(queues: Queues) -> None:
    queues.set_gate(7, "hold", 1, 1)
    assert queues.push([PushGroup("default", "7", 1, [job()])]) == [Refusal(0, None, 0)]


def test_a_push_under_a_later_epoch_than_a_closed_gate_waits(queues: Queues) -> None:
    queues.set_gate(7, "moved", 2, 9)
    assert queues.push([PushGroup("default", "7", 3, [job()])]) == [Refusal(0, None, 0)]
    queues.set_gate(7, "open", 3, 1)
    assert queues.push([PushGroup("default", "7", 3, [job()])]) == []


def test_a_push_under_an_old_epoch_learns_the_new_one(queues: Queues) -> None:
    queues.set_gate(7, "open", 3, 1)
    assert queues.push([PushGroup("default", "7", 1, [job()])]) == [Refusal(0, 1, 3)]


def test_a_gates_epoch_only_grows(queues: Queues) -> None:
    assert queues.set_gate(7, "open", 3, 1)
    assert not queues.set_gate(7, "moved", 2, 9)
    assert queues.push([PushGroup("default", "7", 3, [job()])]) == []


@pytest.mark.parametrize("state", ["hold", "moved"])
def test_a_closed_gate_keeps_the_shops_lane_out_of_the_ring(queues: Queues, state: str) -> None:
    push(queues, ("7", 3), ("8", 1))
    queues.set_gate(7, state, 1, 9)
    assert [held.shop for held in claim(queues)] == ["8"]
    queues.set_gate(7, "open", 1, 1)
    assert [held.shop for held in claim(queues)] == ["7", "7", "7"]


def test_what_returns_to_a_closed_shop_waits_outside(queues: Queues) -> None:
    push(queues, ("7", 2))
    first, second = claim(queues)
    queues.set_gate(7, "hold", 1, 1)
    queues.release(A, [first])
    queues.retry(A, second, 0, "x")
    queues.promote()
    assert claim(queues) == []
    assert Inspection(queues.store).queue("default").shops == 1
    queues.set_gate(7, "open", 1, 1)
    queues.set_gate(7, "open", 1, 1)  # twice: the lane enters the ring once
    assert queues.store.client.lrange(keys.ring("default"), 0, -1) == [b"7"]
    assert len(claim(queues)) == 2


def test_work_of_the_pod_knows_no_gate(queues: Queues) -> None:
    assert queues.push([PushGroup("default", keys.POD_LANE, 0, [job(keys.POD_LANE)])]) == []
    [held] = claim(queues)
    assert held.shop_id is None


# Repetition


def test_a_repeated_push_adds_nothing(queues: Queues) -> None:
    group = PushGroup("default", "7", 1, [job(), job()])
    queues.push([group])
    queues.push([PushGroup("default", "7", 1, [*group.jobs, job()])], fresh=False)
    assert len(claim(queues)) == 3
    queues.push([group], fresh=False)
    assert claim(queues) == []


def test_ready_jobs_are_counted(queues: Queues) -> None:
    push(queues, ("7", 5), ("8", 1))
    claim(queues, 2)
    state = Inspection(queues.store).queue("default")
    assert (state.ready, state.shops) == (4, 1)
    assert state.oldest_seconds > 0
