"""Random shops change pods while they are pushed to: what they have arrives, whole and in order (S4)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podwork import App, keys
from podwork.limits import Concurrency, Limits
from podwork.parcel import PushOptions, parcel_of
from podwork.queues import PushGroup
from podwork.transfer import bringing, manifest, side
from podwork.unique import Unique
from tests.support.engine import NOW_MS, A, claim, job
from tests.support.servers import PrivateServers
from tests.support.transfers import (
    EPOCH,
    LATER_MS,
    MARKS,
    SHOP,
    STEPS_AFTER,
    STEPS_BACK,
    STEPS_THERE,
    Stand,
    all_of,
    check_order,
    picture,
    stand,
)

EXAMPLES = int(os.environ.get("PODWORK_FUZZ_EXAMPLES", "20"))
QUEUES = ("default", "low", "third")
app = App("shop")


@app.job(name="shop.replaced", unique=Unique(conflict="replace"))
def replaced(n: int) -> None:
    """The later content counts."""


@app.job(name="shop.once", unique=Unique(conflict="reschedule", until="start"), queue="low")
def once(n: int) -> None:
    """Once more after it, if it runs."""


@app.job(name="shop.periodic", unique=Unique(period_seconds=3600))
def periodic(n: int) -> None:
    """Once an hour."""


CLASSES = (replaced, once, periodic)
pushes = st.one_of(
    st.tuples(st.just("push"), st.sampled_from(QUEUES), st.sampled_from(["7", "7", "8"]), st.integers(1, 5)),
    st.tuples(st.just("later"), st.sampled_from(QUEUES), st.sampled_from(["7", "8"]), st.integers(1, 3)),
    st.tuples(st.just("unique"), st.sampled_from(range(len(CLASSES))), st.integers(1, 3), st.booleans()),
)
runs = st.tuples(
    st.just("run"),
    st.integers(1, 4),
    st.lists(st.sampled_from(["end", "bury", "park", "retry", "release", "limit"]), min_size=1),
)
histories = st.lists(st.one_of(pushes, runs), min_size=1, max_size=14)


def act(pods: Stand, what: tuple[Any, ...]) -> None:
    """Let something happen at the source."""
    queues = pods.source
    match what:
        case ("push" | "later" as when, queue, shop, number):
            jobs = [job(shop, queue) for _ in range(number)]
            due_ms = 0 if when == "push" else LATER_MS + number
            assert queues.push([PushGroup(queue, shop, EPOCH, jobs, due_ms)]) == []
        case ("unique", number, n, keyed):
            options = PushOptions(idempotency_key=f"k{n}") if keyed else None
            queues.push_locked(parcel_of(CLASSES[number], {"n": n}, SHOP, NOW_MS, options), EPOCH)
        case ("run", number, ends):
            leases = claim(queues, number, names=QUEUES)
            for position, lease in enumerate(leases):
                _end(pods, lease, ends[position % len(ends)])


def _end(pods: Stand, lease: Any, how: str) -> None:
    queues = pods.source
    match how:
        case "end":
            assert queues.acknowledge(A, [lease]) == []
        case "bury":
            assert queues.bury(A, lease, "ValueError: x")
        case "park":
            assert queues.park(A, lease)
        case "retry":
            assert queues.retry(A, lease, LATER_MS / 1000, "ValueError: x")
        case "release":
            assert queues.release(A, [lease], interrupted=True) == 1
        case "limit":  # others of its class wait in a room from now on, or the claim that met them first
            Limits(queues.store).set(Concurrency(1), queue="third")
            assert queues.release(A, [lease]) == 1


@pytest.fixture
def pods(private_servers: PrivateServers, monkeypatch: pytest.MonkeyPatch) -> Stand:
    for module in (side, bringing, manifest):
        monkeypatch.setattr(module, "PAGE_JOBS", 5)
    return stand(private_servers)


def during(pods: Stand, changes: list[tuple[Any, ...]]) -> Callable[[int], None]:
    """Return what is told of each page, and then lets something be pushed."""
    waiting = list(changes)

    def on_page(_jobs: int) -> None:
        if waiting:
            act(pods, waiting.pop())

    return on_page


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 20,
    suppress_health_check=list(HealthCheck),
)
@given(
    history=histories,
    meanwhile=st.lists(pushes, max_size=8),
    last=st.lists(pushes, max_size=3),
    gives_up=st.booleans(),
)
def check(pods: Stand, history: Any, meanwhile: Any, last: Any, gives_up: bool) -> None:
    for queues in pods:
        queues.store.client.flushdb()
        queues.register(A, {"pid": 1})
    for what in history:
        act(pods, what)
    transfer = pods.transfer()
    if gives_up:
        pods.run(transfer, *STEPS_THERE[:2])
        transfer.bring(during(pods, meanwhile))
        before = picture(pods.source)
        pods.run(transfer, *STEPS_BACK)
        assert picture(pods.source) == before
        assert not any(picture(pods.target))
        transfer = pods.transfer(mover=2)
    pods.run(transfer, *STEPS_THERE[:2])
    transfer.bring(during(pods, meanwhile))
    for what in last:
        act(pods, what)
    before, others = picture(pods.source), picture(pods.source, "8")
    pods.run(transfer, *STEPS_THERE[3:])
    assert _standing(pods) == before
    pods.run(transfer, *STEPS_AFTER)
    assert picture(pods.target) == before
    assert not any(picture(pods.source))
    assert picture(pods.source, "8") == others
    for queues in pods:
        check_order(queues)
        assert not set(MARKS) & set(all_of(queues))
    assert [one for one in claim(pods.source, 100, names=QUEUES) if one.shop == "7"] == []
    assert len(claim(pods.target, 200, names=QUEUES)) == sum(map(len, before.lanes.values()))


def _standing(pods: Stand) -> Any:
    assert pods.target.store.client.zcard(keys.arrived("7")) == len(picture(pods.source).records)
    return picture(pods.target)


def test_random_histories(pods: Stand) -> None:
    """`PODWORK_FUZZ_EXAMPLES` makes it longer (`make test-long`)."""
    check(pods)


test_random_histories = pytest.mark.timeout(600)(test_random_histories)
