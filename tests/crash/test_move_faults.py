"""What may befall a move besides its mover's death: it ends by itself, as the crash table says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from podwork.errors import PodworkError
from podwork_ops.local.mariadb import MariadbServer
from podwork_ops.local.redis import RedisServer
from podwork_pods.mover.move import Move
from podwork_pods.mover.states import MoveState
from tests.support.move_fleet import SHOP, A, B, MoveFleet, move_fleet
from tests.support.pause import Point
from tests.support.processes import Processes
from tests.support.servers import PrivateServers, fresh_redis, kill
from tests.support.wait import until

CONNECTIONS = (
    "SELECT ID FROM information_schema.PROCESSLIST WHERE DB LIKE '%\\_pod_' OR DB LIKE '%\\_directory'"
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def fleet(
    tmp_path: Path, processes: Processes, private_servers: PrivateServers, mariadb_url: str
) -> Iterator[MoveFleet]:
    servers = {A: private_servers.redis(), B: private_servers.valkey()}
    redis = {pod: fresh_redis(private_servers, server) for pod, server in servers.items()}
    with move_fleet(tmp_path, processes, mariadb_url, redis) as made:
        made.start_workers()
        yield made


@pytest.fixture
def server(private_servers: PrivateServers) -> MariadbServer:
    return private_servers.mariadb()


@pytest.mark.parametrize(
    "point",
    [
        "rows.committing",
        "move.bring.after",
        "move.close_here.after",
        "move.switch.before",
        "move.let_relay.before",
    ],
)
def test_every_connection_of_the_shards_is_cut(fleet: MoveFleet, server: MariadbServer, point: str) -> None:
    with fleet.trading():
        move = fleet.plan(grace_seconds=0.0)
        stop = fleet.nursery.start(move.id, Point(point)).wait_at_point()
        assert stop is not None
        for (number,) in server.execute(CONNECTIONS):
            cut(server, int(str(number)))
        stop.go_on()
        found = fleet.finish(move)
    assert found.state is MoveState.DONE, fleet.told(move)
    for pod in (A, B):
        with suppress(PodworkError):  # of this process, too
            fleet.platform.topology.shard_fence(pod).read(SHOP)
    fleet.check(move, once=False)


def cut(server: MariadbServer, number: int) -> None:
    """End a connection, unless it has ended by itself."""
    with suppress(OSError):
        server.execute(f"KILL {number}")


def test_a_transaction_of_the_shop_that_does_not_end_makes_the_move_give_up(fleet: MoveFleet) -> None:
    move = fleet.plan(grace_seconds=0.0)
    go, begun = threading.Event(), threading.Event()

    def hold() -> None:
        with fleet.platform.topology.transactions.open(SHOP):
            begun.set()
            go.wait(300)

    holder = threading.Thread(target=hold)
    holder.start()
    assert begun.wait(30)
    try:
        with fleet.trading():
            found = fleet.finish(move, timeout_seconds=120)
    finally:
        go.set()
        holder.join(30)
    assert found.state is MoveState.ABORTED, fleet.told(move)
    assert "cut-over 3 of 3" in found.reason
    with fleet.trading():
        again = fleet.plan(grace_seconds=0.0)
        assert fleet.finish(again).state is MoveState.DONE, fleet.told(again)
    fleet.check(again)


@pytest.mark.parametrize("point", ["move.copy.before", "move.verify.after", "move.pause_here.after"])
def test_a_table_is_changed_in_the_middle(fleet: MoveFleet, point: str) -> None:
    with fleet.trading():
        move = fleet.plan(grace_seconds=0.0)
        stop = fleet.nursery.start(move.id, Point(point)).wait_at_point()
        assert stop is not None
        fleet.run(A, "ALTER TABLE order_lines MODIFY title VARCHAR(90)")
        stop.go_on()
        found = fleet.finish(move)
    assert found.state is MoveState.ABORTED, fleet.told(move)
    fleet.check(move)


def test_the_log_is_purged_before_a_successor_has_read_it(fleet: MoveFleet, server: MariadbServer) -> None:
    with fleet.trading():
        move = fleet.plan(grace_seconds=0.0)
        stop = fleet.nursery.start(move.id, Point("move.catchup.after")).wait_at_point()
        assert stop is not None
        stop.kill()
        server.execute("FLUSH BINARY LOGS")

        def purged() -> bool:
            latest = [str(row[0]) for row in server.execute("SHOW BINARY LOGS")]
            server.execute(f"PURGE BINARY LOGS TO '{latest[-1]}'")
            return len(server.execute("SHOW BINARY LOGS")) == 1

        until(purged, 60, "nobody reads the log")
        found = fleet.finish(move, timeout_seconds=120)
    assert found.state is MoveState.DONE, fleet.told(move)
    fleet.check(move)


POINTS_OF_REDIS = [
    "move.bring.after",
    "move.hold_here.after",
    "move.check_gates.before",
    "move.switch.after",
    "move.leave_jobs.after",
    "move.open.after",
]


@pytest.fixture
def own_servers(own_redis: RedisServer, own_valkey: RedisServer) -> dict[int, RedisServer]:
    return {A: own_redis, B: own_valkey}


@pytest.fixture
def forgetful(
    tmp_path: Path, processes: Processes, mariadb_url: str, own_servers: dict[int, RedisServer]
) -> Iterator[MoveFleet]:
    """A fleet whose Redis are nobody else's."""
    redis = {pod: server.url for pod, server in own_servers.items()}
    with move_fleet(tmp_path, processes, mariadb_url, redis) as made:
        made.start_workers()
        yield made


@pytest.fixture(params=[A, B])
def kill_one(
    request: pytest.FixtureRequest, private_servers: PrivateServers, own_servers: dict[int, RedisServer]
) -> Callable[[], None]:
    """Kill the Redis of one pod, and start it again with what it had saved."""

    def kill_it() -> None:
        kill(own_servers[request.param])
        private_servers.restart(own_servers[request.param])

    return kill_it


@pytest.mark.parametrize("point", POINTS_OF_REDIS)
def test_a_redis_forgets_everything(forgetful: MoveFleet, kill_one: Callable[[], None], point: str) -> None:
    with forgetful.trading():
        move = forgetful.plan(grace_seconds=0.0)
        forget_at(forgetful, move, point, kill_one)
    forgetful.check(move, once=False, strict=False)


@pytest.mark.parametrize("point", POINTS_OF_REDIS)
def test_a_redis_forgets_its_latest_writes(
    forgetful: MoveFleet, kill_one: Callable[[], None], point: str
) -> None:
    """It comes back as it was before the cut-over began, with jobs that have been brought, or run, since."""
    with forgetful.trading():
        move = forgetful.plan(grace_seconds=0.0, held=True)
        forgetful.finish(move, MoveState.READY)
        for pod in (A, B):
            forgetful.platform.store(pod).command("SAVE")
        forgetful.orders.release(move.id, "anna", "go on")
        forget_at(forgetful, move, point, kill_one)
    forgetful.check(move, once=False, strict=False)


def forget_at(fleet: MoveFleet, move: Move, point: str, forget: Callable[[], None]) -> None:
    """Let a Redis forget at a point, and see the move end: done, if it was switched by then."""
    stop = fleet.nursery.start(move.id, Point(point)).wait_at_point()
    assert stop is not None
    forget()
    for pod in (A, B):
        with suppress(PodworkError):  # this process has a connection of before
            fleet.platform.store(pod).ping()
    stop.go_on()
    found = fleet.finish(move, timeout_seconds=120)
    assert found.state.is_over
    is_before = POINTS_OF_REDIS.index(point) < POINTS_OF_REDIS.index("move.switch.after")
    assert is_before or found.state is MoveState.DONE, fleet.told(move)
