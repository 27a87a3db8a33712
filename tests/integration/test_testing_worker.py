"""`podwork.testing.worker`: an application's jobs in a real Redis, run in the test's own process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from podwork import App, follow_up
from podwork.errors import ConfigurationError
from podwork.holds import Holds
from podwork.inspection import Inspection
from podwork.limits import Concurrency
from podwork.store import Store
from podwork.testing import RedisWorker, worker
from tests.support.receipts_shop import (
    app,
    charge,
    count_orders,
    done,
    fragile,
    place_order,
    refresh,
    send_receipt,
)


@pytest.fixture
def pod(store_url: str) -> Iterator[RedisWorker]:
    done.clear()
    with worker(app, store_url) as pod:
        yield pod


def test_jobs_run_with_what_follows_them(pod: RedisWorker) -> None:
    place_order.enqueue(order_id=3, lines=[{"n": 1}], shop_id=7)
    runs = pod.drain()
    assert done == [("order", 7, 3, [{"n": 1}]), ("receipt", 3, None)]
    assert [(run.job_class, run.outcome) for run in runs] == [
        (place_order.name, "succeeded"),
        (send_receipt.name, "succeeded"),
    ]
    assert pod.inspection.counts() == (0, 0, 1, 0, 0)  # count_orders, in a minute


def test_what_is_due_by_now_is_promoted(pod: RedisWorker) -> None:
    charge.enqueue(3, shop_id=7, in_=0.001)
    charge.enqueue(4, shop_id=7, in_=timedelta(hours=1))
    time.sleep(0.002)  # it is due then, however late this thread goes on
    assert [run.args["order_id"] for run in pod.drain()] == [3]


def test_a_failure_is_written_down_and_raised(pod: RedisWorker) -> None:
    failing = fragile.enqueue(pod=1)
    charge.enqueue(4, shop_id=7)
    with pytest.raises(LookupError):
        pod.drain()
    job = pod.inspection.job(failing)
    assert job is not None
    assert (job.state, job.error) == ("dead", "LookupError: there is no such order")
    assert [run.outcome for run in pod.drain()] == ["succeeded"]


def test_a_worker_goes_on_after_a_failure(pod: RedisWorker) -> None:
    fragile.enqueue(pod=1)
    charge.enqueue(4, shop_id=7)
    assert sorted(run.outcome for run in pod.drain(raises=False)) == ["dead", "succeeded"]


def test_unique_jobs_are_the_scripts(pod: RedisWorker) -> None:
    assert count_orders.enqueue(shop_id=7) == count_orders.enqueue(shop_id=7)
    refresh.enqueue(shop_id=7)
    pod.drain()
    assert done == ["refresh", "refresh", ("counted", 7)]


def test_transactions_push_with_their_commit(pod: RedisWorker) -> None:
    engine = create_engine("sqlite://")
    with Session(engine) as session:
        charge.enqueue(3, shop_id=7, transaction=session)
        assert pod.drain() == []
        session.commit()
    engine.dispose()
    assert [run.outcome for run in pod.drain()] == ["succeeded"]


def test_threads_run_beside_each_other_within_the_limits(store_url: str) -> None:
    threaded, together, most = App("threaded"), threading.Barrier(2), [0, 0]

    @threaded.job()
    def meet() -> None:
        together.wait(10)
        follow_up(alone.call())

    @threaded.job(limits=[Concurrency(1)], queue="zebra")
    def alone() -> None:
        most[0] += 1
        most[1] = max(most)
        time.sleep(0.01)  # makes an overlap likely if there can be one; none is waited for
        most[0] -= 1

    with worker(threaded, store_url, threads=2) as pod:
        for shop_id in (1, 2, 3, 4):
            meet.enqueue(shop_id=shop_id)
        assert len(pod.drain()) == 8
    assert most == [0, 1]


def test_jobs_that_nobody_may_run_are_an_error(pod: RedisWorker, store_url: str) -> None:
    store = Store(store_url)
    Holds(store).place(queue="default", reason="test", owner="test")
    charge.enqueue(3, shop_id=7)
    with pytest.raises(AssertionError, match="jobs were left: 1 are ready"):
        pod.drain(timeout_seconds=0.05)
    store.close()


def test_it_leaves_nothing_behind(store_url: str) -> None:
    store = Store(store_url)
    with worker(app, store_url):
        assert len(Inspection(store).processes()) == 1
        charge.enqueue(3, shop_id=7)
    assert Inspection(store).processes() == []
    assert Inspection(store).counts().ready == 1
    with pytest.raises(ConfigurationError, match="not connected"):
        charge.enqueue(3, shop_id=7)
    with worker(app, store_url) as another:
        assert len(another.drain()) == 1
    store.close()
