"""Pushes that are recorded: checked as in production, found again, and missed with a helpful message."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY

import pytest

from podwork.errors import ConfigurationError, InvalidArguments, InvalidRoute, InvalidTime
from podwork.single import SingleRouter
from podwork.testing import FakeJobs, VirtualClock, fake
from tests.support.receipts_shop import (
    Reindex,
    app,
    charge,
    count_orders,
    done,
    place_order,
    send_receipt,
    set_price,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def jobs() -> Iterator[FakeJobs]:
    done.clear()
    with fake(app, clock=VirtualClock(NOON)) as jobs:
        yield jobs


def message_of(jobs: FakeJobs, *args: Any, **named: Any) -> list[str]:
    with pytest.raises(AssertionError) as caught:
        jobs.assert_enqueued(*args, **named)
    return str(caught.value).splitlines()


def test_a_push_is_recorded_and_does_not_run(jobs: FakeJobs) -> None:
    job_id = place_order.enqueue(order_id=3, lines=[{"n": 1}], shop_id=7)
    [job] = jobs.enqueued()
    assert (job.id, job.job_class, job.shop_id, job.pod_id) == (job_id, place_order.name, 7, 1)
    assert (job.queue, job.state, job.outcome, job.attempts) == ("default", "ready", "", 0)
    assert (job.args, job.pushed_at, job.in_seconds) == (
        {"order_id": 3, "lines": [{"n": 1}]},
        NOON.timestamp(),
        0,
    )
    assert done == []


@pytest.mark.parametrize(
    ("error", "wrong"),
    [
        (InvalidArguments, {"shop_id": 7, "order_id": "3"}),
        (InvalidArguments, {"shop_id": 7, "order_id": 3, "colour": "red"}),
        (InvalidArguments, {"shop_id": 7, "order_id": 3, "lines": (1,)}),
        (InvalidRoute, {"order_id": 3}),
        (InvalidRoute, {"order_id": 3, "pod": 1}),
        (InvalidTime, {"shop_id": 7, "order_id": 3, "in_": -1}),
        (InvalidTime, {"shop_id": 7, "order_id": 3, "at": datetime(2026, 1, 1)}),  # noqa: DTZ001
    ],
)
def test_what_production_refuses_is_refused(
    jobs: FakeJobs, error: type[Exception], wrong: dict[str, Any]
) -> None:
    with pytest.raises(error):
        place_order.enqueue(**wrong)
    jobs.assert_nothing_enqueued()


def test_jobs_are_found_by_what_is_said_of_them(jobs: FakeJobs) -> None:
    send_receipt.enqueue(3, shop_id=7)
    send_receipt.enqueue(4, shop_id=8, copy_to="ada@example.com", in_=timedelta(minutes=1))
    Reindex.enqueue(pod=1)

    assert len(jobs.assert_enqueued(send_receipt)) == 2
    jobs.assert_enqueued(send_receipt, count=2, queue="mail", pod=1)
    jobs.assert_enqueued(send_receipt, order_id=4, copy_to=ANY, in_=60, at=NOON + timedelta(seconds=60))
    jobs.assert_enqueued(send_receipt, shop_id=7, in_=0, at=NOON.timestamp())
    jobs.assert_enqueued(send_receipt.call(order_id=4), state="scheduled")
    jobs.assert_enqueued(Reindex, pod=1, full=False)
    jobs.assert_enqueued(send_receipt, count=0, order_id=5)
    jobs.refute_enqueued(send_receipt, order_id=5)
    jobs.refute_enqueued(charge)
    assert [job.shop_id for job in jobs.enqueued(send_receipt, args={"order_id": 3})] == [7]


def test_a_default_counts_as_given(jobs: FakeJobs) -> None:
    send_receipt.enqueue(3, shop_id=7)
    jobs.assert_enqueued(send_receipt, copy_to=None)
    jobs.refute_enqueued(send_receipt, copy_to="ada@example.com")


def test_an_argument_that_the_job_does_not_take_is_a_mistake_of_the_test(jobs: FakeJobs) -> None:
    for ask in (jobs.assert_enqueued, jobs.refute_enqueued, jobs.enqueued):
        with pytest.raises(InvalidArguments, match="takes no oder_id"):
            ask(send_receipt, oder_id=3)


def test_a_call_carries_its_arguments_and_its_shop(jobs: FakeJobs) -> None:
    place_order.enqueue(order_id=3, shop_id=7)
    jobs.assert_enqueued(place_order.call(7, order_id=3))
    jobs.refute_enqueued(place_order.call(8, order_id=3))
    jobs.refute_enqueued(place_order.call(7, order_id=4))


def test_a_miss_names_the_nearest_and_why_it_is_another(jobs: FakeJobs) -> None:
    send_receipt.enqueue(9, shop_id=8)
    send_receipt.enqueue(3, shop_id=7, in_=60)
    count_orders.enqueue(shop_id=7)
    name = send_receipt.name
    assert message_of(jobs, send_receipt, shop_id=7, order_id=3, in_=5) == [
        "no such job was enqueued",
        f"  wanted    {name} shop_id=7 order_id=3 in_=5",
        f"  nearest   {name} shop_id=7 order_id=3 queue=mail in_=60 (scheduled)",
        "            in_ is 60, not 5",
        "  enqueued  3 in all:",
        f"            {name} shop_id=8 order_id=9 queue=mail (ready)",
        f"            {name} shop_id=7 order_id=3 queue=mail in_=60 (scheduled)",
        f"            {count_orders.name} shop_id=7 queue=low (ready)",
    ]


@pytest.mark.parametrize(
    ("criteria", "why"),
    [
        ({"order_id": 4}, "order_id is 3, not 4"),
        ({"shop_id": 8}, "shop_id is 7, not 8"),
        ({"pod": 2}, "pod is 1, not 2"),
        ({"queue": "low"}, "queue is 'mail', not 'low'"),
        ({"state": "dead"}, "state is 'ready', not 'dead'"),
        ({"copy_to": "x"}, "copy_to is None, not 'x'"),
        ({"at": NOON + timedelta(seconds=2)}, "at is -2.000 s off: 2026-03-01 12:00:00.000+00:00"),
        ({"order_id": 4, "shop_id": 8}, "order_id is 3, not 4; shop_id is 7, not 8"),
    ],
)
def test_each_difference_is_said(jobs: FakeJobs, criteria: dict[str, Any], why: str) -> None:
    send_receipt.enqueue(3, shop_id=7)
    assert message_of(jobs, send_receipt, **criteria)[3].strip() == why


def test_a_wrong_number_and_an_unwanted_job_are_shown(jobs: FakeJobs) -> None:
    send_receipt.enqueue(3, shop_id=7)
    send_receipt.enqueue(3, shop_id=8)
    for count in (1, 3):
        assert message_of(jobs, send_receipt, count=count)[0] == f"expected {count} such jobs, found 2"
    with pytest.raises(AssertionError, match=r"such a job was enqueued\n  unwanted .*_receipt order_id=3"):
        jobs.refute_enqueued(send_receipt, order_id=3)
    with pytest.raises(AssertionError, match="order_id=3 queue=mail"):
        jobs.assert_nothing_enqueued()


def test_nothing_is_said_to_be_nothing_and_many_are_not_all_shown(jobs: FakeJobs) -> None:
    assert message_of(jobs, charge)[-1] == "  enqueued  nothing"
    send_receipt.enqueue_bulk({"order_id": number, "shop_id": 7} for number in range(50))
    lines = message_of(jobs, charge)
    assert lines[-1].strip() == "and 30 more"
    assert len(lines) == 24


def test_pushes_of_every_kind_are_recorded(jobs: FakeJobs) -> None:
    send_receipt.enqueue_bulk([{"order_id": 1, "shop_id": 7}, {"order_id": 2, "shop_id": 8, "in_": 5}])
    Reindex.enqueue_on_every_pod(full=True)
    app.client.push(place_order.call(7, 3))
    assert [job.job_class.rpartition(".")[2] for job in jobs.enqueued()] == [
        "send_receipt",
        "send_receipt",
        "reindex",
        "place_order",
    ]


def test_pods_have_numbers(jobs: FakeJobs) -> None:
    with pytest.raises(InvalidRoute, match="no pod 2"):
        Reindex.enqueue(pod=2)
    with fake(app, pods=(2, 5)) as several:
        Reindex.enqueue_on_every_pod()
        place_order.enqueue(order_id=3, shop_id=7)
    assert [job.pod_id for job in several.enqueued()] == [2, 5, 2]


def test_a_router_of_the_applications_own_says_where_shops_are() -> None:
    with fake(app, router=SingleRouter(pod_id=4, epoch=9)) as jobs:
        place_order.enqueue(order_id=3, shop_id=7)
    jobs.assert_enqueued(place_order, shop_id=7, pod=4)


def test_a_wait_is_exact_also_by_a_clock_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = itertools.count(NOON.timestamp(), 1)
    monkeypatch.setattr(time, "time", lambda: next(moments))
    with fake(app, clock=VirtualClock(ticking=True)) as jobs:
        count_orders.enqueue(shop_id=7, in_=60)
        jobs.assert_enqueued(count_orders, in_=60)


def test_a_unique_job_is_dropped_or_replaced(jobs: FakeJobs) -> None:
    assert count_orders.enqueue(shop_id=7) == count_orders.enqueue(shop_id=7)
    count_orders.enqueue(shop_id=8)
    jobs.assert_enqueued(count_orders, count=2)

    set_price.enqueue(1, cents=100, shop_id=7, in_=60)
    set_price.enqueue(1, cents=200, shop_id=7, in_=90)
    [job] = jobs.assert_enqueued(set_price, count=1)
    assert (job.args["cents"], job.in_seconds) == (200, 90)


def test_an_idempotency_key_is_remembered_for_a_day(jobs: FakeJobs) -> None:
    first = charge.enqueue(3, shop_id=7, idempotency_key="order-3")
    jobs.clock.advance(timedelta(hours=23))
    assert charge.enqueue(3, shop_id=7, idempotency_key="order-3") == first
    jobs.clock.advance(timedelta(hours=2))
    assert charge.enqueue(3, shop_id=7, idempotency_key="order-3") != first


def test_when_a_job_expires_is_recorded(jobs: FakeJobs) -> None:
    send_receipt.enqueue(3, shop_id=7, in_=60)
    charge.enqueue(3, shop_id=7)
    assert [job.expires_at for job in jobs.enqueued()] == [NOON.timestamp() + 3660, None]


def test_what_is_forgotten_was_never_pushed(jobs: FakeJobs) -> None:
    first = count_orders.enqueue(shop_id=7)
    jobs.forget()
    jobs.assert_nothing_enqueued()
    assert count_orders.enqueue(shop_id=7) != first


def test_the_application_is_bound_as_before_afterwards() -> None:
    with pytest.raises(ConfigurationError, match="not connected"):
        count_orders.enqueue(shop_id=7)
    with fake(app) as outer:
        count_orders.enqueue(shop_id=1)
        with fake(app) as inner:
            count_orders.enqueue(shop_id=2)
        with pytest.raises(ZeroDivisionError), fake(app):
            raise ZeroDivisionError
        count_orders.enqueue(shop_id=3)
    assert [job.shop_id for job in outer.enqueued()] == [1, 3]
    assert [job.shop_id for job in inner.enqueued()] == [2]
    with pytest.raises(ConfigurationError, match="not connected"):
        count_orders.enqueue(shop_id=7)


def test_threads_may_push(jobs: FakeJobs) -> None:
    threads = [
        threading.Thread(target=lambda shop=shop: [charge.enqueue(n, shop_id=shop) for n in range(50)])
        for shop in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    jobs.assert_enqueued(charge, count=200)
