"""Throttles that look at servers, on real ones: what they read, and that they fail closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from podwork.errors import ConfigurationError
from podwork.iteration.throttle import Held, Surroundings, Throttle
from podwork.testing.clock import VirtualClock
from podwork_ops.local.mariadb import MariadbServer
from podwork_ops.local.ports import LOOPBACK
from podwork_ops.local.redis import RedisServer
from podwork_pods.iteration.throttles import (
    HistoryLength,
    PodThrottles,
    QueueLatency,
    RedisMemory,
    ReplicaLag,
    ThreadsRunning,
    replicas,
)
from podwork_pods.iteration.throttles.replicas import Replication
from tests.support.engine import NOW_MS, push
from tests.support.servers import PrivateServers, kill
from tests.support.throttling import NOBODY, POD, ReplicaServer, follow, surroundings
from tests.support.wait import until

OF_THE_SHARD: list[Throttle] = [ReplicaLag(), ThreadsRunning(), HistoryLength()]


@pytest.fixture
def shard(mariadb_url: str) -> Iterator[Surroundings]:
    with surroundings(mariadb_url) as around:
        yield around


@pytest.fixture
def pod(store_url: str) -> Iterator[Surroundings]:
    with surroundings(redis_url=store_url, clock=VirtualClock(NOW_MS / 1000)) as around:
        yield around


def asked(around: Surroundings, throttle: Throttle) -> Held | None:
    """Ask as the loop does."""
    throttles = PodThrottles(POD, lambda: around.engine, lambda: around.queues, around.clock)
    return throttles.held((throttle,), around.shop_id)


# The shard


@pytest.mark.parametrize("throttle", OF_THE_SHARD, ids=lambda throttle: throttle.name)
def test_a_database_of_sqlite_is_not_held_back_by_what_it_has_not(
    throttle: Throttle, sqlite_url: str
) -> None:
    with surroundings(sqlite_url) as around:
        assert throttle.held(around) is None


@pytest.mark.parametrize("throttle", OF_THE_SHARD, ids=lambda throttle: throttle.name)
def test_a_shard_that_does_not_answer_holds_the_run_back(throttle: Throttle) -> None:
    with surroundings(NOBODY) as around:
        held = asked(around, throttle)
    assert held is not None
    assert held.reason.startswith(f"{throttle.name} cannot be read: ShardUnavailable: ")


@pytest.mark.parametrize("throttle", OF_THE_SHARD, ids=lambda throttle: throttle.name)
def test_a_server_that_does_not_say_holds_the_run_back(
    throttle: Throttle, shard: Surroundings, mariadb_url: str
) -> None:
    """A user that may see nothing of the server: what it may not read is not taken for nothing."""
    with shard.engine.connect() as connection:
        connection.exec_driver_sql("CREATE OR REPLACE USER nobody@'%%' IDENTIFIED BY 'secret'")
        connection.exec_driver_sql("GRANT SELECT ON *.* TO nobody@'%%'")
    with surroundings(mariadb_url.replace("root@", "nobody:secret@")) as around:
        held = asked(around, throttle)
    if throttle.name == "replica_lag":
        assert held is not None
        assert "cannot be read: OperationalError: (1227, " in held.reason
        assert "secret" not in held.reason
    else:
        assert held is None  # on MariaDB everybody may look at the status


def test_many_running_statements_hold_a_run_back(shard: Surroundings) -> None:
    ends = threading.Event()

    def sleep() -> None:
        with shard.engine.connect() as connection:
            while not ends.is_set():
                connection.execute(text("SELECT SLEEP(0.5)"))

    assert ThreadsRunning(most=100).held(shard) is None
    threads = [threading.Thread(target=sleep) for _ in range(5)]
    for thread in threads:
        thread.start()
    try:
        held = until(lambda: ThreadsRunning(most=4).held(shard))
    finally:
        ends.set()
        for thread in threads:
            thread.join()
    assert held is not None
    assert held.reason.startswith("threads_running ")
    assert held.reason.endswith(", limit 4")


def test_old_versions_of_rows_hold_a_run_back(shard: Surroundings) -> None:
    """A snapshot that is kept open keeps the server from purging them."""
    engine = shard.engine
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE old (id INT PRIMARY KEY, n INT) ENGINE=InnoDB")
        connection.exec_driver_sql("INSERT INTO old VALUES (1, 0)")
    with engine.connect() as snapshot:
        snapshot.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        snapshot.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        snapshot.exec_driver_sql("SELECT * FROM old")
        before = HistoryLength(most=1_000_000).held(shard)
        with engine.connect() as writer:
            for _ in range(60):
                writer.exec_driver_sql("UPDATE old SET n = n + 1")
        held = HistoryLength(most=20).held(shard)
        snapshot.exec_driver_sql("ROLLBACK")
    assert before is None
    assert held is not None
    assert held.reason.startswith("history_length ")
    assert held.reason.endswith(", limit 20")
    assert until(lambda: HistoryLength(most=20).held(shard) is None)


# Replicas


@pytest.fixture
def primary(own_mariadb: MariadbServer) -> MariadbServer:
    own_mariadb.create_database("d")
    own_mariadb.execute("CREATE TABLE d.t (id INT PRIMARY KEY)")
    return own_mariadb


@pytest.fixture
def replica(private_servers: PrivateServers, primary: MariadbServer) -> Iterator[ReplicaServer]:
    server = private_servers.start(ReplicaServer)
    follow(primary, server)
    until(lambda: server.execute("SELECT 1 FROM information_schema.tables WHERE table_name = 't'"))
    yield server
    server.stop()


@pytest.fixture
def replicated(primary: MariadbServer, replica: ReplicaServer) -> Iterator[Surroundings]:
    with surroundings(primary.database_url("d")) as around:
        until(lambda: ReplicaLag().held(around) is None, message="the replica is connected")
        yield around


def test_a_replica_that_is_behind_holds_the_run_back_until_it_has_caught_up(
    replicated: Surroundings, primary: MariadbServer, replica: ReplicaServer
) -> None:
    throttle = ReplicaLag(limit_seconds=0.5)
    with surroundings(replica.database_url("d")) as there, there.engine.connect() as locking:
        locking.exec_driver_sql("FLUSH TABLES WITH READ LOCK")  # what it is sent has to wait
        primary.execute("INSERT INTO d.t VALUES (1)")
        held = until(lambda: throttle.held(replicated))
        assert ReplicaLag(limit_seconds=1000).held(replicated) is None
        locking.exec_driver_sql("UNLOCK TABLES")
    assert held is not None
    assert held.reason.startswith("replica_lag ")
    assert held.reason.endswith(f" s at {LOOPBACK}:{replica.port}, limit 0.5 s")
    until(lambda: throttle.held(replicated) is None, message="it has caught up")


def test_a_replica_whose_replication_has_stopped_holds_the_run_back(
    replicated: Surroundings, primary: MariadbServer, replica: ReplicaServer
) -> None:
    where = f"{LOOPBACK}:{replica.port}"
    assert replicas.slowest(POD, replicated.engine) == Replication(0.0)
    replica.execute("STOP SLAVE SQL_THREAD")
    assert replicas.slowest(POD, replicated.engine) == Replication(None, "replication has stopped")
    assert ReplicaLag().held(replicated) == Held(
        f"replica_lag {where} does not follow: replication has stopped"
    )
    replica.execute("START SLAVE")
    until(lambda: ReplicaLag().held(replicated) is None)
    replica.execute("INSERT INTO d.t VALUES (7)")
    primary.execute("INSERT INTO d.t VALUES (7)")
    held = until(lambda: ReplicaLag().held(replicated))
    assert held is not None
    assert "does not follow: " in held.reason
    assert "Duplicate entry" in held.reason


def test_a_replica_that_is_gone_holds_the_run_back(
    replicated: Surroundings, primary: MariadbServer, replica: ReplicaServer
) -> None:
    url = replica.database_url("d")
    named = ReplicaLag(replicas=lambda pod_id: [url] if pod_id == POD else [])
    assert named.held(replicated) is None
    kill(replica)
    held = asked(replicated, named)
    assert held is not None
    assert held.reason.startswith("replica_lag cannot be read: ShardUnavailable: ")
    held = asked(replicated, ReplicaLag())
    assert held is not None, "seen as connected and silent, or not seen any more"


def test_fewer_replicas_than_there_should_be_hold_the_run_back(
    replicated: Surroundings, primary: MariadbServer
) -> None:
    assert ReplicaLag(at_least=2).held(replicated) == Held("replica_lag 1 replicas are connected, at least 2")


def test_a_shard_without_replicas_holds_the_run_back_unless_none_are_needed(shard: Surroundings) -> None:
    assert replicas.slowest(POD, shard.engine) is None
    assert ReplicaLag().held(shard) == Held("replica_lag 0 replicas are connected, at least 1")
    assert ReplicaLag(at_least=0).held(shard) is None


def test_a_server_that_follows_nobody_is_no_replica(shard: Surroundings, mariadb_url: str) -> None:
    held = ReplicaLag(replicas=lambda _pod_id: [mariadb_url]).held(shard)
    assert held is not None
    assert held.reason.endswith("does not follow: it is no replica")


# Redis


def test_a_full_redis_holds_a_run_back(own_redis: RedisServer) -> None:
    with surroundings(redis_url=own_redis.url) as around:
        store = around.store
        assert RedisMemory().held(around) is None, "of the machine's memory, where Redis has no limit"
        used = int(store.client.info("memory")["used_memory"])
        store.command("CONFIG", "SET", "maxmemory", 2 * used)
        assert RedisMemory(most_share=0.9).held(around) is None
        store.command("CONFIG", "SET", "maxmemory", int(1.05 * used))
        held = RedisMemory(most_share=0.9).held(around)
        store.command("CONFIG", "SET", "maxmemory", 0)
    assert held is not None
    assert held.reason.startswith("redis_memory 9")
    assert held.reason.endswith(" MiB, limit 90%")


def test_a_machine_without_room_holds_a_run_back(pod: Surroundings) -> None:
    assert RedisMemory(most_share=1.0).held(pod) is None
    held = RedisMemory(most_share=1e-9).held(pod)
    assert held is not None
    assert held.reason.startswith("redis_memory ")


@pytest.mark.parametrize(
    "throttle", [RedisMemory(), QueueLatency(("default",))], ids=lambda throttle: throttle.name
)
def test_a_redis_that_does_not_answer_holds_the_run_back(throttle: Throttle, sqlite_url: str) -> None:
    with surroundings(sqlite_url) as around:
        held = asked(around, throttle)
    assert held is not None
    assert held.reason.startswith(f"{throttle.name} cannot be read: StoreUnavailable: ")


# Queues


def pushed(around: Surroundings, queue: str, *waited_seconds: float) -> None:
    """Push a job of a shop of its own that has been due for so long, for each of these."""
    now = around.clock.now()
    for shop, seconds in enumerate(waited_seconds, 100):
        push(around.queues, (str(shop), 1), queue=queue, due_ms=int((now - seconds) * 1000))


def test_a_job_that_waits_for_too_long_holds_a_run_back(pod: Surroundings, store_url: str) -> None:
    clock = pod.clock
    assert isinstance(clock, VirtualClock)
    throttle = QueueLatency(("critical", "default"), limit_seconds=10)
    assert throttle.held(pod) is None
    push(pod.queues, ("7", 1), ("8", 1), queue="default")
    push(pod.queues, ("7", 1), queue="low")
    clock.advance(9)
    assert throttle.held(pod) is None
    clock.advance(2.5)
    assert throttle.held(pod) == Held("queue_latency default 11.5 s, limit 10 s")
    assert QueueLatency(("critical",)).held(pod) is None
    pod.queues.register("worker", {"host": "here"})
    pod.queues.claim("worker", ["default"], 1)
    assert throttle.held(pod) == Held("queue_latency default 11.5 s, limit 10 s"), "another shop's waits yet"
    pod.queues.claim("worker", ["default"], 1)
    assert throttle.held(pod) is None


# Written down


@pytest.mark.parametrize(
    "make",
    [
        lambda: ReplicaLag(limit_seconds=0),
        lambda: ReplicaLag(at_least=-1),
        lambda: ThreadsRunning(most=0),
        lambda: HistoryLength(most=-1),
        lambda: RedisMemory(most_share=80),
        lambda: RedisMemory(most_share=float("nan")),
        lambda: QueueLatency("critical"),  # type: ignore[arg-type]
        lambda: QueueLatency(()),
        lambda: QueueLatency(("critical",), limit_seconds=True),
    ],
)
def test_a_limit_that_cannot_be_meant_so_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"replica_lag|threads_|history_|redis_|queue_"):
        make()
