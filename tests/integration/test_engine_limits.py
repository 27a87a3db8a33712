"""Limits of concurrency and of rate: kept in the claim, slots end with it, what waits costs nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from podwork import keys
from podwork.interventions import Interventions
from podwork.limits import Bucket, Concurrency, Limits, LimitState, Window, described
from podwork.queues import End, Queues
from podwork.store import Store
from tests.support.engine import A, B, claim, commands_processed, counts, die, expire, ids, push, state
from tests.support.wait import until


@pytest.fixture
def queues(store_url: str) -> Queues:
    queues = Queues(Store(store_url), lease_seconds=30)
    queues.register(A, {"pid": 1})
    queues.register(B, {"pid": 2})
    return queues


@pytest.fixture
def limits(queues: Queues) -> Limits:
    return Limits(queues.store)


def test_at_most_so_many_run_at_once_and_the_next_starts_when_one_ends(
    queues: Queues, limits: Limits
) -> None:
    limits.set(Concurrency(2), job_class="shop.collect")
    pushed = push(queues, ("7", 5))
    first = claim(queues)
    assert ids(first) == pushed[:2]
    assert counts(queues) == (0, 2, 0, 3, 0), "what is over the limit is parked"
    assert claim(queues, who=B) == []
    queues.acknowledge(A, first[:1])
    assert ids(claim(queues, who=B)) == pushed[2:3]
    assert claim(queues, who=B) == []


@pytest.mark.parametrize(
    "way", ["retry", "snooze", "bury", "discard", "park", "release", "forget", "complete", "die"]
)
def test_a_slot_ends_with_the_claim_however_that_ends(queues: Queues, limits: Limits, way: str) -> None:
    limits.set(Concurrency(1), job_class="shop.collect")
    waiting = push(queues, ("8", 2))
    [held] = claim(queues)
    assert counts(queues)[3] == 1
    ways: dict[str, Callable[[], object]] = {
        "retry": lambda: queues.retry(A, held, 4e9, "error"),
        "snooze": lambda: queues.snooze(A, held, 4e9),
        "bury": lambda: queues.bury(A, held, "error"),
        "discard": lambda: queues.turn(A, [End(held, "discarded")], ["default"], 0),
        "park": lambda: queues.park(A, held),
        "release": lambda: queues.release(A, [held]),
        "forget": lambda: queues.forget(A, held),
        "complete": lambda: queues.turn(A, [End(held)], ["default"], 0),
        "die": lambda: die(queues, A),
    }
    ways[way]()
    assert len(claim(queues, who=B)) == 1, "the slot is free again"
    assert queues.store.command("SCARD", keys.passes("class=shop.collect:concurrency")) == 1
    assert waiting


def test_a_slot_does_not_end_with_a_process_that_was_late(queues: Queues, limits: Limits) -> None:
    """The slot belongs to the claim: what a zombie says of it changes nothing."""
    limits.set(Concurrency(1), job_class="shop.collect")
    push(queues, ("7", 3))
    [late] = claim(queues)
    expire(queues, A)
    queues.reclaim()
    assert len(claim(queues, who=B)) == 1
    assert queues.acknowledge(A, [late]) == [late.id]
    assert queues.turn(A, [End(late, "discarded")], ["default"], 0) == ([late.id], [])
    assert claim(queues, who=B) == []


def test_a_limit_for_each_shop_lets_the_other_shops_pass(queues: Queues, limits: Limits) -> None:
    limits.set(Concurrency(1, each_shop=True), job_class="shop.collect")
    push(queues, ("7", 3), ("8", 3), ("9", 1))
    assert sorted(lease.shop for lease in claim(queues)) == ["7", "8", "9"]


@pytest.mark.parametrize(
    "scope", [{"queue": "low"}, {"shop": "7"}, {"queue": "low", "job_class": "shop.collect"}]
)
def test_limits_of_queues_shops_and_mixes(queues: Queues, limits: Limits, scope: dict[str, str]) -> None:
    limits.set(Concurrency(1), **scope)
    push(queues, ("7", 2), queue="low")
    push(queues, ("8", 2), queue="default")
    assert len(claim(queues, names=("low", "default"))) == 3
    assert counts(queues)[3] == 1


def test_a_job_under_two_limits_takes_both_slots_or_none(queues: Queues, limits: Limits) -> None:
    limits.set(Concurrency(1), job_class="shop.a")
    limits.set(Concurrency(1), queue="default")
    a = push(queues, ("7", 2), job_class="shop.a")
    b = push(queues, ("7", 1), job_class="shop.b")
    [first] = claim(queues)
    assert first.id == a[0]
    assert claim(queues, who=B) == [], (
        "one of a waits for a, b for the queue; nobody holds a slot while it waits"
    )
    queues.acknowledge(A, [first])
    second = claim(queues)
    queues.acknowledge(A, second)
    third = claim(queues)
    assert sorted(ids(second + third)) == sorted([a[1], b[0]])


def test_jobs_under_a_wide_and_a_narrow_limit_all_get_through(queues: Queues, limits: Limits) -> None:
    """Slots are taken in one order, the narrowest first: nobody waits for each other, no slot lies idle."""
    limits.set(Concurrency(2), job_class="shop.collect")
    limits.set(Concurrency(1, each_shop=True), job_class="shop.collect")
    limits.set(Bucket(1000, per_seconds=0.001, burst=1000), queue="default")
    waiting = set(push(queues, ("7", 6), ("8", 6), ("9", 2)))
    while waiting:
        queues.sound_alarms()
        held = claim(queues, 20) + claim(queues, 20)
        assert len({lease.shop for lease in held}) == len(held) <= 2
        assert held, "somebody can always run"
        waiting -= set(ids(held))
        queues.acknowledge(A, held)
    assert counts(queues) == (0, 0, 0, 0, 0)
    assert queues.store.command("EXISTS", keys.GRANTED) == 0


@pytest.mark.parametrize("narrow", [{}, {"job_class": "shop.collect"}, {"queue": "default"}], ids=str)
def test_a_job_that_waits_for_its_shops_slot_keeps_none_of_the_classes(
    queues: Queues, limits: Limits, narrow: dict[str, str]
) -> None:
    """The narrow slot first: otherwise a shop's second job would take the slot of another shop's first."""
    limits.set(Concurrency(2), job_class="shop.collect")
    limits.set(Concurrency(1, each_shop=True), **narrow)
    push(queues, ("7", 3), ("8", 1))
    assert sorted(lease.shop for lease in claim(queues)) == ["7", "8"]


@pytest.mark.parametrize("way", ["cancel", "move"])
def test_a_job_that_leaves_the_waiting_room_leaves_its_slots(
    queues: Queues, limits: Limits, way: str
) -> None:
    """It has the narrow slot and waits for the wide one; then a person takes it away."""
    limits.set(Concurrency(1, each_shop=True), queue="default")
    limits.set(Concurrency(1), queue="low")
    limits.set(Concurrency(1), queue="default")
    [busy] = push(queues, ("8", 1))
    claim(queues)
    gone, next_one = push(queues, ("7", 2))
    assert claim(queues) == []
    hand = Interventions(queues.store)
    if way == "cancel":
        hand.cancel([gone])
    else:
        hand.move([gone], "low")
        queues.acknowledge(A, [lease for lease in queues.adopt(A) if lease.id == busy])
        assert ids(claim(queues, names=("low",)) + claim(queues, names=("low",))) == [gone]
    queues.acknowledge(A, [lease for lease in queues.adopt(A) if lease.id == busy])
    assert ids(claim(queues) + claim(queues)) == [next_one]


def test_those_who_wait_are_let_in_shop_by_shop(queues: Queues, limits: Limits) -> None:
    """J4 holds in the waiting room, too: a shop that floods a limited class delays another by one turn."""
    limits.set(Concurrency(1), job_class="shop.collect")
    push(queues, ("7", 50))
    [held] = claim(queues, 100)
    [other] = push(queues, ("8", 1))
    assert claim(queues, 100) == []
    served = []
    for _ in range(3):
        queues.acknowledge(A, [held])
        [held] = claim(queues)
        served.append(held.id)
    assert other in served


def test_what_waits_for_a_limit_costs_the_claim_nothing(queues: Queues, limits: Limits) -> None:
    limits.set(Concurrency(1), job_class="shop.collect")
    push(queues, ("7", 400))
    claim(queues)
    while claim(queues):
        pass
    before = commands_processed(queues)
    claim(queues)
    assert commands_processed(queues) - before < 15


def test_a_raised_limit_lets_in_at_once_and_a_removed_one_everybody(queues: Queues, limits: Limits) -> None:
    name = limits.set(Concurrency(1), job_class="shop.collect")
    push(queues, ("7", 6))
    assert len(claim(queues)) == 1
    limits.set(Concurrency(3), job_class="shop.collect")
    assert len(claim(queues)) == 2
    assert limits.remove(name)
    assert len(claim(queues)) == 3
    assert not limits.remove(name)


def test_a_lowered_limit_stops_new_ones_until_enough_have_ended(queues: Queues, limits: Limits) -> None:
    limits.set(Concurrency(3), job_class="shop.collect")
    push(queues, ("7", 5))
    held = claim(queues)
    limits.set(Concurrency(1), job_class="shop.collect")
    queues.acknowledge(A, held[:2])
    assert claim(queues) == []
    queues.acknowledge(A, held[2:])
    assert len(claim(queues)) == 1


def test_a_bucket_lets_a_burst_through_and_then_refills(queues: Queues, limits: Limits) -> None:
    limits.set(Bucket(1, per_seconds=3600, burst=2), job_class="shop.collect")
    pushed = push(queues, ("7", 4))
    assert ids(claim(queues)) == pushed[:2]
    assert counts(queues)[3] == 2
    assert queues.sound_alarms() == 0, "it is not time yet"
    limits.set(Bucket(100, per_seconds=0.1, burst=2), job_class="shop.collect")
    taken: list[str] = []

    def drain() -> bool:
        queues.sound_alarms()
        taken.extend(ids(claim(queues)))
        return taken == pushed[2:]

    until(drain)


def test_a_window_opens_again_after_its_time(queues: Queues, limits: Limits) -> None:
    limits.set(Window(2, per_seconds=0.2), job_class="shop.collect")
    pushed = push(queues, ("7", 5))
    taken = claim(queues)

    def drain() -> bool:
        queues.sound_alarms()
        taken.extend(claim(queues))
        return len(taken) == 5

    until(drain)
    assert ids(taken) == pushed


def test_a_rate_counts_starts_not_ends(queues: Queues, limits: Limits) -> None:
    limits.set(Bucket(2, per_seconds=3600), job_class="shop.collect")
    push(queues, ("7", 3))
    queues.acknowledge(A, claim(queues))
    assert claim(queues) == []


def test_a_cancelled_job_gives_its_granted_slot_to_the_next(queues: Queues, limits: Limits) -> None:
    limits.set(Concurrency(1), job_class="shop.collect")
    pushed = push(queues, ("7", 3))
    [held] = claim(queues)
    claim(queues)
    queues.acknowledge(A, [held])
    [cancelled] = Interventions(queues.store).cancel([pushed[1]])
    assert cancelled.what == "ended"
    assert ids(claim(queues)) == [pushed[2]]


def test_a_cancelled_job_in_the_waiting_room_is_passed_over(queues: Queues, limits: Limits) -> None:
    limits.set(Concurrency(1), job_class="shop.collect")
    pushed = push(queues, ("7", 4))
    [held] = claim(queues)
    claim(queues)
    Interventions(queues.store).cancel([pushed[1]])
    assert counts(queues)[3] == 2
    queues.acknowledge(A, [held])
    [held] = claim(queues)
    assert held.id == pushed[2]
    assert counts(queues) == (0, 1, 0, 1, 0)
    queues.acknowledge(A, [held])
    assert ids(claim(queues)) == [pushed[3]]
    assert counts(queues) == (0, 1, 0, 0, 0)


def test_no_slot_is_given_to_a_lane_that_stands_outside(queues: Queues, limits: Limits) -> None:
    limits.set(Concurrency(1), job_class="shop.collect")
    push(queues, ("7", 2))
    [held] = claim(queues)
    push(queues, ("7", 1), job_class="shop.other")
    assert claim(queues, 0) == []
    queues.set_gate(7, "hold", 1, 1)
    assert claim(queues) == [], "the lane leaves the ring, with the other job in it"
    free = push(queues, ("8", 1))
    assert claim(queues) == []
    queues.acknowledge(A, [held])
    assert ids(claim(queues)) == free


def test_a_slot_is_not_kept_by_a_shop_whose_gate_is_closed(queues: Queues, limits: Limits) -> None:
    limits.set(Concurrency(1), job_class="shop.collect")
    closed = push(queues, ("7", 2))
    open_ones = push(queues, ("8", 1))
    [held] = claim(queues)
    claim(queues)
    queues.set_gate(7, "hold", 1, 1)
    queues.acknowledge(A, [held])
    assert ids(claim(queues) + claim(queues)) == open_ones
    queues.set_gate(7, "open", 1, 1)
    assert claim(queues) == []
    assert state(queues, closed[1]) == "parked"


def test_code_publishes_its_limits_and_takes_back_only_its_own(queues: Queues, limits: Limits) -> None:
    mine = described(Concurrency(2), "code", job_class="shop.collect")
    limits.publish([mine], ["shop.collect", "shop.other"])
    limits.set(Concurrency(9), job_class="shop.other")
    limits.publish(
        [described(Concurrency(1), "code", job_class="shop.other"), mine], ["shop.collect", "shop.other"]
    )
    assert [(one.job_class, one.amount, one.source) for one in limits.list()] == [
        ("shop.collect", 2, "code"),
        ("shop.other", 9, "operator"),
    ]
    limits.publish([], ["shop.collect", "shop.other"])
    assert limits.list() == [
        LimitState(
            "class=shop.other:concurrency", "concurrency", 9, 0.0, 9, "*", "shop.other", "*", "operator"
        )
    ]


def test_without_limits_a_claim_looks_at_none(queues: Queues) -> None:
    push(queues, ("7", 3))
    assert len(claim(queues)) == 3
    assert all(b"|" not in held for held in queues.store.command("HVALS", keys.held(A)))
