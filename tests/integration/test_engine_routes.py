"""Pushes among many pods: no wrong shop, no false circle, nothing twice in a lane, no guess where it went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from podwork import App
from podwork.client import Client
from podwork.errors import InvalidRoute, StoreUnavailable
from podwork.inspection import Inspection
from podwork.interfaces import Route
from podwork.parcel import Parcel
from podwork.queues import PushGroup, Queues, Refusal
from podwork.single import SingleRouter
from podwork.store import Store
from tests.support.servers import PrivateServers, fresh_redis

WHO = "host:1:aaaa"


@pytest.fixture
def pods(private_servers: PrivateServers) -> dict[int, Queues]:
    """Two pods, each with a Redis database of its own."""
    pods = {n: Queues(Store(fresh_redis(private_servers, private_servers.redis()))) for n in (1, 2)}
    for number, queues in pods.items():
        queues.register(WHO, {"pid": number})
    return pods


@pytest.fixture
def app(pods: dict[int, Queues]) -> App:
    app = App("test")

    @app.job(name="collect")
    def collect(shop_id: int) -> None:
        """Do nothing."""

    app.bind(Client(SingleRouter(), pods.__getitem__, hold_timeout_seconds=5.0))
    return app


@pytest.mark.parametrize("shop_id", [True, False, -1, 2**63, "7", "x", 7.0, [7]])
def test_what_is_no_shop_is_refused_at_push(app: App, pods: dict[int, Queues], shop_id: Any) -> None:
    collect = app.job_class("collect")
    with pytest.raises(InvalidRoute, match="is no shop"):
        collect.enqueue(shop_id=shop_id)
    with pytest.raises(InvalidRoute, match="is no shop"):
        collect.enqueue_bulk([{"shop_id": shop_id}])
    assert Inspection(pods[1].store).counts().ready == 0


@pytest.mark.parametrize("shop_id", [0, 2**63 - 1])
def test_every_64_bit_shop_has_its_jobs(app: App, pods: dict[int, Queues], shop_id: int) -> None:
    job_id = app.job_class("collect").enqueue(shop_id=shop_id)
    [lease] = pods[1].claim(WHO, ["default"], 10)
    assert (lease.id, lease.shop_id) == (job_id, shop_id)
    assert Inspection(pods[1].store).job(job_id) is not None


def test_a_call_for_one_shop_is_not_pushed_to_another(app: App) -> None:
    call = app.job_class("collect").call(7)
    assert app.client.push(call, shop_id=7)
    with pytest.raises(InvalidRoute, match="shop 7"):
        app.client.push(call, shop_id=8)


def test_one_redirect_in_a_push_to_many_pods_is_no_circle(app: App, pods: dict[int, Queues]) -> None:
    class Spread(SingleRouter):
        def route(self, shop_id: int) -> Route:
            return self._learned.get(shop_id, Route(shop_id, 1))

    twenty = {number: pods[1 + number % 2] for number in range(1, 21)}
    pods[2].set_gate(1, "moved", 2, 2)
    app.bind(Client(Spread(), twenty.__getitem__))
    ids = app.job_class("collect").enqueue_bulk({"shop_id": number} for number in range(1, 21))
    assert len(ids) == 20
    assert sum(Inspection(queues.store).counts().ready for queues in pods.values()) == 20


@pytest.mark.parametrize(
    "more", [{}, {"in_": 60}, {"idempotency_key": "k"}], ids=["plain", "later", "with a key"]
)
def test_one_redirect_from_each_of_many_pods_is_no_circle(
    app: App, pods: dict[int, Queues], more: dict[str, Any]
) -> None:
    class Spread(SingleRouter):
        def route(self, shop_id: int) -> Route:
            return self._learned.get(shop_id, Route(shop_id, 1))

    twenty = {number: pods[1 + number % 2] for number in range(1, 21)}
    for number in range(1, 21):
        twenty[number].set_gate(number, "moved", 2, 1 + number % 20)
        twenty[1 + number % 20].set_gate(number, "open", 2, 1 + number % 20)
    app.bind(Client(Spread(), twenty.__getitem__))
    ids = app.job_class("collect").enqueue_bulk({"shop_id": number, **more} for number in range(1, 21))
    assert [job_id.rpartition("-")[2] for job_id in ids] == [str(number) for number in range(1, 21)]
    assert sum(Inspection(queues.store).counts().unfinished for queues in pods.values()) == 20


def test_a_push_accepted_without_an_answer_and_then_on_hold_enters_its_lane_once(
    app: App, pods: dict[int, Queues]
) -> None:
    class Switching(Queues):
        """The first answer is lost, and the shop is being switched when the push is repeated."""

        pushes = 0

        def push_one(self, parcel: Parcel, epoch: int) -> bool:
            self.pushes += 1
            assert super().push_one(parcel, epoch)
            self.set_gate(7, "hold", 1, 1)
            raise StoreUnavailable("here", "the answer was lost")

        def push(self, groups: Sequence[PushGroup], *, fresh: bool = True) -> list[Refusal]:
            self.pushes += 1
            if self.pushes == 3:
                self.set_gate(7, "open", 1, 1)
            return super().push(groups, fresh=fresh)

    switching = Switching(pods[1].store)
    app.bind(Client(SingleRouter(), lambda _pod_id: switching))
    job_id = app.job_class("collect").enqueue(shop_id=7)
    assert switching.pushes == 3
    assert [lease.id for lease in pods[1].claim(WHO, ["default"], 10)] == [job_id]


def test_a_forwarded_job_is_where_forward_says(app: App, pods: dict[int, Queues]) -> None:
    class Late(SingleRouter):
        """Hears of the next switch right after the push."""

        def __init__(self) -> None:
            super().__init__()
            self.asked = 0

        def route(self, shop_id: int) -> Route:
            self.asked += 1
            return Route(1, 1) if self.asked == 1 else Route(2, 2)

    app.job_class("collect").enqueue(shop_id=7)
    [lease] = pods[1].claim(WHO, ["default"], 1)
    app.bind(Client(Late(), pods.__getitem__))
    assert app.client.forward(lease) == 1, "pod 1 answered that it has the job"
    assert pods[2].claim(WHO, ["default"], 1) == []


def test_a_full_portion_for_one_shop_is_accepted_and_ended(app: App, pods: dict[int, Queues]) -> None:
    ids = app.job_class("collect").enqueue_bulk({"shop_id": 7} for _ in range(1000))
    held = pods[1].claim(WHO, ["default"], 1000)
    assert [lease.id for lease in held] == ids
    assert pods[1].release(WHO, held) == 1000
    held = pods[1].claim(WHO, ["default"], 1000)
    assert [lease.id for lease in held] == ids
    pods[1].deregister(WHO)
    assert len(pods[1].reclaim()) == 1000
    pods[1].register(WHO, {"pid": 1})
    held = pods[1].claim(WHO, ["default"], 1000)
    assert pods[1].acknowledge(WHO, held) == []
    assert Inspection(pods[1].store).counts().unfinished == 0


def test_the_largest_documented_group_is_accepted(app: App, pods: dict[int, Queues]) -> None:
    jobs = [(f"{number:021x}-7", b"default 1 0 0 0 0 {}") for number in range(3000)]
    for fresh in (True, False):
        assert pods[1].push([PushGroup("default", "7", 1, jobs)], fresh=fresh) == []
    assert Inspection(pods[1].store).counts().ready == 3000
