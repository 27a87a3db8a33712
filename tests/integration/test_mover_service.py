"""Moves in workers: who is pushed, who goes on, and what is swept up; real Redis, shards on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from podwork import App, keys
from podwork.context import JobContext, running
from podwork.errors import ConfigurationError, StoreUnavailable
from podwork.interfaces import Route
from podwork.queues import PushGroup
from podwork.signals import Discard, Interrupted, Snooze
from podwork.testing.clock import VirtualClock
from podwork_pods.directory import Directory
from podwork_pods.errors import DirectoryUnavailable
from podwork_pods.fence import table as fence_table
from podwork_pods.mover import service
from podwork_pods.mover.move import Move, Wanted
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.orders import MoveOrders
from podwork_pods.mover.plans.plan import PlanOptions
from podwork_pods.mover.plans.plans import MovePlans
from podwork_pods.mover.plans.selection import Choice
from podwork_pods.mover.reconciler import Reconciler
from podwork_pods.mover.states import MoveState
from podwork_pods.mover.sweeper import Sweeper
from tests.support.move_stand import OTHER, SHOP, A, B, MoveStand, move_stand, ship
from tests.support.servers import PrivateServers, fresh_redis

S = MoveState
NOW = 1_795_000_000.0


@pytest.fixture
def stand(tmp_path: Path, private_servers: PrivateServers) -> Iterator[MoveStand]:
    redis = {pod_id: fresh_redis(private_servers, private_servers.valkey()) for pod_id in (A, B)}
    made = move_stand(tmp_path, redis)
    yield made
    made.close()


# The reconciler


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture
def store(sqlite_url: str, clock: VirtualClock) -> Iterator[Moves]:
    directory = Directory(sqlite_url, clock=clock)
    made = Moves(directory)
    made.prepare()
    directory.assign_many({SHOP: A, OTHER: A})
    yield made
    directory.close()


def test_whoever_is_silent_gets_a_job_on_the_target_first(store: Moves, clock: VirtualClock) -> None:
    pushed: list[tuple[int, int]] = []
    pods = [
        Reconciler(store, pod_id, lambda move, pod_id=pod_id: pushed.append((pod_id, move.id)))  # type: ignore[misc]
        for pod_id in (A, B, 3)
    ]
    move = store.draw(store.plan(Wanted(SHOP, B, "anna")).id, "host:1")

    def look() -> list[tuple[int, int]]:
        pushed.clear()
        for pod in pods:
            pod.turn()
        return pushed

    clock.advance(15)
    assert look() == [], "its last heartbeat is not old enough"
    clock.advance(1)
    assert look() == [(B, move.id)]
    clock.advance(6)
    assert look() == [(A, move.id), (B, move.id)], "nobody works there: the source's workers may"
    store.beat(move)
    assert look() == []
    store.rest(move, 60)
    clock.advance(70)
    assert look() == [], "it rests"
    clock.advance(10)
    assert look() == [(B, move.id)]


def test_one_that_nobody_has_begun_is_begun_and_one_that_has_ended_is_left(store: Moves) -> None:
    pushed: list[int] = []
    pod = Reconciler(store, B, lambda move: pushed.append(move.id))
    move = store.plan(Wanted(SHOP, B, "anna"))
    assert pod.turn() == 1
    MoveOrders(store).abort(move.id, "anna", "no")
    store.advance(store.draw(move.id, "host:1"), S.ABORTED, "host:1", "no")
    assert pod.turn() == 0
    assert pushed == [move.id]


# The job


def bound(stand: MoveStand) -> App:
    app = App("movers")
    service.declare(app)
    service.declare(app)
    app.bind(stand.client)
    service.bind(app, lambda: (stand.moves, stand.crossings))
    return app


def go_on(app: App, move: Move, **answers: bool) -> object:
    """Run the job as a worker does."""

    class Worker:
        def should_stop(self, _job_id: str) -> bool:
            return answers.get("stops", False)

        def is_cancelled(self, _job_id: str) -> bool:
            return False

        def runs(self, _job_id: str) -> bool:
            return True

    job = JobContext("a1", service.JOB, service.QUEUE, None, B, 0, overseer=Worker())
    with running(job):
        return app.job_classes[service.JOB](move.id)


def test_the_job_moves_the_shop_and_comes_back_while_it_is_reversible(stand: MoveStand) -> None:
    stand.trade(3, 2)
    app, move = bound(stand), stand.plan()
    ended = go_on(app, move)
    assert isinstance(ended, Snooze)
    assert (ended.after_seconds, ended.reason) == (2.0, "somebody to say complete or reverse")
    assert not ended.quiet
    again = go_on(app, move)
    assert isinstance(again, Snooze)
    assert again.quiet, "that it still waits is no news"
    stand.check(Route(B, 2), kept=True)
    stand.orders.complete(move.id, "anna", "fine")
    assert go_on(app, move) is None
    stand.check(Route(B, 2), kept=False)
    ended = go_on(app, move)
    assert isinstance(ended, Discard)
    assert ended.reason == "it is done"


def test_a_job_that_is_to_stop_is_queued_again(stand: MoveStand) -> None:
    app, move = bound(stand), stand.plan()
    with pytest.raises(Interrupted):
        go_on(app, move, stops=True)
    found = stand.moves.get(move.id)
    assert (found.state, found.owner) == (S.PLANNED, "")


def test_a_job_leaves_a_move_alone_that_has_a_live_mover(stand: MoveStand) -> None:
    app, move = bound(stand), stand.plan()
    drawn = stand.moves.draw(move.id, "somebody")
    ended = go_on(app, move)
    assert isinstance(ended, Discard)
    assert ended.reason == "somebody is at work on it"
    assert stand.moves.get(move.id) == drawn


def test_a_move_has_one_job_on_a_pod(stand: MoveStand) -> None:
    app, move = bound(stand), stand.plan()
    assert service.push(app, move, B) == service.push(app, move, B)
    assert service.push(app, move, A) != service.push(app, move, B)


def test_without_its_parts_the_job_says_what_is_missing() -> None:
    app = App("movers")
    service.declare(app)
    with pytest.raises(ConfigurationError, match="moves are not bound here"):
        app.job_classes[service.JOB](1)


# The sweeper


@pytest.fixture
def moved(stand: MoveStand) -> MoveStand:
    """A shop whose move to B is done."""
    stand.trade(3, 2)
    move = stand.plan(grace_seconds=0)
    assert stand.turn(move).state is S.DONE
    return stand


def sweeper(stand: MoveStand, pod_id: int) -> Sweeper:
    return Sweeper(stand.moves, pod_id, stand.topology.shard_fence, stand.topology.queues)


def set_gate(stand: MoveStand, pod_id: int, gate: str) -> None:
    stand.topology.connections.store(pod_id).command("HSET", keys.GATE, SHOP, gate)


def test_where_all_is_well_nothing_is_swept(moved: MoveStand) -> None:
    last = moved.moves.get(1).mover_epoch
    assert [sweeper(moved, pod_id).turn() for pod_id in (A, B)] == [0, 0]
    assert moved.moves.draw_for(SHOP) == last + 1


def test_a_stray_gate_is_opened(moved: MoveStand) -> None:
    set_gate(moved, B, "hold 2 2 1")
    assert sweeper(moved, A).turn() == 0, "the pod of the shop sweeps"
    assert sweeper(moved, B).turn() == 1
    moved.check(Route(B, 2), kept=False)
    assert sweeper(moved, B).turn() == 0


def test_a_stray_fence_is_opened(moved: MoveStand) -> None:
    engine = moved.topology.connections.engine(B)
    with engine.begin() as connection:
        connection.execute(update(fence_table).where(fence_table.c.shop_id == SHOP).values(state="closed"))
    assert sweeper(moved, B).turn() == 1
    moved.check(Route(B, 2), kept=False)
    moved.write(50, "it trades")


def test_a_job_that_came_where_the_shop_is_not_is_pushed_on(moved: MoveStand) -> None:
    store = moved.topology.connections.store(A)
    store.command("HDEL", keys.GATE, SHOP)  # Redis has forgotten it, and took a job from a stale router
    moved.topology.cache.learn(SHOP, Route(A, 1))
    stale = moved.topology.queues(A)
    parcel = moved.client.parcel(ship.call(SHOP, 99), shop_id=SHOP, pod=None)
    group = PushGroup(parcel.queue, parcel.shop, 1, [(parcel.id, parcel.record(1))], parcel.due_ms)
    assert not stale.push([group])
    moved.pushed.add(parcel.id)
    assert moved.jobs(A) == {parcel.id}
    assert sweeper(moved, B).turn() == 1
    moved.check(Route(B, 2), kept=False)


def test_nothing_is_swept_under_a_move(moved: MoveStand, monkeypatch: pytest.MonkeyPatch) -> None:
    set_gate(moved, B, "hold 2 2 1")
    before = moved.moves.of_shop(SHOP)
    moved.plan()
    assert sweeper(moved, B).turn() == 0
    monkeypatch.setattr(moved.moves, "of_shop", lambda _shop_id: before)  # planned since it was read
    assert sweeper(moved, B).turn() == 0
    assert moved.gate(B) == "hold 2 2 1"


def test_a_redis_that_does_not_answer_keeps_nobody_else_from_being_swept(
    moved: MoveStand, caplog: pytest.LogCaptureFixture
) -> None:
    other = moved.moves.plan(Wanted(OTHER, B, "anna", grace_seconds=0))
    assert moved.turn(other).state is S.DONE
    set_gate(moved, B, "hold 2 2 1")
    calls = []

    def queues(pod_id: int) -> object:
        calls.append(pod_id)
        if len(calls) == 1:
            raise StoreUnavailable("redis", "timed out")
        return moved.topology.queues(pod_id)

    swept = Sweeper(moved.moves, B, moved.topology.shard_fence, queues)  # type: ignore[arg-type]
    assert swept.turn() == 1
    assert "nothing is swept" in caplog.text
    assert moved.gate(B).startswith("open 2")


def test_who_begins_a_plan_s_moves_pushes_them_to_their_target_and_looks_again_soon(
    stand: MoveStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = bound(stand)
    topology = stand.topology
    choice = Choice(SHOP, A, B, 1)
    MovePlans(topology.directory).make([choice], PlanOptions(canary=0.0), aim="pod 1 is left", by="anna")
    make = service.moves_service(
        app, stand.moves, A, topology.shard_fence, topology.queues, topology.roster.pods
    )
    thread = make(SimpleNamespace(life=SimpleNamespace(is_leader=True)))  # type: ignore[arg-type]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    clock = SimpleNamespace(sleep=sleep, monotonic=lambda: 100.0 + 3.0 * len(slept))
    monkeypatch.setattr(service, "time", clock)
    with pytest.raises(KeyboardInterrupt):
        thread.work()
    assert topology.connections.store(B).command("HLEN", keys.jobs("pod")) == 1, "A's leader pushed it to B"
    assert slept == [service.BUSY_SECONDS, service.BUSY_SECONDS, service.LOOK_SECONDS]


def test_the_thread_says_trouble_once_and_goes_on(
    stand: MoveStand, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = bound(stand)
    move = stand.plan()
    around = SimpleNamespace(life=SimpleNamespace(is_leader=True))
    topology = stand.topology
    make = service.moves_service(
        app, stand.moves, B, topology.shard_fence, topology.queues, topology.roster.pods
    )
    thread = make(around)  # type: ignore[arg-type]
    assert isinstance(thread, service.MovesThread)
    real = stand.moves.silent

    def away(*_given: object) -> list[Move]:
        raise DirectoryUnavailable("directory", "away")

    monkeypatch.setattr(stand.moves, "silent", away)
    thread.turn()
    thread.turn()
    assert caplog.text.count("moves are not looked after") == 1
    monkeypatch.setattr(stand.moves, "silent", real)
    thread.turn()
    queue = stand.topology.connections.store(B).command("HLEN", keys.jobs("pod"))
    assert queue == 1, "the move's job is there"
    assert stand.moves.get(move.id).state is S.PLANNED
