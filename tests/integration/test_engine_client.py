"""The road of a push: routed, redirected, held back, repeated; never stored where the shop is not."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from podwork import App, Job, identity
from podwork.client import Client
from podwork.errors import InvalidArguments, InvalidRoute, RedirectLoop, ShopOnHold, StoreUnavailable
from podwork.inspection import Inspection
from podwork.interfaces import Route
from podwork.parcel import Parcel
from podwork.queues import PushGroup, Queues, Refusal
from podwork.single import SingleRouter
from podwork.store import Store
from tests.support.pause import hold
from tests.support.servers import PrivateServers, fresh_redis

WHO = "host:1:aaaa"


@pytest.fixture
def pods(private_servers: PrivateServers) -> Iterator[dict[int, Queues]]:
    """Two pods, each with a Redis database of its own."""
    pods = {}
    for number in (1, 2):
        pods[number] = Queues(Store(fresh_redis(private_servers, private_servers.redis())))
        pods[number].register(WHO, {"pid": number})
    yield pods
    for queues in pods.values():
        queues.store.close()


@pytest.fixture
def app(pods: dict[int, Queues]) -> App:
    app = App("test")

    @app.job(name="collect")
    def collect(shop_id: int, n: int = 0) -> None:
        """Do nothing."""

    @app.job(name="sweep", queue="low")
    class Sweep(Job):
        def run(self, full: bool = False) -> None:
            """Do nothing."""

    app.bind(Client(SingleRouter(), pods.__getitem__, hold_timeout_seconds=0.2))
    return app


def ids_on(queues: Queues) -> list[str]:
    return [lease.id for lease in queues.claim(WHO, ["default", "low"], 100)]


def test_a_push_goes_to_the_shops_pod(app: App, pods: dict[int, Queues]) -> None:
    job_id = app.job_class("collect").enqueue(n=3, shop_id=7)
    [lease] = pods[1].claim(WHO, ["default"], 10)
    assert (lease.id, lease.shop_id, lease.args, lease.epoch) == (job_id, 7, {"n": 3}, 1)


def test_a_push_to_a_pod_has_no_shop(app: App, pods: dict[int, Queues]) -> None:
    app.job_class("sweep").enqueue(full=True, pod=2)
    [lease] = pods[2].claim(WHO, ["low"], 10)
    assert (lease.shop_id, lease.args) == (None, {"full": True})
    assert len(app.job_class("sweep").enqueue_on_every_pod()) == 1


def test_where_a_job_belongs_must_be_said_once(app: App) -> None:
    collect, sweep = app.job_class("collect"), app.job_class("sweep")
    with pytest.raises(InvalidRoute):
        sweep.enqueue()
    with pytest.raises(InvalidRoute):
        sweep.enqueue(shop_id=7, pod=1)
    with pytest.raises(InvalidRoute):
        collect.enqueue(pod=1)


def test_arguments_are_checked_at_push(app: App, pods: dict[int, Queues]) -> None:
    for wrong in ({"n": "three"}, {"m": 1}, {"n": float("nan")}, {"n": (1,)}):
        with pytest.raises(InvalidArguments):
            app.job_class("collect").enqueue(shop_id=7, **wrong)
    assert ids_on(pods[1]) == []


def test_a_typed_call_carries_its_shop(app: App, pods: dict[int, Queues]) -> None:
    call = app.job_class("collect").call(7, n=2)
    job_id = app.client.push(call)
    assert ids_on(pods[1]) == [job_id]


def test_a_stale_router_costs_one_redirect(app: App, pods: dict[int, Queues]) -> None:
    pods[1].set_gate(7, "moved", 2, 2)
    pods[2].set_gate(7, "open", 2, 2)
    job_id = app.job_class("collect").enqueue(shop_id=7)
    [lease] = pods[2].claim(WHO, ["default"], 10)
    assert (lease.id, lease.epoch) == (job_id, 2)
    assert ids_on(pods[1]) == []


def test_bulk_keeps_the_order_and_follows_each_shop(app: App, pods: dict[int, Queues]) -> None:
    pods[1].set_gate(8, "moved", 2, 2)
    rows = [{"shop_id": 7 + number % 3, "n": number} for number in range(2500)]
    ids = app.job_class("collect").enqueue_bulk(rows)
    assert [job_id.rpartition("-")[2] for job_id in ids] == [str(row["shop_id"]) for row in rows]
    assert len(set(ids)) == 2500
    sizes = {pod: Inspection(queues.store).counts().ready for pod, queues in pods.items()}
    assert sizes == {1: 1667, 2: 833}


@pytest.mark.parametrize("more", [{}, {"expires_in": 60}], ids=["plain", "with options"])
def test_a_bulk_error_names_what_was_accepted(
    app: App, pods: dict[int, Queues], more: dict[str, Any]
) -> None:
    """Nothing of a portion with a wrong row is sent."""
    rows: list[dict[str, Any]] = [
        {"shop_id": 7 + number % 300, "n": number, **more} for number in range(1500)
    ]
    rows[1400]["n"] = "x"
    with pytest.raises(InvalidArguments) as caught:
        app.job_class("collect").enqueue_bulk(rows)
    accepted = caught.value.accepted  # type: ignore[attr-defined]
    assert [identity.shop_text(job_id) for job_id in accepted] == [str(row["shop_id"]) for row in rows[:1000]]
    assert Inspection(pods[1].store).counts().ready == 1000


def test_of_the_portion_at_which_a_bulk_failed_jobs_of_other_shops_may_stand(
    app: App, pods: dict[int, Queues]
) -> None:
    rows = [{"shop_id": number % 300, "n": number} for number in range(1500)]
    held = rows[1400]["shop_id"]
    pods[1].set_gate(held, "hold", 1, 1)
    portions = [rows[:1000], rows[1000:]]
    with pytest.raises(ShopOnHold) as caught:
        app.job_class("collect").enqueue_bulk(rows)
    assert caught.value.accepted == []  # type: ignore[attr-defined]  # the shop has jobs in the first portion, too
    stand = Inspection(pods[1].store).counts().ready
    assert stand == len([row for row in portions[0] if row["shop_id"] != held])
    pods[1].set_gate(held, "open", 1, 1)
    assert len(app.job_class("collect").enqueue_bulk(rows)) == 1500
    assert Inspection(pods[1].store).counts().ready == 1500 + stand


def test_a_bulk_with_a_shop_that_the_router_does_not_know_sends_nothing(
    app: App, pods: dict[int, Queues]
) -> None:
    class Knowing(SingleRouter):
        def route(self, shop_id: int) -> Route:
            if shop_id == 999:
                raise InvalidRoute("shop 999 is nowhere", "assign it")
            return super().route(shop_id)

    app.bind(Client(Knowing(), pods.__getitem__))
    with pytest.raises(InvalidRoute):
        app.job_class("collect").enqueue_bulk({"shop_id": number} for number in range(1000))
    assert Inspection(pods[1].store).counts().ready == 0


def test_what_a_bulk_had_accepted_is_counted(app: App, pods: dict[int, Queues]) -> None:
    counted: Counter[tuple[str, str]] = Counter()
    app.client.observe_push = lambda queue, name, jobs: counted.update({(queue, name): jobs})
    pods[1].set_gate(8, "moved", 2, 2)
    app.job_class("collect").enqueue_bulk({"shop_id": number % 300} for number in range(1200))
    assert counted == {("default", "collect"): 1200}
    app.job_class("collect").enqueue_bulk({"shop_id": 8, "in_": 60} for _ in range(3))
    app.job_class("sweep").enqueue_bulk({"pod": 2} for _ in range(2))
    app.job_class("collect").enqueue(shop_id=8, idempotency_key="once")
    app.job_class("collect").enqueue(shop_id=8, idempotency_key="once")
    assert counted == {("default", "collect"): 1204, ("low", "sweep"): 2}


def test_rows_that_push_themselves_while_a_portion_is_under_way(app: App, pods: dict[int, Queues]) -> None:
    """The rows come from the application's code, in the same thread and over the same connection."""
    collect = app.job_class("collect")
    extra: list[str] = []

    def rows() -> Iterator[dict[str, int]]:
        for number in range(2_200):
            if number % 500 == 499:
                extra.append(collect.enqueue(n=number, shop_id=9))
            yield {"shop_id": 7, "n": number}

    ids = collect.enqueue_bulk(rows())
    assert len(set(ids + extra)) == 2_204
    assert Inspection(pods[1].store).counts().ready == 2_204


def test_a_bulk_whose_answers_are_lost_is_repeated_and_doubles_nothing(
    app: App, pods: dict[int, Queues], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_push = pods[1].begin_push
    lost: list[int] = []

    def losing(groups: Sequence[PushGroup]) -> Callable[[], list[Refusal]]:
        waiting = begin_push(groups)

        def answer() -> list[Refusal]:
            lost.append(len(waiting()))
            raise StoreUnavailable("here", "the answer got lost")

        return answer

    monkeypatch.setattr(pods[1], "begin_push", losing)
    pods[1].set_gate(8, "moved", 2, 2)
    rows = [{"shop_id": number % 300, "n": number} for number in range(1_500)]
    ids = app.job_class("collect").enqueue_bulk(rows)
    assert len(lost) > 2, "a portion goes in pieces"
    assert Inspection(pods[1].store).counts().ready == 1_495
    assert ids_on(pods[2]) == [job_id for job_id in ids if job_id.endswith("-8")]
    taken = [lease.id for lease in pods[1].claim(WHO, ["default"], 1_500)]
    assert sorted(taken) == sorted(job_id for job_id in ids if not job_id.endswith("-8"))


def test_a_shop_on_hold_is_waited_for(app: App, pods: dict[int, Queues]) -> None:
    pods[1].set_gate(7, "hold", 1, 1)
    pushed: list[str] = []
    asked = threading.Event()

    class Asked(SingleRouter):
        def forget(self, shop_id: int) -> None:
            asked.set()

    app.bind(Client(Asked(), pods.__getitem__))
    thread = threading.Thread(target=lambda: pushed.append(app.job_class("collect").enqueue(shop_id=7)))
    thread.start()
    assert asked.wait(5)
    pods[1].set_gate(7, "open", 1, 1)
    thread.join(5)
    assert ids_on(pods[1]) == pushed != []


def test_a_hold_that_lasts_is_an_error(app: App, pods: dict[int, Queues]) -> None:
    pods[1].set_gate(7, "hold", 1, 1)
    with pytest.raises(ShopOnHold):
        app.job_class("collect").enqueue(shop_id=7)
    assert ids_on(pods[1]) == []


def test_pods_that_redirect_in_a_circle_are_an_error(app: App, pods: dict[int, Queues]) -> None:
    class Gullible(SingleRouter):
        def learn(self, shop_id: int, route: Route) -> None:
            self._learned[shop_id] = route

    app.bind(Client(Gullible(), pods.__getitem__))
    pods[1].set_gate(7, "moved", 2, 2)
    pods[2].set_gate(7, "moved", 2, 1)
    with pytest.raises(RedirectLoop):
        app.job_class("collect").enqueue(shop_id=7)


def test_a_push_whose_answer_was_lost_is_repeated_and_stored_once(app: App, pods: dict[int, Queues]) -> None:
    class Flaky(Queues):
        lost = 0

        def push_one(self, parcel: Parcel, epoch: int) -> bool:
            assert super().push_one(parcel, epoch)
            self.lost += 1
            raise StoreUnavailable("here", "the answer was lost")

    flaky = Flaky(pods[1].store)
    app.bind(Client(SingleRouter(), lambda _: flaky))
    job_id = app.job_class("collect").enqueue(shop_id=7)
    assert flaky.lost == 1
    assert ids_on(pods[1]) == [job_id]


def test_forwarding_keeps_id_and_attempts_and_doubles_nothing(app: App, pods: dict[int, Queues]) -> None:
    app.job_class("collect").enqueue(n=1, shop_id=7)
    [lease] = pods[1].claim(WHO, ["default"], 1)
    pods[1].retry(WHO, lease, 0, "ValueError: first")
    pods[1].promote()
    [lease] = pods[1].claim(WHO, ["default"], 1)
    pods[1].set_gate(7, "moved", 2, 2)
    for _ in range(2):  # the crash after the push repeats it
        app.client.forward(lease)
    assert pods[1].forget(WHO, lease)
    [there] = pods[2].claim(WHO, ["default"], 10)
    assert (there.id, there.attempts, there.error) == (lease.id, 1, "ValueError: first")


def test_forwarding_does_not_wait_for_a_shop_on_hold(app: App, pods: dict[int, Queues]) -> None:
    app.bind(Client(SingleRouter(), pods.__getitem__, hold_timeout_seconds=3600))
    app.job_class("collect").enqueue(shop_id=7)
    [lease] = pods[1].claim(WHO, ["default"], 1)
    pods[1].set_gate(7, "hold", 1, 1)
    with pytest.raises(ShopOnHold):
        app.client.forward(lease)
    assert Inspection(pods[1].store).counts().held == 1


def test_a_crash_between_push_and_forget_leaves_the_job_on_both_pods_under_one_id(
    app: App, pods: dict[int, Queues]
) -> None:
    app.job_class("collect").enqueue(shop_id=7)
    [lease] = pods[1].claim(WHO, ["default"], 1)
    pods[1].set_gate(7, "moved", 2, 2)
    with hold("client.pushed") as held:
        thread = threading.Thread(target=app.client.forward, args=(lease,), daemon=True)
        thread.start()
        held.wait_reached()
        # Here the process may die: the source still holds the job, and its gate is closed to it.
        assert Inspection(pods[1].store).counts().held == 1
    thread.join(5)
    assert [job.id for job in pods[2].claim(WHO, ["default"], 10)] == [lease.id]
