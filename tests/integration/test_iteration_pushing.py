"""The jobs of a run in Redis: pushed by anybody, as often as they like, and there once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from podwork import App, Collection, IterationJob
from podwork.client import Client
from podwork.context import JobContext
from podwork.errors import ShopOnHold
from podwork.identity import job_of_run, new_job_id, run_of
from podwork.inspection import Inspection
from podwork.interfaces import Route
from podwork.iteration.pushing import push_run, push_to_every_pod, run_in_group
from podwork.job import Call
from podwork.lease import Lease
from podwork.queues import POISON_RECLAIMS, Queues
from podwork.store import Store
from podwork_pods import items
from tests.support.servers import PrivateServers, fresh_redis

WHO = "host:1:aaaa"
SHOP = 330
app = App("x")


@app.job(name="fill", queue="low", version=2)
class Fill(IterationJob):
    """Fills something."""

    percent: int = 100

    def collection(self) -> Collection:
        return items([1, 2, 3])

    def each(self, item: int) -> None:
        """Do nothing."""


class TwoPods:
    """Every shop is on pod 1, as far as it knows."""

    def __init__(self) -> None:
        self.learned: dict[int, Route] = {}

    def route(self, shop_id: int) -> Route:
        return self.learned.get(shop_id, Route(1, 1))

    def learn(self, shop_id: int, route: Route) -> None:
        self.learned[shop_id] = route

    def forget(self, shop_id: int) -> None:
        self.learned.pop(shop_id, None)

    def pod_ids(self) -> Sequence[int]:
        return [1, 2]


@pytest.fixture
def pods(private_servers: PrivateServers) -> Iterator[dict[int, Queues]]:
    """Two pods, each with a Redis database of its own, to which the application pushes."""
    pods = {}
    for number in (1, 2):
        pods[number] = Queues(Store(fresh_redis(private_servers, private_servers.redis())))
        pods[number].register(WHO, {"pid": number})
    app.bind(Client(TwoPods(), pods.__getitem__, hold_timeout_seconds=3600))
    yield pods
    app.bind(None)
    for queues in pods.values():
        queues.store.close()


def push(run_id: str, *, shop_id: int | None = SHOP, pod_id: int = 1, parallel: int = 3) -> None:
    push_run(
        app.client, Fill.job_class, run_id, {"percent": 95},
        shop_id=shop_id, pod_id=pod_id, parallel=parallel,
    )  # fmt: skip


def claim(queues: Queues) -> list[Lease]:
    return queues.claim(WHO, ["low"], 100)


def ready(queues: Queues) -> int:
    return Inspection(queues.store).counts().ready


@pytest.fixture
def run_id() -> str:
    return new_job_id(1_700_000_000_000, str(SHOP))


def test_as_many_as_may_work_on_it_are_pushed(pods: dict[int, Queues], run_id: str) -> None:
    push(run_id)
    leases = claim(pods[1])
    assert [lease.id for lease in leases] == [job_of_run(run_id, number) for number in range(3)]
    assert {run_of(lease.id) for lease in leases} == {run_id}
    assert {(lease.shop_id, lease.version, lease.args["percent"]) for lease in leases} == {(SHOP, 2, 95)}


def test_pushed_again_each_is_there_once(pods: dict[int, Queues], run_id: str) -> None:
    push(run_id, parallel=2)
    held = pods[1].claim(WHO, ["low"], 1)
    push(run_id, parallel=3)
    push(run_id, parallel=3)
    assert [lease.id for lease in held + claim(pods[1])] == [
        job_of_run(run_id, number) for number in range(3)
    ]


def test_one_that_has_ended_is_pushed_anew(pods: dict[int, Queues], run_id: str) -> None:
    push(run_id)
    first, *_ = claim(pods[1])
    assert pods[1].acknowledge(WHO, [first]) == []
    push(run_id)
    assert [lease.id for lease in claim(pods[1])] == [first.id]


def test_what_a_dead_process_held_comes_back_to_the_lane_of_its_shop(
    pods: dict[int, Queues], run_id: str
) -> None:
    push(run_id)
    assert len(claim(pods[1])) == 3
    pods[1].deregister(WHO)
    pods[1].reclaim()
    other = "host:2:bbbb"
    pods[1].register(other, {"pid": 2})
    leases = pods[1].claim(other, ["low"], 100)
    assert {lease.id for lease in leases} == {job_of_run(run_id, number) for number in range(3)}
    assert {lease.shop for lease in leases} == {str(SHOP)}


def test_it_is_no_poison_pill_however_often_its_process_dies(pods: dict[int, Queues], run_id: str) -> None:
    one = Fill.enqueue(shop_id=SHOP)
    [many] = Fill.enqueue_bulk([{"shop_id": SHOP}])
    [everywhere, _] = Fill.enqueue_on_every_pod()
    push(run_id, parallel=2)
    ids = {one, many, everywhere, run_id, job_of_run(run_id, 1)}
    for number in range(POISON_RECLAIMS + 2):
        dying = f"host:{number}:dead"
        pods[1].register(dying, {"pid": number})
        leases = pods[1].claim(dying, ["low"], 100)
        assert {lease.id for lease in leases} == ids
        assert all(pods[1].start(dying, lease) for lease in leases)
        pods[1].deregister(dying)
        pods[1].reclaim()
    assert Inspection(pods[1].store).counts().dead == 0


def test_they_go_where_the_shop_is(pods: dict[int, Queues], run_id: str) -> None:
    pods[1].set_gate(SHOP, "moved", 2, 2)
    pods[2].set_gate(SHOP, "open", 2, 2)
    push(run_id)
    assert (ready(pods[1]), ready(pods[2])) == (0, 3)


def test_a_shop_that_is_being_switched_is_not_waited_for(pods: dict[int, Queues], run_id: str) -> None:
    pods[1].set_gate(SHOP, "hold", 1, 1)
    with pytest.raises(ShopOnHold):  # at once, though the client would wait for an hour
        push(run_id)
    assert ready(pods[1]) == 0


def test_work_of_a_pod_goes_to_the_pod(pods: dict[int, Queues]) -> None:
    push(new_job_id(1, "pod"), shop_id=None, pod_id=2)
    assert (ready(pods[1]), ready(pods[2])) == (0, 3)
    assert {lease.shop_id for lease in claim(pods[2])} == {None}


def test_jobs_of_every_pod_share_a_group_and_nothing_else(pods: dict[int, Queues]) -> None:
    pushed = push_to_every_pod(app.client, Call(Fill.job_class, (), {"percent": 7}))
    [first], [second] = claim(pods[1]), claim(pods[2])
    assert {1: first.id, 2: second.id} == pushed.ids
    assert first.id != second.id
    assert {lease.args["percent"] for lease in (first, second)} == {7}
    for lease in (first, second):
        context: Any = JobContext(lease.id, "fill", "low", None, 1, 0, extras=lease.head.extras)
        assert context.group_id == pushed.group_id
    assert run_in_group(pushed.group_id, 2) == second.id
    assert pushed.group_id not in pushed.ids.values()
    assert len(Fill.enqueue_on_every_pod(percent=1)) == 2


def test_people_find_a_job_of_a_run_by_its_id(pods: dict[int, Queues], run_id: str) -> None:
    push(run_id)
    inspection, second = Inspection(pods[1].store), job_of_run(run_id, 1)
    found = inspection.job(second)
    assert found is not None
    assert (found.id, found.shop_id) == (second, SHOP)
    assert [job.id for job in inspection.find(second[:23], 5)] == [second]
