"""A shop's session never runs a statement outside of the transaction that passed the fence (S1)."""

# ruff: noqa: PT012 - the block of `with` is what is tested

from __future__ import annotations

import gc
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.orm import Session

from podwork_ops.local.mariadb import MariadbServer
from podwork_pods import current, shop_transaction
from podwork_pods.errors import FenceBusy, ShardUnavailable, ShopMoving, TransactionBroken
from podwork_pods.topology import Topology
from tests.support.pods import embedded_topology, in_child, mariadb_topology, notes, waits_for_a_lock
from tests.support.servers import paused
from tests.support.wait import until

SHOP = 330
BUDGET = {"mover_epoch": 1, "lock_wait_seconds": 1}


def bound(made: Topology) -> Iterator[Topology]:
    made.directory.assign(SHOP, 1)
    current.bind(made.transactions)
    with made.connections.engine(1).begin() as connection:
        connection.execute(text("CREATE TABLE totals (id INTEGER PRIMARY KEY, n INTEGER)"))
        connection.execute(text("INSERT INTO totals VALUES (1, 0), (2, 0)"))
    yield made
    current.bind(None)
    made.close()


@pytest.fixture
def on_mariadb(tmp_path: Path, mariadb_url: str) -> Iterator[Topology]:
    yield from bound(mariadb_topology(tmp_path, mariadb_url, [1]))


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Topology]:
    yield from bound(embedded_topology(tmp_path, [1]))


@pytest.fixture(params=["sqlite", "mariadb"])
def topology(request: pytest.FixtureRequest) -> Topology:
    made: Topology = request.getfixturevalue(f"on_{request.param}")
    return made


def write(session: Session, note: str) -> None:
    session.execute(text("INSERT INTO notes VALUES (:shop, :note)"), {"shop": SHOP, "note": note})


def add(session: Session, row: int) -> None:
    session.execute(text(f"UPDATE totals SET n = n + 1 WHERE id = {row}"))


def lose_a_deadlock(topology: Topology, session: Session, mariadb_url: str) -> None:
    """Be chosen to end a deadlock: the other one has written more, so the server undoes us."""
    with topology.connections.engine(1).connect() as other:
        other.execute(text("INSERT INTO notes VALUES " + ", ".join(["(1, 'heavy')"] * 50)))
        other.execute(text("UPDATE totals SET n = n + 10 WHERE id = 2"))
        add(session, 1)
        crossing = threading.Thread(
            target=lambda: other.execute(text("UPDATE totals SET n = n + 10 WHERE id = 1"))
        )
        crossing.start()
        until(lambda: waits_for_a_lock(mariadb_url), message="the other waits for us")
        try:
            add(session, 2)
        finally:
            crossing.join()
            other.rollback()


def test_after_a_deadlock_nothing_is_written_outside_of_the_fence(
    on_mariadb: Topology, mariadb_url: str
) -> None:
    """The block catches the error and goes on, as a loop of retries does; the shop moves meanwhile."""
    with pytest.raises(InvalidRequestError, match="rolled back"), shop_transaction(SHOP) as session:
        write(session, "undone by the deadlock")
        with pytest.raises(DBAPIError, match="1213"):
            lose_a_deadlock(on_mariadb, session, mariadb_url)
        on_mariadb.shard_fence(1).close(SHOP, 1, **BUDGET)  # nothing of ours holds it any more
        write(session, "outside")
    assert notes(on_mariadb, 1, SHOP) == []


def test_a_deadlock_that_was_swallowed_does_not_pass_for_a_commit(
    on_mariadb: Topology, mariadb_url: str
) -> None:
    with pytest.raises(InvalidRequestError), shop_transaction(SHOP) as session:
        write(session, "undone by the deadlock")
        with suppress(DBAPIError):
            lose_a_deadlock(on_mariadb, session, mariadb_url)
    assert notes(on_mariadb, 1, SHOP) == []


def test_after_a_deadlock_and_a_rollback_the_fence_is_asked_again(
    on_mariadb: Topology, mariadb_url: str
) -> None:
    with shop_transaction(SHOP) as session:
        with pytest.raises(DBAPIError, match="1213"):
            lose_a_deadlock(on_mariadb, session, mariadb_url)
        session.rollback()
        write(session, "again")
    assert notes(on_mariadb, 1, SHOP) == ["again"]
    with pytest.raises(ShopMoving), shop_transaction(SHOP) as session:
        with pytest.raises(DBAPIError, match="1213"):
            lose_a_deadlock(on_mariadb, session, mariadb_url)
        session.rollback()
        on_mariadb.shard_fence(1).close(SHOP, 1, **BUDGET)
        write(session, "too late")
    assert notes(on_mariadb, 1, SHOP) == ["again"]


def test_an_error_that_leaves_the_transaction_open_may_be_caught(topology: Topology) -> None:
    with shop_transaction(SHOP) as session:
        write(session, "before")
        with pytest.raises(DBAPIError):
            session.execute(text("INSERT INTO totals VALUES (1, 1)"))
        with pytest.raises(DBAPIError), session.begin_nested():
            session.execute(text("INSERT INTO totals VALUES (1, 1)"))
        write(session, "after")
    assert notes(topology, 1, SHOP) == ["before", "after"]


def test_an_error_that_undoes_everything_on_sqlite_ends_the_block(on_sqlite: Topology) -> None:
    with pytest.raises(InvalidRequestError), shop_transaction(SHOP) as session:
        write(session, "undone")
        with pytest.raises(DBAPIError):
            session.execute(text("INSERT OR ROLLBACK INTO totals VALUES (1, 1)"))
        write(session, "outside")
    assert notes(on_sqlite, 1, SHOP) == []


def test_commit_as_text_ends_the_block(topology: Topology) -> None:
    with pytest.raises(InvalidRequestError), shop_transaction(SHOP) as session:
        write(session, "first half")
        with pytest.raises(TransactionBroken, match="a statement committed it"):
            session.execute(text("COMMIT"))
        write(session, "outside")
    assert notes(topology, 1, SHOP) == ["first half"]


def test_ddl_ends_the_block_where_it_commits(on_mariadb: Topology) -> None:
    with pytest.raises(TransactionBroken), shop_transaction(SHOP) as session:
        write(session, "first half")
        session.execute(text("CREATE TABLE more (id INTEGER)"))
    with shop_transaction(SHOP) as session:
        session.execute(text("CREATE TEMPORARY TABLE scratch (id INTEGER)"))
        session.execute(text("SET @x = 1"))
        write(session, "whole")
    assert notes(on_mariadb, 1, SHOP) == ["first half", "whole"]


def test_autocommit_is_refused(topology: Topology) -> None:
    with pytest.raises(TransactionBroken, match="autocommit"), shop_transaction(SHOP) as session:
        session.commit()
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        write(session, "by itself")
    assert notes(topology, 1, SHOP) == []


def test_autocommit_in_the_url_does_nothing(tmp_path: Path, mariadb_url: str) -> None:
    topology = mariadb_topology(tmp_path, mariadb_url, [1])
    topology.directory.assign(SHOP, 1)
    pod = topology.registry.get(1)
    changed = pod.__class__(1, f"{pod.shard_url}?autocommit=true", pod.redis_url, version=pod.version)
    topology.registry.put(changed)
    until(lambda: topology.roster.pod(1).shard_url == changed.shard_url)
    with pytest.raises(ZeroDivisionError), topology.transactions.open(SHOP) as session:
        write(session, "undone")
        raise ZeroDivisionError
    assert notes(topology, 1, SHOP) == []
    topology.close()


def test_a_session_is_over_after_its_block(topology: Topology) -> None:
    """It would hold the fence, on SQLite the whole shard, until it is collected."""
    with shop_transaction(SHOP) as session:
        write(session, "inside")
    with pytest.raises(InvalidRequestError):
        write(session, "after")
    topology.shard_fence(1).close(SHOP, 1, **BUDGET)
    assert notes(topology, 1, SHOP) == ["inside"]


def test_a_connection_that_was_dropped_does_not_keep_the_fence(on_mariadb: Topology) -> None:
    """It goes back to the pool with a shared lock, of which the driver knows nothing."""
    with shop_transaction(SHOP):
        pass
    connection = on_mariadb.connections.engine(1).connect()
    connection.begin()
    on_mariadb.shard_fence(1).check(connection, SHOP, 1)
    del connection
    gc.collect()
    with on_mariadb.connections.engine(1).connect():  # the one that was dropped; the mover gets another
        on_mariadb.shard_fence(1).close(SHOP, 1, **BUDGET)


@pytest.mark.parametrize("leave", ["normally", "by an error"])
def test_a_child_forked_inside_the_block_leaves_the_transaction_to_its_parent(
    topology: Topology, leave: str
) -> None:
    def leave_block(block: AbstractContextManager[Session]) -> bool:
        if leave == "by an error":
            return not block.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
        with pytest.raises(TransactionBroken, match="parent's"):
            block.__exit__(None, None, None)
        return True

    block = shop_transaction(SHOP)
    session = block.__enter__()
    write(session, "parent")
    assert in_child(lambda: leave_block(block)) == 0
    write(session, "parent too")
    with pytest.raises(FenceBusy):
        topology.shard_fence(1).close(SHOP, 1, **BUDGET)
    block.__exit__(None, None, None)
    assert notes(topology, 1, SHOP) == ["parent", "parent too"]


def test_a_shard_that_falls_silent_is_given_up(tmp_path: Path, own_mariadb: MariadbServer) -> None:
    """In the middle of a transaction, and while connecting: neither has an end of its own."""
    topology = mariadb_topology(
        tmp_path, own_mariadb.create_database("silent"), [1], shard={"read_timeout_seconds": 1.0}
    )
    topology.directory.assign(SHOP, 1)
    with topology.transactions.open(SHOP) as session:
        write(session, "before")
    began = time.monotonic()
    with pytest.raises(ShardUnavailable), topology.transactions.open(SHOP) as session:
        write(session, "lost")
        with paused(own_mariadb):
            for _ in range(1000):  # the signal is asynchronous: the first may still be answered
                write(session, "silence")
    with paused(own_mariadb), pytest.raises(ShardUnavailable), topology.transactions.open(SHOP):
        pass
    assert time.monotonic() - began < 20
    with topology.transactions.open(SHOP) as session:
        write(session, "back")
    assert notes(topology, 1, SHOP) == ["before", "back"]
    topology.close()


def test_sqlite_tells_whether_a_transaction_is_open() -> None:
    """What `unbroken` relies on, for the driver's next version."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    assert connection.in_transaction
    connection.execute("COMMIT")
    assert not connection.in_transaction
