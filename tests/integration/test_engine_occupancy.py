"""How many jobs holds stop and how full limits are, and that a process's obedience is never guessed."""

from __future__ import annotations

import pytest

from podwork import keys
from podwork.holds import ANY, Holds
from podwork.interventions import Interventions, Order
from podwork.limits import Bucket, Concurrency, Limits, LimitState, Window
from podwork.obedience import Answer, Obedience, Sight
from podwork.occupancy import LimitUse, Occupancy, Stopped, left_of
from podwork.queues import Queues
from podwork.store import Store
from tests.support.engine import A, B, claim, push


@pytest.fixture
def queues(store_url: str) -> Queues:
    queues = Queues(Store(store_url), lease_seconds=30)
    queues.register(A, {"pid": 1, "busy": 2})
    return queues


def use(queues: Queues, name: str) -> LimitUse:
    return Occupancy(queues.store).uses(Limits(queues.store).list())[name]


def test_what_a_hold_would_stop_is_counted_by_queue_shop_and_pod(queues: Queues) -> None:
    push(queues, ("7", 5), ("8", 3))
    push(queues, ("7", 2), queue="low")
    occupancy = Occupancy(queues.store)
    assert occupancy.stopped() == Stopped(10, True)
    assert occupancy.stopped(queue="default") == Stopped(8, True)
    assert occupancy.stopped(shop="7") == Stopped(7, True)
    assert occupancy.stopped(queue="low", shop="7") == Stopped(2, True)
    assert occupancy.stopped(queue="nowhere") == Stopped(0, True)


def test_an_empty_pod_has_nothing_to_stop(queues: Queues) -> None:
    assert Occupancy(queues.store).stopped(shop="7") == Stopped(0, True)


def test_a_held_shop_is_counted_outside_the_ring_too(queues: Queues) -> None:
    push(queues, ("7", 5))
    Holds(queues.store).place(shop="7", reason="r", owner="o")
    assert claim(queues) == []
    assert Occupancy(queues.store).stopped(shop="7") == Stopped(5, True)


def test_of_a_class_those_are_counted_whose_turn_has_come(queues: Queues) -> None:
    push(queues, ("7", 4), job_class="shop.mail")
    Holds(queues.store).place(job_class="shop.mail", reason="r", owner="o")
    occupancy = Occupancy(queues.store)
    assert occupancy.stopped(job_class="shop.mail") == Stopped(0, False)
    assert claim(queues, 10) == []
    assert occupancy.stopped(job_class="shop.mail") == Stopped(4, False)
    assert occupancy.stopped(queue="low", job_class="shop.mail") == Stopped(0, False), "another hold"


def test_slots_and_who_waits_for_one(queues: Queues) -> None:
    Limits(queues.store).set(Concurrency(2), job_class="shop.collect")
    push(queues, ("7", 5))
    claim(queues)
    assert use(queues, "class=shop.collect:concurrency") == LimitUse(2, None, 3, None)


def test_slots_of_each_shop_are_added_up_and_those_let_in_count(queues: Queues) -> None:
    Limits(queues.store).set(Concurrency(2, each_shop=True), queue="default")
    Limits(queues.store).set(Concurrency(1, each_shop=True), queue="low")
    push(queues, ("7", 5), ("8", 3), ("9", 1))
    held = claim(queues)
    name = "queue=default,shop=each:concurrency"
    assert use(queues, name) == LimitUse(5, None, 4, 2), "3 wait of shop 7, 1 of shop 8"
    assert use(queues, "queue=low,shop=each:concurrency") == LimitUse(0, None, 0, 0)
    queues.acknowledge(A, [lease for lease in held if lease.shop == "7"][:1])
    assert use(queues, name) == LimitUse(5, None, 3, 2), "the next of shop 7 was given the slot already"


def test_what_a_rate_has_left_is_told_without_spending_it(queues: Queues) -> None:
    Limits(queues.store).set(Bucket(3, 3600), queue="default")
    Limits(queues.store).set(Window(4, 3600), queue="low")
    assert use(queues, "queue=default:bucket") == LimitUse(None, 3.0, 0, None)
    push(queues, ("7", 5))
    push(queues, ("7", 3), queue="low")
    claim(queues, 20, names=("default", "low"))
    bucket = use(queues, "queue=default:bucket")
    assert (bucket.taken, bucket.waiting) == (None, 2)
    assert bucket.left == pytest.approx(0.0, abs=0.1)
    assert use(queues, "queue=low:window") == LimitUse(None, 1.0, 0, None)
    assert use(queues, "queue=low:window").left == 1.0


@pytest.mark.parametrize(
    ("kind", "bucket", "after_seconds", "left"),
    [
        ("bucket", b"1.0 1000000", 0, 1.0),
        ("bucket", b"1.0 1000000", 30, 6.0),
        ("bucket", b"1.0 1000000", 3600, 20.0),
        ("bucket", b"1.0 1000000", -5, 1.0),
        ("window", b"1 1000000", 30, 1.0),
        ("window", b"1 1000000", 60, 10.0),
        ("window", b"1 1000000", -5, 10.0),
        ("bucket", None, 0, 20.0),
        ("window", None, 0, 10.0),
    ],
)
def test_a_rate_refills_as_the_script_refills_it(
    kind: str, bucket: bytes | None, after_seconds: float, left: float
) -> None:
    limit = LimitState("x", kind, 10, 60.0, 20, ANY, ANY, ANY, "operator")
    assert left_of(limit, bucket, 1_000_000 + after_seconds * 1000) == left


def test_a_process_has_heard_an_order_when_its_heartbeat_has_taken_it(queues: Queues) -> None:
    look = Obedience(queues.store).look
    assert look(A) == Sight(True, 0, False, False, 2, 0)
    assert Interventions(queues.store).order(A, "dump")
    assert look(A).answer("dump") is Answer.PENDING
    assert queues.heartbeat(A, {"quiet": 0}).orders == ["dump"]
    assert look(A).answer("dump") is Answer.DONE


def test_quiet_is_done_when_the_process_says_so_and_not_when_it_has_heard(queues: Queues) -> None:
    look = Obedience(queues.store).look
    Interventions(queues.store).order(A, "quiet")
    queues.heartbeat(A, {"quiet": 0})
    assert look(A).answer("quiet") is Answer.PENDING
    queues.heartbeat(A, {"quiet": 1})
    assert look(A).answer("quiet") is Answer.DONE
    assert look(A).answer("resume") is Answer.PENDING


def test_a_process_that_has_left_has_stopped_and_obeys_nothing_else(queues: Queues) -> None:
    queues.heartbeat(A, {"stopping": 1})
    look = Obedience(queues.store).look
    assert look(A).answer("stop") is Answer.DRAINING
    queues.deregister(A)
    answers: dict[Order, Answer] = {"stop": Answer.DONE, "quiet": Answer.GONE, "dump": Answer.GONE}
    assert {order: look(A).answer(order) for order in answers} == answers
    assert look(B) == Sight(False, 0, False, False, 0, 0), "one that never was"


def test_an_order_that_was_not_heard_yet_is_not_obeyed(queues: Queues) -> None:
    """Resume looks as if it were done already when quiet has not been heard yet."""
    Interventions(queues.store).order(A, "quiet")
    assert Obedience(queues.store).look(A).answer("resume") is Answer.PENDING
    assert queues.store.command("LLEN", keys.orders(A)) == 1
