"""Jobs that a test runs when it says so: what is due, by the worker's own rules and the test's clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podwork import App, JobContext, current_job
from podwork.errors import TimeLimitExceeded
from podwork.job import JobClass
from podwork.lease import Lease
from podwork.testing import DrainingJobs, EndlessDrain, VirtualClock, draining
from tests.support.receipts_shop import (
    Reindex,
    app,
    charge,
    count_orders,
    done,
    fragile,
    place_order,
    polite,
    refresh,
    self_enqueueing,
    send_receipt,
    set_price,
    steered,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def jobs() -> Iterator[DrainingJobs]:
    done.clear()
    with draining(app, clock=VirtualClock(NOON), most_runs=50) as jobs:
        yield jobs


def test_nothing_runs_before_the_drain_and_all_that_is_due_in_it(jobs: DrainingJobs) -> None:
    place_order.enqueue(order_id=3, lines=[{"n": 1}], shop_id=7)
    assert done == []
    runs = jobs.drain()
    assert done == [("order", 7, 3, [{"n": 1}]), ("receipt", 3, None)]
    assert [(run.job_class, run.outcome) for run in runs] == [
        (place_order.name, "succeeded"),
        (send_receipt.name, "succeeded"),
    ]
    assert [job.job_class for job in jobs.waiting()] == [count_orders.name]
    assert jobs.drain() == []


def test_what_ran_is_still_found_and_says_how_it_ended(jobs: DrainingJobs) -> None:
    send_receipt.enqueue(3, shop_id=7)
    jobs.drain()
    [job] = jobs.assert_enqueued(send_receipt, order_id=3, state="ended")
    assert job.outcome == "succeeded"
    [run] = jobs.performed(send_receipt)
    assert (run.job_id, run.args, run.shop_id, run.error) == (job.id, {"order_id": 3}, 7, None)
    assert jobs.performed(charge) == []


def test_what_is_due_later_waits_for_the_clock(jobs: DrainingJobs) -> None:
    count_orders.enqueue(shop_id=7, in_=60)
    jobs.clock.advance(59.999)
    assert jobs.drain() == []
    jobs.clock.advance(0.001)
    assert len(jobs.drain()) == 1


def test_what_has_expired_does_not_run(jobs: DrainingJobs) -> None:
    send_receipt.enqueue(3, shop_id=7)
    jobs.clock.advance(3600)
    [run] = jobs.drain()
    assert (run.outcome, done) == ("expired", [])


def test_queues_have_their_order_and_shops_their_turns(jobs: DrainingJobs) -> None:
    for shop_id, order_id in ((1, 1), (1, 2), (1, 3), (2, 4)):
        charge.enqueue(order_id, shop_id=shop_id)
    send_receipt.enqueue(9, shop_id=1)
    Reindex.enqueue(pod=1)
    jobs.drain()
    order = [what[0] if what[0] != "charge" else what[1] for what in done]
    assert order == [1, 4, 2, 3, "reindex", "receipt"]


def test_a_part_can_be_drained(jobs: DrainingJobs) -> None:
    for order_id in (1, 2, 3):
        send_receipt.enqueue(order_id, shop_id=7)
        charge.enqueue(order_id, shop_id=7)
    assert [run.args["order_id"] for run in jobs.drain(charge, limit=2)] == [1, 2]
    assert [run.job_class for run in jobs.drain(queue="mail")] == [send_receipt.name] * 3
    assert jobs.perform_next().args["order_id"] == 3
    with pytest.raises(AssertionError, match="no such job is due\n  enqueued  nothing"):
        jobs.perform_next()
    count_orders.enqueue(shop_id=7, in_=60)
    with pytest.raises(AssertionError, match=r"count_orders shop_id=7 queue=low in_=60 \(scheduled\)"):
        jobs.perform_next(count_orders)


def test_a_failure_is_written_down_and_raised(jobs: DrainingJobs) -> None:
    charge.enqueue(3, failures=1, shop_id=7)
    charge.enqueue(4, shop_id=7)
    with pytest.raises(ConnectionError, match="attempt 1"):
        jobs.drain()
    [failed, other] = jobs.enqueued(charge)
    assert (failed.state, failed.attempts, failed.error) == (
        "scheduled",
        1,
        "ConnectionError: the gateway is down, attempt 1",
    )
    assert failed.next_at == NOON.timestamp() + 10
    assert other.state == "ready"
    jobs.assert_enqueued(charge, order_id=3, in_=0)  # as it was pushed


def test_a_failures_traceback_leads_from_the_test_to_the_job(jobs: DrainingJobs) -> None:
    fragile.enqueue(pod=1)
    with pytest.raises(LookupError) as caught:
        jobs.drain()
    shown = [entry.name for entry in caught.traceback if not entry.ishidden(caught)]
    assert shown == ["test_a_failures_traceback_leads_from_the_test_to_the_job", "fragile"]


def test_a_worker_goes_on_after_a_failure(jobs: DrainingJobs) -> None:
    charge.enqueue(3, failures=1, shop_id=7)
    charge.enqueue(4, shop_id=7)
    assert [run.outcome for run in jobs.drain(raises=False)] == ["retried", "succeeded"]
    jobs.clock.advance(10)
    assert [run.outcome for run in jobs.drain(raises=False)] == ["succeeded"]


def test_retries_come_when_they_are_due_and_end_in_the_dead_set(jobs: DrainingJobs) -> None:
    charge.enqueue(3, failures=9, shop_id=7)
    assert [run.outcome for run in jobs.run_for(109, raises=False)] == ["retried", "retried"]
    assert [run.outcome for run in jobs.run_for(1, raises=False)] == ["dead"]
    assert jobs.clock.moment() == NOON + timedelta(seconds=110)
    jobs.assert_enqueued(charge, state="dead")
    assert jobs.waiting() == []


def test_a_job_without_retries_is_dead_at_once(jobs: DrainingJobs) -> None:
    fragile.enqueue(pod=1)
    with pytest.raises(LookupError):
        jobs.drain()
    jobs.assert_enqueued(fragile, state="dead")


@pytest.mark.parametrize("raised", [False, True])
@pytest.mark.parametrize(
    ("how", "outcome", "state"),
    [
        ("snooze", "snoozed", "scheduled"),
        ("retry", "retried", "scheduled"),
        ("cancel", "cancelled", "ended"),
        ("discard", "discarded", "ended"),
        ("bury", "dead", "dead"),
    ],
)
def test_signals_steer_and_are_not_raised(
    jobs: DrainingJobs, how: str, outcome: str, state: str, raised: bool
) -> None:
    steered.enqueue(f"raise {how}" if raised else how, pod=1)
    [run] = jobs.drain()
    [job] = jobs.enqueued(steered)
    assert (run.outcome, job.state) == (outcome, state)
    assert type(run.error).__name__.lower() == how


def test_policies_of_a_class_are_kept() -> None:
    strict = App("strict")

    @strict.job(at_most_once=True)
    def once() -> None:
        raise LookupError("once")

    @strict.job(soft_limit_seconds=0.01, retry=1)
    def endless() -> None:
        while True:
            pass

    with draining(strict) as jobs:
        once.enqueue(pod=1)
        endless.enqueue(pod=1)
        runs = jobs.drain(raises=False)
    assert [(run.outcome, type(run.error)) for run in runs] == [
        ("dead", LookupError),
        ("retried", TimeLimitExceeded),
    ]


def test_jobs_that_enqueue_each_other_for_ever_are_an_error(jobs: DrainingJobs) -> None:
    self_enqueueing.enqueue(pod=1)
    with pytest.raises(EndlessDrain, match=r"more than 50 jobs .*self_enqueueing 51 times - .*give it in_="):
        jobs.drain()


def test_exactly_as_many_as_are_allowed_are_no_error(jobs: DrainingJobs) -> None:
    charge.enqueue_bulk({"order_id": n, "shop_id": 7} for n in range(50))
    assert len(jobs.drain()) == 50
    self_enqueueing.enqueue(pod=1)
    assert len(jobs.drain(limit=70)) == 70


def test_interrupted_jobs_come_again(jobs: DrainingJobs) -> None:
    polite.enqueue(pod=1)
    with jobs.stopping():
        assert jobs.perform_next().outcome == "interrupted"
    assert jobs.perform_next().outcome == "succeeded"
    assert done == [("polite", 1)]


def test_follow_ups_come_with_success_only(jobs: DrainingJobs) -> None:
    def fail(job_class: JobClass[Any], lease: Lease, context: JobContext, run: Any) -> None:
        run(job_class, lease, context)
        if job_class is place_order:
            raise LookupError("after the job's last line")

    with draining(app, middleware=[fail]) as failing:
        place_order.enqueue(order_id=3, shop_id=7)
        assert [run.outcome for run in failing.drain(raises=False)] == ["retried"]
    failing.refute_enqueued(send_receipt)
    failing.assert_enqueued(count_orders)  # pushed, not following

    place_order.enqueue(order_id=3, shop_id=7)
    jobs.drain()
    jobs.assert_enqueued(send_receipt, shop_id=7, count=1)


def test_a_unique_job_that_is_asked_for_while_it_runs_runs_once_more(jobs: DrainingJobs) -> None:
    refresh.enqueue(shop_id=7)
    jobs.drain()
    assert done == ["refresh", "refresh"]


def test_the_latest_of_replaced_jobs_runs(jobs: DrainingJobs) -> None:
    for cents in (100, 200, 300):
        set_price.enqueue(1, cents=cents, shop_id=7)
    jobs.drain()
    assert done == [("price", 1, 300)]


def test_each_pod_runs_its_own(jobs: DrainingJobs) -> None:
    with draining(app, pods=(2, 5)) as several:
        Reindex.enqueue_on_every_pod()
        several.drain()
    assert done == [("reindex", 2, False), ("reindex", 5, False)]


def test_ctrl_c_is_never_kept(jobs: DrainingJobs) -> None:
    def interrupt(_job_class: Any, _lease: Any, _context: Any, _run: Any) -> None:
        raise KeyboardInterrupt

    with draining(app, middleware=[interrupt]) as stopped:
        charge.enqueue(3, shop_id=7)
        with pytest.raises(KeyboardInterrupt):
            stopped.drain(raises=False)


def test_outside_of_a_run_there_is_no_job(jobs: DrainingJobs) -> None:
    charge.enqueue(3, shop_id=7)
    jobs.drain()
    assert current_job() is None


def test_what_is_forgotten_does_not_run(jobs: DrainingJobs) -> None:
    charge.enqueue(3, shop_id=7)
    jobs.forget()
    assert (jobs.drain(), jobs.performed()) == ([], [])


def test_schedules_push_in_their_time() -> None:
    scheduled, ran = App("scheduled"), []
    clock = VirtualClock(datetime(2026, 3, 1, tzinfo=UTC))

    @scheduled.job()
    def sweep(what: str) -> None:
        job = current_job()
        assert job is not None
        ran.append((what, job.pod_id, clock.moment().strftime("%H:%M")))

    scheduled.schedule("nightly", sweep.call(what="all"), cron="30 2 * * *")
    scheduled.schedule("often", sweep.call(what="new"), every=timedelta(hours=8))
    with draining(scheduled, clock=clock, pods=(1, 2)) as jobs:
        assert jobs.run_for(timedelta(days=1)) == []
        jobs.run_for(timedelta(days=1), schedules=True)
    often = ["08:00", "16:00", "00:00"]
    assert ran == [
        (what, pod, at) for what, at in [("all", "02:30"), *(("new", at) for at in often)] for pod in (1, 2)
    ]
    assert clock.moment() == datetime(2026, 3, 3, tzinfo=UTC)


def test_a_schedule_with_jitter_pushes_in_its_slot_what_is_due_a_little_later() -> None:
    scheduled = App("jitter")

    @scheduled.job()
    def sweep() -> None: ...

    scheduled.schedule("hourly", sweep.call(), every=3600, jitter=600)
    with draining(scheduled, clock=VirtualClock(NOON)) as jobs:
        jobs.run_for(timedelta(hours=10), schedules=True)
    waits = [job.due_at - NOON.timestamp() - 3600 * hour for hour, job in enumerate(jobs.enqueued(), 1)]
    assert len(waits) == 10
    assert all(0 <= wait <= 600 for wait in waits)
    assert len(set(waits)) > 1
