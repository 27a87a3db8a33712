"""Shop transactions over real shards: routed, fenced, atomic, also when shops move and servers go away."""

# ruff: noqa: PT012 - the block of `with` is what is tested

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from podwork.context import JobContext, running
from podwork.errors import ConfigurationError, StaleEpoch
from podwork.interfaces import Route
from podwork_ops.local.mariadb import MariadbServer
from podwork_pods import current, shop_transaction
from podwork_pods.errors import (
    PodUnavailable,
    ShardUnavailable,
    ShardUnprepared,
    ShopElsewhere,
    ShopMoving,
    UnknownShop,
)
from podwork_pods.fence import FenceState
from podwork_pods.pod import Pod, PodState
from podwork_pods.topology import Topology
from tests.support.pause import hold
from tests.support.pods import (
    NO_REDIS,
    embedded_topology,
    in_child,
    mariadb_topology,
    notes,
    server_connection,
)
from tests.support.servers import kill
from tests.support.wait import until

SHOP, NEIGHBOUR, STRANGER = 330, 331, 400
NOTE = text("INSERT INTO notes (shop_id, note) VALUES (:shop, :note)")
ENDS = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")
SLOW_REFRESH = {"directory_refresh_seconds": 3600}


@pytest.fixture(params=["sqlite", "mariadb"])
def topology(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Topology]:
    if request.param == "sqlite":
        made = embedded_topology(tmp_path, topology=SLOW_REFRESH)
    else:
        made = mariadb_topology(tmp_path, request.getfixturevalue("mariadb_url"), topology=SLOW_REFRESH)
    made.directory.assign_many({SHOP: 1, NEIGHBOUR: 1, STRANGER: 2})
    current.bind(made.transactions)
    yield made
    current.bind(None)
    made.close()


def write(session: Session, note: str, shop_id: int = SHOP) -> None:
    session.execute(NOTE, {"shop": shop_id, "note": note})


def move(topology: Topology, shop_id: int, from_pod: int, to_pod: int, epoch: int) -> None:
    """What the mover will do, without the copying: close, switch, leave a row on both sides."""
    topology.shard_fence(from_pod).close(shop_id, epoch, mover_epoch=1, lock_wait_seconds=2)
    topology.directory.compare_and_set(shop_id, Route(from_pod, epoch), to_pod)
    with topology.connections.engine(from_pod).begin() as connection:
        connection.execute(
            text("UPDATE podwork_fence SET state = 'moved' WHERE shop_id = :shop"), {"shop": shop_id}
        )


def job(shop_id: int | None = SHOP, pod_id: int = 1, epoch: int = 1) -> JobContext:
    return JobContext("id", "test.job", "default", shop_id, pod_id, epoch)


def test_a_block_is_committed_on_the_shops_shard(topology: Topology) -> None:
    with shop_transaction(SHOP) as session:
        write(session, "one")
        write(session, "two")
    assert notes(topology, 1, SHOP) == ["one", "two"]
    assert notes(topology, 2, SHOP) == []


def test_a_block_that_raises_leaves_nothing(topology: Topology) -> None:
    with pytest.raises(ZeroDivisionError), shop_transaction(SHOP) as session:
        write(session, "one")
        raise ZeroDivisionError
    assert notes(topology, 1, SHOP) == []


def test_the_first_transaction_introduces_the_shop_to_the_fence(topology: Topology) -> None:
    assert topology.shard_fence(1).read(SHOP) is None
    with shop_transaction(SHOP):
        pass
    row = topology.shard_fence(1).read(SHOP)
    assert row is not None
    assert (row.epoch, row.state) == (1, FenceState.OPEN)


def test_the_fence_costs_a_transaction_one_read_by_primary_key(
    topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shop_transaction(SHOP):  # introduces the shop
        pass
    engine, sent = topology.connections.engine(1), list[str]()
    said_by_driver(engine, sent, monkeypatch)
    with shop_transaction(SHOP) as session:
        write(session, "one")
        write(session, "two")
    sent = [words for words in sent if words.partition(" ")[0] not in ENDS]
    assert [words.split()[0] for words in sent] == ["SELECT", "INSERT", "INSERT"], sent
    with engine.connect() as connection:
        explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
        [plan] = connection.exec_driver_sql(f"{explain} {sent[0]}").all()
    by_key = "USING INTEGER PRIMARY KEY" in plan[3] if engine.dialect.name == "sqlite" else plan[3] == "const"
    assert by_key, plan


def said_by_driver(engine: Engine, sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Note what the driver says to the server: the fence does not go through SQLAlchemy's events."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "checkout", lambda driver, *_: driver.set_trace_callback(sent.append))
        return
    query = pymysql.connections.Connection.query

    def noting(connection: Any, sql: Any, unbuffered: bool = False) -> Any:
        sent.append(sql.decode() if isinstance(sql, bytes) else str(sql))
        return query(connection, sql, unbuffered)

    monkeypatch.setattr(pymysql.connections.Connection, "query", noting)


def test_a_stale_memory_costs_one_more_try(topology: Topology) -> None:
    with shop_transaction(SHOP) as session:
        write(session, "before")
    move(topology, SHOP, 1, 2, epoch=1)
    with shop_transaction(SHOP) as session:
        write(session, "after")
    assert (notes(topology, 1, SHOP), notes(topology, 2, SHOP)) == (["before"], ["after"])
    assert topology.router.route(SHOP) == Route(2, 2)


def test_a_stale_memory_of_a_shop_that_never_had_a_fence(topology: Topology) -> None:
    topology.router.learn(SHOP, Route(2, 5))
    with shop_transaction(SHOP) as session:
        write(session, "home")
    assert notes(topology, 1, SHOP) == ["home"]
    assert topology.shard_fence(2).read(SHOP) is None


def test_a_job_that_was_overtaken_by_a_move_writes_nothing(topology: Topology) -> None:
    with running(job()), shop_transaction(SHOP) as session:
        write(session, "before")
    move(topology, SHOP, 1, 2, epoch=1)
    with running(job()), pytest.raises(StaleEpoch), shop_transaction(SHOP) as session:
        write(session, "late")
    assert (notes(topology, 1, SHOP), notes(topology, 2, SHOP)) == (["before"], [])


def test_a_job_under_an_old_epoch_writes_nothing_on_the_shops_pod_either(topology: Topology) -> None:
    """The shop went away and came back: same pod, later epoch."""
    with shop_transaction(SHOP):
        pass
    move(topology, SHOP, 1, 2, epoch=1)
    topology.directory.compare_and_set(SHOP, Route(2, 2), 1)
    with topology.connections.engine(1).begin() as connection:
        connection.execute(text("UPDATE podwork_fence SET state = 'open', epoch = 3"))
    with running(job(epoch=1)), pytest.raises(StaleEpoch), shop_transaction(SHOP) as session:
        write(session, "late")
    assert notes(topology, 1, SHOP) == []
    with running(job(epoch=3)), shop_transaction(SHOP) as session:
        write(session, "now")
    assert notes(topology, 1, SHOP) == ["now"]


def test_while_a_shop_is_being_switched_it_is_on_hold(topology: Topology) -> None:
    topology.shard_fence(1).close(SHOP, 1, mover_epoch=1, lock_wait_seconds=2)
    with pytest.raises(ShopMoving), shop_transaction(SHOP) as session:
        write(session, "late")
    with running(job()), pytest.raises(ShopMoving), shop_transaction(SHOP) as session:
        write(session, "late")
    with shop_transaction(NEIGHBOUR) as session:
        write(session, "neighbour", NEIGHBOUR)
    topology.shard_fence(1).open(SHOP, 1, mover_epoch=1, lock_wait_seconds=2)
    with running(job()), shop_transaction(SHOP) as session:
        write(session, "again")
    assert notes(topology, 1, SHOP) == ["again"]


def test_a_transaction_in_flight_ends_before_the_shop_is_closed(topology: Topology) -> None:
    """The mover comes between the fence's check and the commit: it waits, and then the note is there."""
    order: list[str] = []

    def close() -> None:
        topology.shard_fence(1).close(SHOP, 1, mover_epoch=1, lock_wait_seconds=20)
        order.append("closed")

    closing = threading.Thread(target=close)
    with shop_transaction(SHOP):
        pass
    with shop_transaction(SHOP) as session:
        write(session, "in flight")
        with hold("fence.changing") as held:
            closing.start()
            held.wait_reached()
        order.append("committing")
    closing.join()
    assert order == ["committing", "closed"]
    assert notes(topology, 1, SHOP) == ["in flight"]


def test_a_commit_in_the_middle_does_not_leave_the_fence(topology: Topology) -> None:
    with pytest.raises(ShopMoving), shop_transaction(SHOP) as session:
        write(session, "first half")
        session.commit()
        topology.shard_fence(1).close(SHOP, 1, mover_epoch=1, lock_wait_seconds=2)
        write(session, "second half")
    assert notes(topology, 1, SHOP) == ["first half"]


def test_savepoints_work_inside(topology: Topology) -> None:
    with shop_transaction(SHOP) as session:
        write(session, "kept")
        with pytest.raises(ZeroDivisionError), session.begin_nested():
            write(session, "undone")
            raise ZeroDivisionError
    assert notes(topology, 1, SHOP) == ["kept"]


def test_inside_a_job_other_shops_of_the_same_pod_may_be_opened(topology: Topology) -> None:
    with running(job()), shop_transaction(NEIGHBOUR) as session:
        write(session, "from a neighbour", NEIGHBOUR)
    with running(job(shop_id=None, epoch=0)), shop_transaction(SHOP) as session:
        write(session, "from the pod's own job")
    assert notes(topology, 1, NEIGHBOUR) == ["from a neighbour"]
    assert notes(topology, 1, SHOP) == ["from the pod's own job"]


def test_inside_a_job_a_shop_of_another_pod_is_refused(topology: Topology) -> None:
    with (
        running(job()),
        pytest.raises(ShopElsewhere, match="enqueue a job with shop_id=400"),
        shop_transaction(STRANGER) as session,
    ):
        write(session, "no", STRANGER)
    assert notes(topology, 2, STRANGER) == []


def test_inside_a_job_a_neighbour_that_left_is_refused_by_the_truth(topology: Topology) -> None:
    with shop_transaction(NEIGHBOUR):
        pass
    move(topology, NEIGHBOUR, 1, 2, epoch=1)
    with running(job()), pytest.raises(ShopElsewhere), shop_transaction(NEIGHBOUR):
        pass


def test_errors_name_what_is_missing(topology: Topology) -> None:
    with pytest.raises(UnknownShop), shop_transaction(999):
        pass
    home = make_url(topology.registry.get(1).shard_url)
    nowhere = home.set(database=f"{home.database}_nowhere").render_as_string(hide_password=False)
    topology.registry.put(Pod(3, nowhere, NO_REDIS))
    topology.directory.assign(500, 3)
    with pytest.raises(ShardUnavailable, match="shard of pod 3"), shop_transaction(500):
        pass
    topology.registry.set_state(2, PodState.DOWN)
    until(lambda: topology.roster.pod(2).state is PodState.DOWN)
    with pytest.raises(PodUnavailable, match="pod 2 is down"), shop_transaction(STRANGER):
        pass


def test_an_unprepared_shard_is_named(topology: Topology) -> None:
    with topology.connections.engine(1).begin() as connection:
        connection.execute(text("DROP TABLE podwork_fence"))
    with pytest.raises(ShardUnprepared, match="pod 1"), shop_transaction(SHOP):
        pass


def test_after_a_fork_parent_and_child_each_use_their_own_connections(topology: Topology) -> None:
    with shop_transaction(SHOP) as session:
        write(session, "parent before")
    with shop_transaction(NEIGHBOUR):
        pass

    def write_and_close() -> bool:
        with shop_transaction(SHOP) as session:
            write(session, "child")
        topology.close()
        return True

    assert in_child(write_and_close) == 0
    with shop_transaction(SHOP) as session:
        write(session, "parent after")
    assert notes(topology, 1, SHOP) == ["parent before", "child", "parent after"]


def test_a_transaction_open_at_the_fork_stays_the_parents(topology: Topology) -> None:
    with shop_transaction(SHOP) as session:
        write(session, "parent")
        assert in_child(lambda: topology.close() is None) == 0  # type: ignore[func-returns-value]
        write(session, "parent too")
    assert notes(topology, 1, SHOP) == ["parent", "parent too"]


def test_without_a_binding_it_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="not connected to a topology"):
        shop_transaction(SHOP)


def test_threads_of_one_process_count_without_losing_any(topology: Topology) -> None:
    with topology.connections.engine(1).begin() as connection:
        connection.execute(text("CREATE TABLE counts (shop_id INTEGER PRIMARY KEY, n INTEGER)"))
        connection.execute(text("INSERT INTO counts VALUES (330, 0)"))
    failures: list[BaseException] = []

    def count() -> None:
        try:
            for _ in range(25):
                with shop_transaction(SHOP) as session:
                    session.execute(text("UPDATE counts SET n = n + 1 WHERE shop_id = 330"))
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with topology.connections.engine(1).begin() as connection:
        assert connection.execute(text("SELECT n FROM counts")).scalar_one() == 100


def test_a_connection_that_the_server_dropped_meanwhile_is_replaced(tmp_path: Path, mariadb_url: str) -> None:
    topology = mariadb_topology(tmp_path, mariadb_url, [1])
    topology.directory.assign(SHOP, 1)
    with topology.transactions.open(SHOP) as session:
        number = session.execute(text("SELECT CONNECTION_ID()")).scalar_one()
    with server_connection(mariadb_url) as cursor:
        cursor.execute(f"KILL {number}")
    with topology.transactions.open(SHOP) as session:
        write(session, "over a new one")
    assert notes(topology, 1, SHOP) == ["over a new one"]
    topology.close()


def test_a_killed_connection_in_mid_transaction_is_typed_and_writes_nothing(
    tmp_path: Path, mariadb_url: str
) -> None:
    """How the mover ends a transaction that does not end: it is rolled back and cannot be committed."""
    topology = mariadb_topology(tmp_path, mariadb_url, [1])
    topology.directory.assign(SHOP, 1)
    with pytest.raises(ShardUnavailable, match="shard of pod 1"), topology.transactions.open(SHOP) as session:
        write(session, "killed")
        number = session.execute(text("SELECT CONNECTION_ID()")).scalar_one()
        with server_connection(mariadb_url) as cursor:
            cursor.execute(f"KILL {number}")
    topology.shard_fence(1).close(SHOP, 1, mover_epoch=1, lock_wait_seconds=5)
    assert notes(topology, 1, SHOP) == []
    topology.close()


def test_a_shard_that_is_gone_is_typed_without_its_password(
    tmp_path: Path, own_mariadb: MariadbServer
) -> None:
    topology = mariadb_topology(tmp_path, own_mariadb.create_database("gone"), [1])
    topology.directory.assign(SHOP, 1)
    pod = topology.registry.get(1)
    secret = pod.shard_url.replace("://root@", "://root:hunter%402@")
    topology.registry.put(Pod(1, secret, NO_REDIS, version=pod.version))
    until(lambda: topology.roster.pod(1).shard_url == secret)
    with pytest.raises(ShardUnavailable) as refused, topology.transactions.open(SHOP):
        pass
    kill(own_mariadb)
    with pytest.raises(ShardUnavailable) as gone, topology.transactions.open(SHOP):
        pass
    for error in (refused.value, gone.value):
        assert "hunter" not in f"{error!r} {error} {error.__cause__!r} {error.__context__!r}"
    topology.close()
