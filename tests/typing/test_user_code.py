"""An application and its tests as users write them, in strict types.

`make check` is the test: mypy reads this file with everything else, and an ignored error that mypy does not
find any more is an error itself (`warn_unused_ignores`). pytest runs it too, so that it is real code.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from podwork import App, Cancel, Job, RetryPolicy, Snooze, Unique, current_job, follow_up
from podwork.errors import InvalidArguments, InvalidTime
from podwork.testing import (
    DrainingJobs,
    EnqueuedJob,
    FakeJobs,
    assert_idempotent,
    draining,
    fake,
    inline,
    tables,
)

app = App("typed")
mails: list[str] = []


@app.job(queue="mail", retry=3)
def send_receipt(shop_id: int, order_id: int, copy_to: str | None = None) -> None:
    mails.append(f"{shop_id}/{order_id} {copy_to}")


@app.job(unique=Unique("success", by=("order_id",)), retry=RetryPolicy(schedule=(60, 600)))
def charge(order_id: int, cents: int) -> Snooze | Cancel | None:
    if cents == 0:
        return Cancel("nothing to charge")
    follow_up(send_receipt.call(_shop(), order_id))
    return None


@app.job()
class Reindex(Job):
    def run(self, full: bool = False) -> None:
        mails.append(f"reindexed pod {self.context.pod_id} for {self.context.job_id}")


def _shop() -> int:
    job = current_job()
    assert job is not None
    assert job.shop_id is not None
    return job.shop_id


def test_calls_are_checked_by_mypy() -> None:
    send_receipt.call(7, 3)
    send_receipt.call(7, order_id=3, copy_to="ada@example.com")
    charge.call(order_id=3, cents=250)

    with pytest.raises(InvalidArguments):
        send_receipt.call(7)  # type: ignore[call-arg]
    with pytest.raises(InvalidArguments):
        send_receipt.call(7, 3, colour="red")  # type: ignore[call-arg]
    with fake(app):  # the types of the values are checked when they are pushed
        with pytest.raises(InvalidArguments):
            app.client.push(send_receipt.call(7, "3"))  # type: ignore[arg-type]
        with pytest.raises(InvalidArguments):
            app.client.push(charge.call(order_id=3, cents=2.5), shop_id=7)  # type: ignore[arg-type]


def test_a_declared_function_keeps_its_parameters() -> None:
    send_receipt(7, 3)
    with pytest.raises(TypeError):
        send_receipt(7)  # type: ignore[call-arg]
    send_receipt(7, "3")  # type: ignore[arg-type]


def test_pushes_answer_with_ids_and_take_times() -> None:
    with fake(app) as jobs:
        job_id: str = send_receipt.enqueue(3, shop_id=7, in_=timedelta(minutes=5), expires_in=3600)
        ids: list[str] = charge.enqueue_bulk([{"order_id": 3, "cents": 1, "shop_id": 7}])
        Reindex.enqueue(full=True, pod=1, at=datetime.now(UTC))
        with pytest.raises(InvalidTime):
            send_receipt.enqueue(3, shop_id=7, in_=[5])  # type: ignore[arg-type]
    assert len({job_id, *ids}) == 2
    found: list[EnqueuedJob] = jobs.enqueued(Reindex)
    assert found[0].args == {"full": True}


@pytest.fixture
def jobs() -> Iterator[DrainingJobs]:
    mails.clear()
    with draining(app) as jobs:
        yield jobs


def test_assertions_take_jobs_classes_and_calls(jobs: DrainingJobs) -> None:
    charge.enqueue(3, cents=250, shop_id=7)
    for run in jobs.drain():
        outcome: str = run.outcome
        assert outcome == "succeeded"
    jobs.assert_enqueued(charge, shop_id=7, order_id=3, state="ended", count=1)
    jobs.assert_enqueued(send_receipt.call(7, 3), in_=timedelta(0))
    jobs.refute_enqueued(Reindex)

    with pytest.raises(AssertionError):
        jobs.assert_enqueued(charge, state="finished")  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        jobs.assert_enqueued("charge")  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        jobs.assert_enqueued(test_a_declared_function_keeps_its_parameters)  # type: ignore[arg-type]


def test_what_the_blocks_give_is_known() -> None:
    with fake(app) as recorded:
        assert isinstance(recorded, FakeJobs)
        with pytest.raises(AttributeError):
            recorded.drain()  # type: ignore[attr-defined]
    with inline(app) as running:
        send_receipt.enqueue(3, shop_id=7)
        running.clock.advance(timedelta(days=1))
        assert running.performed(send_receipt)[0].error is None


def test_a_job_that_runs_twice() -> None:
    with pytest.raises(AssertionError):
        assert_idempotent(send_receipt.call(7, 3), observe=lambda: mails)
    with pytest.raises(TypeError):
        assert_idempotent(send_receipt, shop_id=7, order_id=3, observe=mails)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        tables()  # type: ignore[call-arg]
