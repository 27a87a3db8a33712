"""Jobs whose shop leaves while they are queued, claimed or about to write: each runs once, on the new pod.

Real workers on two pods, over two Redis and two shards; a move without the copying (`moving_shop.Move`).
Promises under test: S1, J3, and J1 over the forwarding: nothing is written on the source after its fence
changed, what was queued there keeps its id, nothing is lost and nothing runs twice by effect.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from podwork.settings import load
from podwork_ops.composition import Platform, open_platform
from tests.support import moving_shop
from tests.support.fleets import Fleet, StartFleet
from tests.support.moving_shop import Move, prepare, record, runs
from tests.support.pause import PausingProcess, Point, start_pausing
from tests.support.processes import ManagedProcess
from tests.support.sampling import sampled
from tests.support.wait import until

SHOP, NEIGHBOUR = 330, 331
APP = "tests.support.moving_shop:app"


@pytest.fixture
def fleet(request: pytest.FixtureRequest) -> Fleet:
    start: StartFleet = request.getfixturevalue(f"{request.param}_stack")
    started = start(pods=2)
    # Nobody learns of the move but by a gate, a fence or the directory itself.
    with started.config.open("a") as config:
        config.write("directory_refresh_seconds = 3600.0\n\n[worker]\nlease_seconds = 2.0\n")
    return started


@pytest.fixture
def platform(fleet: Fleet) -> Iterator[Platform]:
    with open_platform(load(file=fleet.config).settings) as opened:
        opened.directory.assign_many({SHOP: 1, NEIGHBOUR: 1})
        opened.bind(moving_shop.app)
        prepare(opened)
        yield opened


@pytest.fixture
def mover(fleet: Fleet, platform: Platform) -> Iterator[Platform]:
    """The mover's own process, as far as caches go: the pushers' do not learn from it."""
    with open_platform(load(file=fleet.config).settings) as opened:
        yield opened


def work(fleet: Fleet, pod_id: int) -> ManagedProcess:
    worker = fleet.podctl("workers", "--pod", str(pod_id), "--app", APP, "--threads", "2")
    worker.wait_for_output("the worker is ready")
    return worker


def work_pausing(fleet: Fleet, pod_id: int, point: Point) -> PausingProcess:
    arguments = ("--config", str(fleet.config), "workers", "--pod", str(pod_id), "--app", APP)
    return start_pausing(fleet.processes, [point], "-m", "podwork_ops.cli", *arguments, "--threads", "1")


@contextmanager
def pushing(pushed: list[str]) -> Iterator[None]:
    """Push jobs of the shop while the block runs, not faster than workers on a busy machine forward them."""
    stop = threading.Event()

    def push() -> None:
        while not stop.wait(0.02):
            pushed.append(record.enqueue(shop_id=SHOP))

    pusher = threading.Thread(target=push)
    pusher.start()
    try:
        yield
    finally:
        stop.set()
        pusher.join()


def unfinished(platform: Platform, pod_id: int) -> int:
    return platform.inspection(pod_id).counts().unfinished


def until_all_ran(platform: Platform, *workers: ManagedProcess) -> None:
    until(
        lambda: unfinished(platform, 1) == 0 and unfinished(platform, 2) == 0,
        60.0,
        f"every job ends {[str(worker) for worker in workers]}",
    )


def dead(platform: Platform) -> int:
    return sum(platform.inspection(pod_id).counts().dead for pod_id in (1, 2))


@pytest.mark.parametrize("fleet", ["embedded", "served"], indirect=True)
def test_queued_jobs_follow_their_shop_while_pushes_go_on(
    fleet: Fleet, platform: Platform, mover: Platform
) -> None:
    pushed = [record.enqueue(shop_id=SHOP) for _ in range(100)]
    neighbours = [record.enqueue(shop_id=NEIGHBOUR) for _ in range(20)]
    move = Move(mover, SHOP, 2)
    with pushing(pushed):
        point = Point("worker.started", 30)
        source, target = work_pausing(fleet, 1, point), work(fleet, 2)
        stop = source.wait_at(*point)  # some ran before the move, most are queued
        move.close()
        before = runs(mover, 1, SHOP)
        move.switch()
        stop.go_on()
        until(lambda: not list(mover.inspection(1).job_ids(str(SHOP))), 60.0, "the source is empty")
        move.retire()
        after = len(pushed)
        until(lambda: len(pushed) > after + 20, message="pushes go on after the move")
    until_all_ran(mover, source.process, target)

    here, there = runs(mover, 1, SHOP), runs(mover, 2, SHOP)
    assert here == before  # nothing since the fence changed
    assert len(here) >= 1
    assert {epoch for _, epoch in here} == {1}
    assert {epoch for _, epoch in there} == {2}
    assert Counter(job_id for job_id, _ in here + there) == Counter(pushed)
    assert Counter(job_id for job_id, _ in runs(mover, 1, NEIGHBOUR)) == Counter(neighbours)
    assert mover.inspection(1).totals()["forwarded"] >= 50
    assert dead(mover) == 0


@pytest.mark.parametrize("fleet", ["embedded"], indirect=True)
@pytest.mark.parametrize(
    ("point", "is_known"),
    [
        ("worker.claimed", True),
        ("worker.started", True),  # admitted under the old epoch, and about to open its transaction
        ("worker.started", False),
        ("fence.introducing", False),  # the truth was asked before the move, the row is written after it
    ],
)
@pytest.mark.parametrize("fate", sampled(["goes on", "is killed"], 2))
def test_a_worker_that_slept_through_the_move_writes_nothing_on_the_source(
    fleet: Fleet, platform: Platform, mover: Platform, point: str, is_known: bool, fate: str
) -> None:
    if is_known:  # the shop has a fence on the source
        mover.topology.shard_fence(1).introduce(SHOP, 1)
    job_id = record.enqueue(shop_id=SHOP)
    sleeper = work_pausing(fleet, 1, Point(point))
    stop = sleeper.wait_at(point)
    move = Move(mover, SHOP, 2)
    move.close()
    move.switch()
    late = record.enqueue(shop_id=SHOP)
    if fate == "is killed":
        stop.kill()
    else:
        stop.go_on()
    worker = work(fleet, 2)
    until_all_ran(mover, sleeper.process, worker)
    assert runs(mover, 1, SHOP) == []
    assert Counter(runs(mover, 2, SHOP)) == Counter([(job_id, 2), (late, 2)])
    assert mover.inspection(1).totals()["forwarded"] == 1
    assert dead(mover) == 0


@pytest.mark.parametrize("fleet", ["embedded", "served"], indirect=True)
def test_a_move_waits_for_a_transaction_that_passed_the_fence(
    fleet: Fleet, platform: Platform, mover: Platform
) -> None:
    """The other side of the fence: what passed it before the move commits on the source, and only there."""
    mover.topology.shard_fence(1).introduce(SHOP, 1)
    job_id = record.enqueue(shop_id=SHOP)
    sleeper = work_pausing(fleet, 1, Point("shop_transaction.committing"))
    stop = sleeper.wait_at("shop_transaction.committing")
    move, closed = Move(mover, SHOP, 2), threading.Event()

    def close() -> None:
        move.close()
        closed.set()

    closing = threading.Thread(target=close)
    closing.start()
    assert not closed.wait(0.3)  # it cannot be: the job holds the fence
    stop.go_on()
    closing.join()
    assert runs(mover, 1, SHOP) == [(job_id, 1)]
    move.switch()
    until_all_ran(mover, sleeper.process)
    assert runs(mover, 2, SHOP) == []
