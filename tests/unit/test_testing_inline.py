"""Jobs that run at their push: what they raise, what they push, and what stays for later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from podwork import App
from podwork.testing import EndlessDrain, InlineJobs, inline
from tests.support.receipts_shop import (
    app,
    charge,
    count_orders,
    done,
    place_order,
    refresh,
    self_enqueueing,
    send_receipt,
    steered,
)


@pytest.fixture
def jobs() -> Iterator[InlineJobs]:
    done.clear()
    with inline(app, most_runs=50) as jobs:
        yield jobs


def test_a_push_has_run_when_it_returns(jobs: InlineJobs) -> None:
    job_id = send_receipt.enqueue(3, shop_id=7)
    assert done == [("receipt", 3, None)]
    [job] = jobs.assert_enqueued(send_receipt)
    assert (job.id, job.outcome) == (job_id, "succeeded")


def test_arguments_go_through_json() -> None:
    json, seen = App("json"), []

    @json.job()
    def take(payload: dict[str, Any], ratio: float = 0.0) -> None:
        seen.append((payload, ratio))

    given: dict[str, Any] = {"n": [1, None, "x"]}
    with inline(json):
        take.enqueue(given, ratio=2, pod=1)
    [(payload, ratio)] = seen
    assert (payload, ratio) == (given, 2)
    assert payload is not given


def test_what_a_job_pushes_runs_after_it_and_before_the_push_returns() -> None:
    nested, order = App("nested"), []

    @nested.job()
    def outer() -> None:
        order.append("outer begins")
        inner.enqueue("first", pod=1)
        inner.enqueue("second", pod=1)
        order.append("outer ends")

    @nested.job()
    def inner(name: str) -> None:
        order.append(name)
        if name == "first":
            inner.enqueue("third", pod=1)

    with inline(nested):
        outer.enqueue(pod=1)
    assert order == ["outer begins", "outer ends", "first", "second", "third"]


def test_an_error_reaches_the_push_and_the_job_waits_for_its_retry(jobs: InlineJobs) -> None:
    with pytest.raises(ConnectionError, match="attempt 1"):
        charge.enqueue(3, failures=1, shop_id=7)
    jobs.assert_enqueued(charge, state="scheduled", count=1)
    jobs.clock.advance(10)
    assert [run.outcome for run in jobs.drain()] == ["succeeded"]


def test_an_error_of_a_follower_reaches_the_outermost_push() -> None:
    failing = App("failing")

    @failing.job()
    def first() -> None:
        second.enqueue(pod=1)

    @failing.job()
    def second() -> None:
        raise LookupError("second")

    with inline(failing) as jobs, pytest.raises(LookupError, match="second"):
        first.enqueue(pod=1)
    assert [run.outcome for run in jobs.performed()] == ["succeeded", "retried"]


@pytest.mark.parametrize(
    ("how", "state"),
    [
        ("snooze", "scheduled"),
        ("retry", "scheduled"),
        ("interrupted", "ready"),
        ("cancel", "ended"),
        ("discard", "ended"),
        ("bury", "dead"),
    ],
)
def test_signals_are_honoured_and_do_not_reach_the_push(jobs: InlineJobs, how: str, state: str) -> None:
    steered.enqueue(how, pod=1)
    jobs.assert_enqueued(steered, state=state)  # type: ignore[arg-type]
    assert done == [("steered", how)]


def test_what_is_due_later_waits(jobs: InlineJobs) -> None:
    place_order.enqueue(order_id=3, shop_id=7)
    assert [what[0] for what in done] == ["order", "receipt"]
    jobs.run_for(60)
    assert [what[0] for what in done] == ["order", "receipt", "counted"]
    jobs.assert_enqueued(count_orders, in_=60)


def test_bulk_pushes_run_too(jobs: InlineJobs) -> None:
    send_receipt.enqueue_bulk({"order_id": number, "shop_id": 7} for number in range(3))
    assert [what[1] for what in done] == [0, 1, 2]


def test_a_job_that_enqueues_itself_is_an_error(jobs: InlineJobs) -> None:
    with pytest.raises(EndlessDrain, match="self_enqueueing 51 times"):
        self_enqueueing.enqueue(pod=1)


def test_a_unique_job_that_is_asked_for_while_it_runs_runs_once_more(jobs: InlineJobs) -> None:
    refresh.enqueue(shop_id=7)
    assert done == ["refresh", "refresh"]
