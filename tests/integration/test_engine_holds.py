"""Holds on any mix of queue, class and shop, and the weights of shops."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from podwork import keys
from podwork.holds import Holds, UnknownHold
from podwork.interventions import Interventions
from podwork.queues import Queues
from podwork.store import Store
from tests.support.engine import A, claim, commands_processed, counts, ids, push
from tests.support.wait import until

WHY: dict[str, Any] = {"reason": "incident 12", "owner": "ada"}


@pytest.fixture
def queues(store_url: str) -> Queues:
    queues = Queues(Store(store_url), lease_seconds=30)
    queues.register(A, {"pid": 1})
    return queues


@pytest.fixture
def holds(queues: Queues) -> Holds:
    return Holds(queues.store)


SCOPES: list[dict[str, Any]] = [
    {},
    {"queue": "low"},
    {"shop": "7"},
    {"job_class": "shop.collect"},
    {"queue": "low", "shop": "7"},
    {"queue": "low", "job_class": "shop.collect"},
    {"job_class": "shop.collect", "shop": "7"},
    {"queue": "low", "job_class": "shop.collect", "shop": "7"},
]


def _push_all(queues: Queues) -> dict[str, tuple[str, str, str]]:
    """Push one job for each mix of two queues, classes and shops; return what each is."""
    pushed = {}
    for queue in ("low", "default"):
        for job_class in ("shop.collect", "shop.other"):
            for shop in ("7", "8"):
                [job_id] = push(queues, (shop, 1), queue=queue, job_class=job_class)
                pushed[job_id] = (queue, job_class, shop)
    return pushed


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_a_hold_stops_exactly_what_fits_and_nothing_is_lost(
    queues: Queues, holds: Holds, scope: dict[str, Any]
) -> None:
    pushed = _push_all(queues)
    hold = holds.place(**scope, **WHY)
    wanted = (scope.get("queue", "*"), scope.get("job_class", "*"), scope.get("shop", "*"))
    stopped = {
        job_id
        for job_id, is_ in pushed.items()
        if all(want in ("*", have) for want, have in zip(wanted, is_, strict=True))
    }
    taken = claim(queues, 20, names=("low", "default")) + claim(queues, 20, names=("low", "default"))
    assert set(ids(taken)) == set(pushed) - stopped
    holds.lift(hold.name)
    assert set(ids(claim(queues, 20, names=("low", "default")))) == stopped
    assert counts(queues) == (0, 8, 0, 0, 0)


def test_a_hold_says_who_why_and_until_when(holds: Holds) -> None:
    placed = holds.place(queue="low", shop="7", seconds=60, **WHY)
    [found] = holds.list()
    assert found == placed
    assert (found.name, found.reason, found.owner) == ("queue=low,shop=7", "incident 12", "ada")
    assert found.until is not None
    assert 50 < found.until - found.since < 70


def test_the_same_scope_again_changes_the_hold(holds: Holds) -> None:
    holds.place(queue="low", seconds=60, **WHY)
    holds.place(queue="low", reason="longer", owner="bob")
    [found] = holds.list()
    assert (found.reason, found.owner, found.until) == ("longer", "bob", None)


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_a_hold_with_a_length_lapses_by_itself(queues: Queues, holds: Holds, scope: dict[str, Any]) -> None:
    pushed = _push_all(queues)
    holds.place(**scope, seconds=0.05, **WHY)
    taken = claim(queues, 20, names=("low", "default"))

    def lapse() -> bool:
        queues.sound_alarms()
        taken.extend(claim(queues, 20, names=("low", "default")))
        return len(taken) == len(pushed) and holds.list() == []

    until(lapse)


@pytest.mark.parametrize("scope", [{}, {"queue": "default"}], ids=str)
def test_a_hold_whose_time_is_over_stops_nothing_even_before_its_alarm(
    queues: Queues, holds: Holds, scope: dict[str, Any]
) -> None:
    push(queues, ("7", 1))
    holds.place(**scope, seconds=0.1, **WHY)
    assert claim(queues) == []
    until(lambda: claim(queues))


def test_a_longer_hold_is_not_ended_by_the_alarm_of_the_shorter_one(queues: Queues, holds: Holds) -> None:
    push(queues, ("7", 1))
    holds.place(shop="7", seconds=0.001, **WHY)
    holds.place(shop="7", seconds=3600, **WHY)
    queues.store.command("ZADD", keys.ALARMS, 0, "hold:shop=7")
    assert queues.sound_alarms() == 1
    assert claim(queues) == []
    assert len(holds.list()) == 1


def test_what_a_hold_on_a_class_stopped_keeps_its_order(queues: Queues, holds: Holds) -> None:
    first = push(queues, ("7", 40))
    hold = holds.place(job_class="shop.collect", **WHY)
    assert claim(queues, 100) == []
    later = push(queues, ("7", 5))
    holds.lift(hold.name)
    assert ids(claim(queues, 100)) == first + later


def test_a_lift_that_died_halfway_is_finished_by_the_alarms(queues: Queues, holds: Holds) -> None:
    pushed = push(queues, ("7", 30))
    hold = holds.place(job_class="shop.collect", **WHY)
    claim(queues, 100)
    queues.store.call("lift", hold.name)
    while queues.sound_alarms(10, 7):
        pass
    assert ids(claim(queues, 100)) == pushed
    assert queues.store.command("EXISTS", keys.ROOMS, keys.PARKED) == 0


@pytest.mark.parametrize("scope", [{"shop": "7"}, {"queue": "default"}, {}], ids=str)
def test_placing_and_lifting_cost_the_same_however_much_waits(
    queues: Queues, holds: Holds, scope: dict[str, Any]
) -> None:
    def price() -> int:
        before = commands_processed(queues)
        hold = holds.place(**scope, **WHY)
        claim(queues)
        holds.lift(hold.name)
        return commands_processed(queues) - before

    push(queues, ("7", 2))
    few = price()
    for _ in range(10):
        push(queues, ("7", 500))
    assert price() <= few + 2


def test_a_paused_shop_costs_the_others_claims_nothing(queues: Queues, holds: Holds) -> None:
    holds.place(shop="7", **WHY)
    push(queues, ("7", 1000), ("8", 3))
    assert len(claim(queues, 10)) == 3
    before = commands_processed(queues)
    assert claim(queues) == []
    assert commands_processed(queues) - before < 15


def test_a_held_job_spends_no_attempt_and_what_runs_goes_on(queues: Queues, holds: Holds) -> None:
    push(queues, ("7", 2))
    [running] = claim(queues, 1)
    hold = holds.place(shop="7", **WHY)
    assert claim(queues) == []
    assert queues.acknowledge(A, [running]) == []
    holds.lift(hold.name)
    [later] = claim(queues)
    assert (later.attempts, later.interruptions) == (0, 0)


def test_a_hold_that_is_not_there_cannot_be_lifted(holds: Holds) -> None:
    holds.place(shop="7", **WHY)
    with pytest.raises(UnknownHold, match="shop=7"):
        holds.lift("shop=8")


def test_a_shop_stays_out_while_gate_or_hold_keeps_it_out(queues: Queues, holds: Holds) -> None:
    push(queues, ("7", 1))
    hold = holds.place(shop="7", **WHY)
    queues.set_gate(7, "hold", 1, 1)
    assert claim(queues) == []
    holds.lift(hold.name)
    assert claim(queues) == []
    queues.set_gate(7, "open", 1, 1)
    assert len(claim(queues)) == 1


def test_a_heavier_shop_starts_more_in_each_turn(queues: Queues) -> None:
    Interventions(queues.store).weigh(7, 3)
    push(queues, ("7", 300), ("8", 300), ("9", 300))
    served: Counter[str] = Counter()
    for _ in range(50):
        served.update(lease.shop for lease in claim(queues, 10))
    assert served["8"] == pytest.approx(served["9"], abs=4)
    assert served["7"] == pytest.approx(3 * served["8"], rel=0.1)
    Interventions(queues.store).weigh(7, 1)
    assert Interventions(queues.store).weights() == {}


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_small_claims_keep_the_turns_of_weighted_shops(queues: Queues, limit: int) -> None:
    Interventions(queues.store).weigh(7, 2)
    push(queues, ("7", 200), ("8", 200), ("9", 200))
    served: Counter[str] = Counter()
    for _ in range(120 // limit):
        served.update(lease.shop for lease in claim(queues, limit))
    assert served["8"] > 0
    assert abs(served["8"] - served["9"]) <= 6
    ring = queues.store.command("LRANGE", keys.ring("default"), 0, -1)
    assert sorted(ring) == [b"7", b"8", b"9"], "each shop stands once in the ring"


def test_a_lone_heavy_shop_gets_all_that_is_wanted(queues: Queues) -> None:
    Interventions(queues.store).weigh(7, 5)
    push(queues, ("7", 30))
    assert len(claim(queues, 20)) == 20
