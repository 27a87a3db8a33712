"""What a job may have follow it, and what not."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from podwork import App, Job, JobContext, follow_up
from podwork.client import Client
from podwork.context import running
from podwork.errors import InvalidArguments, InvalidRoute, InvalidTime
from podwork.record import read_extras
from podwork.single import SingleRouter
from podwork.worker.life import Life
from podwork.worker.running import RunningJobs

NOBODY: Any = None


class Noon:
    """A clock that stands."""

    def now(self) -> float:
        return 1000.0


@pytest.fixture
def app() -> App:
    app = App("x")
    app.bind(Client(SingleRouter(), lambda _pod: NOBODY, clock=Noon()))
    return app


def of_shop(shop_id: int | None) -> JobContext:
    return JobContext("id-1", "shop.collect", "default", shop_id, 1, 2)


def test_follow_ups_of_both_forms_are_collected_in_order(app: App) -> None:
    @app.job(queue="low")
    def as_function(order: int) -> None: ...

    @app.job()
    class AsClass(Job):
        def run(self, order: int, shop_id: int) -> None: ...

    context = of_shop(7)
    assert not context.follow_ups
    with running(context):
        first = follow_up(as_function.call(order=1))
        second = context.follow_up(AsClass.job_class.call(2, shop_id=7), in_=60)
    assert [(parcel.id, parcel.shop_id, parcel.queue) for parcel in context.follow_ups] == [
        (first, 7, "low"),
        (second, 7, "default"),
    ]
    assert [parcel.due_ms for parcel in context.follow_ups] == [0, 1_060_000]


def test_options_are_those_of_enqueue(app: App) -> None:
    collect = app.job()(lambda: None)
    context = of_shop(7)
    context.follow_up(collect.call(), at=2000, expires_in=5, idempotency_key="once")
    [parcel] = context.follow_ups
    assert (parcel.due_ms, read_extras(parcel.extras), len(parcel.locks)) == (2_000_000, {"x": "2005000"}, 1)


def test_a_job_of_the_pod_is_followed_in_the_pods_own_lane(app: App) -> None:
    collect = app.job()(lambda: None)
    context = of_shop(None)
    context.follow_up(collect.call())
    assert context.follow_ups[0].shop == "pod"


@pytest.mark.parametrize(("mine", "theirs"), [(7, 8), (None, 8)])
def test_a_job_of_another_shop_cannot_follow(app: App, mine: int | None, theirs: int) -> None:
    @app.job()
    def collect(shop_id: int) -> None: ...

    context = of_shop(mine)
    with pytest.raises(InvalidRoute, match=f"shop {theirs}"):
        context.follow_up(collect.call(shop_id=theirs))
    assert not context.follow_ups


def test_a_job_that_takes_a_shop_cannot_follow_one_without(app: App) -> None:
    @app.job()
    def collect(shop_id: int) -> None: ...

    of_shop(7).follow_up(collect.call(shop_id=7))
    with pytest.raises(InvalidRoute):
        of_shop(None).follow_up(collect.call(shop_id=7))


def test_what_cannot_be_pushed_cannot_follow(app: App) -> None:
    @app.job()
    def collect(order: int) -> None: ...

    with pytest.raises(InvalidArguments):
        of_shop(7).follow_up(collect.call(order="one"))  # type: ignore[arg-type]
    with pytest.raises(InvalidTime):
        of_shop(7).follow_up(collect.call(order=1), in_=1, at=1)


def test_outside_of_a_job_there_is_nothing_to_follow(app: App) -> None:
    with pytest.raises(InvalidRoute, match="no job to follow"):
        follow_up(app.job()(lambda: None).call())


def test_a_thread_that_outlives_its_job_is_told(app: App) -> None:
    context = JobContext("id-1", "c", "default", 7, 1, 2, overseer=RunningJobs(Life("host:1:aaaa", 10.0)))
    with pytest.raises(InvalidRoute, match="has ended"):
        context.follow_up(app.job()(lambda: None).call())


def test_threads_of_a_job_may_collect_at_once(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them is held where it has read what there was, and is about to write."""
    collect, context = app.job()(lambda: None), of_shop(7)
    write, reached, go = msgspec.structs.force_setattr, threading.Event(), threading.Event()

    def slow_write(*arguments: Any) -> None:
        if not reached.is_set():
            reached.set()
            go.wait()
        write(*arguments)

    monkeypatch.setattr(msgspec.structs, "force_setattr", slow_write)
    threads = [threading.Thread(target=context.follow_up, args=(collect.call(),)) for _ in range(2)]
    threads[0].start()
    reached.wait()
    threads[1].start()
    threads[1].join(0.2)  # it waits for the first; or, if nothing held it, it has written by now
    go.set()
    for thread in threads:
        thread.join()
    assert len(context.follow_ups) == 2
