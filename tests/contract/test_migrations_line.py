"""The line of a pod's migrations, on SQLite and MariaDB: one at a time, whoever believes what."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from podwork import points
from podwork_migrations.errors import LineLost
from podwork_migrations.line import IDLE_SECONDS, LEASE_SECONDS, Turn
from podwork_pods.errors import ShardUnprepared
from tests.support.iteration_stand import at_once
from tests.support.migration_stand import MigrationStand
from tests.support.pause import hold
from tests.support.pods import server_connection, sibling_database
from tests.support.wait import until


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MigrationStand]:
    made = MigrationStand(str(request.getfixturevalue(f"{request.param}_url")), tmp_path)
    made.prepare()
    yield made
    made.close()


@pytest.fixture
def mariadb(mariadb_url: str, tmp_path: Path) -> Iterator[MigrationStand]:
    made = MigrationStand(mariadb_url, tmp_path)
    made.prepare()
    yield made
    made.close()


def take(stand: MigrationStand, owner: str) -> int | None:
    """Enter for a moment; return the epoch."""
    with stand.new_line().enter(owner) as turn:
        return None if turn is None else turn.epoch


# Entering


def test_one_enters_and_others_do_not(stand: MigrationStand) -> None:
    with stand.line.enter("anna") as turn:
        assert turn is not None
        assert take(stand, "bert") is None
        turn.check()
        state = stand.line.state()
        assert (state.epoch, state.owner) == (turn.epoch, "anna")
    assert stand.line.state().owner == ""
    assert take(stand, "bert") == turn.epoch + 1


def test_a_path_that_is_gone_is_noticed_while_a_long_statement_runs(mariadb: MigrationStand) -> None:
    with mariadb.line.enter("anna") as turn:
        assert turn is not None
        with turn.looking() as own:
            driver: Any = own.connection.dbapi_connection
            sock = driver._sock
            names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
            kept = [sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names]
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert kept == [60, 10, 6], "two minutes"


def test_a_host_that_vanished_keeps_the_lock_for_a_while_only(mariadb: MigrationStand) -> None:
    with mariadb.line.enter("anna") as turn:
        assert turn is not None
        assert turn.ask("SELECT @@SESSION.wait_timeout") == [(IDLE_SECONDS,)]
        turn.set_session("wait_timeout", 1)
        until(lambda: take(mariadb, "bert") is not None, 10, "the server frees the lock")
        with pytest.raises(LineLost):
            turn.check()


def test_of_those_who_enter_at_the_same_time_one_does(stand: MigrationStand) -> None:
    inside = threading.Barrier(4)

    def enter(owner: str) -> int | None:
        with stand.new_line().enter(owner) as turn:
            inside.wait(30)
            return None if turn is None else turn.epoch

    epochs = at_once(*(lambda owner=f"o{number}": enter(owner) for number in range(4)))
    assert sorted(epoch for epoch in epochs if epoch is not None) == [1], epochs


def test_epochs_only_grow(stand: MigrationStand) -> None:
    assert [take(stand, "anna") for _ in range(3)] == [1, 2, 3]


def test_who_leaves_with_an_error_has_left(stand: MigrationStand) -> None:
    def fail() -> None:
        with stand.line.enter("anna"):
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert take(stand, "bert") == 2


def test_a_shard_without_the_tables_is_said(stand: MigrationStand) -> None:
    for name in ("podwork_migration_line", "podwork_migrations"):
        stand.execute(f"DROP TABLE {name}")
    with pytest.raises(ShardUnprepared, match="podwork_migration_line"):
        take(stand, "anna")
    with pytest.raises(ShardUnprepared, match="podwork_migrations"):
        stand.ledger.marks()
    stand.line.prepare()
    stand.line.prepare()
    assert take(stand, "anna") == 1


def test_tables_are_made_by_many_at_once(stand: MigrationStand) -> None:
    for name in ("podwork_migration_line", "podwork_migrations"):
        stand.execute(f"DROP TABLE {name}")
    assert at_once(*[stand.new_line().prepare] * 4) == [None] * 4
    assert take(stand, "anna") == 1


# Steps


def test_a_step_of_the_one_inside_is_committed(stand: MigrationStand) -> None:
    with stand.line.enter("anna") as turn:
        assert turn is not None
        stand.clock.advance(5)
        with turn.step() as connection:
            connection.execute(text("UPDATE orders SET n = 7 WHERE id = 1"))
    assert stand.column("SELECT n FROM orders ORDER BY id") == [7, 0, 0]
    assert stand.line.state().heartbeat_at == stand.clock.now()


def test_a_step_that_fails_leaves_nothing(stand: MigrationStand) -> None:
    with stand.line.enter("anna") as turn:
        assert turn is not None

        def fail() -> None:
            with turn.step() as connection:
                connection.execute(text("UPDATE orders SET n = 7"))
                connection.execute(text("UPDATE nothing SET n = 7"))

        with pytest.raises(DBAPIError, match="nothing"):
            fail()
    assert stand.column("SELECT n FROM orders") == [0, 0, 0]


def test_who_has_lost_the_line_writes_nothing(stand: MigrationStand) -> None:
    with stand.line.enter("anna") as turn:
        assert turn is not None
        stand.execute("UPDATE podwork_migration_line SET epoch = epoch + 1, owner = 'bert'")
        with pytest.raises(LineLost, match="epoch 1: somebody else has it"), turn.step() as connection:
            connection.execute(text("UPDATE orders SET n = 7"))
        with pytest.raises(LineLost):
            turn.check()
        with pytest.raises(LineLost):
            turn.ddl("CREATE TABLE stray (id INTEGER)")
        with pytest.raises(LineLost):
            stand.line.tell(turn, "no")
    assert stand.column("SELECT n FROM orders") == [0, 0, 0]
    assert stand.line.state().owner == "bert", "who has lost it does not end it for others"
    with pytest.raises(Exception, match="stray"):
        stand.column("SELECT id FROM stray")


def test_who_is_overtaken_in_the_middle_of_a_step_is_waited_for(stand: MigrationStand) -> None:
    """A step holds the line's row: nobody raises the epoch before it has ended."""
    with stand.line.enter("anna") as turn:
        assert turn is not None
        with turn.step() as connection:
            connection.execute(text("UPDATE orders SET n = 7"))
            waiting = threading.Thread(target=lambda: stand.control.hold("wait", "bert"))
            waiting.start()
            waiting.join(0.3)
            assert waiting.is_alive()
        waiting.join(20)
    assert stand.line.state().is_held
    assert stand.column("SELECT n FROM orders") == [7, 7, 7]


def test_who_finds_the_line_taken_waits_for_no_step(mariadb: MigrationStand) -> None:
    """The lock is asked before the row, which a step holds for as long as it takes."""
    with mariadb.line.enter("anna") as turn:
        assert turn is not None
        with turn.step():
            assert take(mariadb, "bert") is None


def test_a_statement_is_run_as_it_stands(stand: MigrationStand) -> None:
    with stand.line.enter("anna") as turn:
        assert turn is not None
        turn.ddl("CREATE TABLE odd (name VARCHAR(20) DEFAULT '100 %s :x %')")
        turn.ddl(f"INSERT INTO odd {'DEFAULT VALUES' if stand.is_sqlite else 'VALUES (DEFAULT)'}")
        assert turn.ask("SELECT name FROM odd WHERE name LIKE :like", {"like": "100%"}) == [("100 %s :x %",)]


def test_a_table_is_made_anew_without_its_children_losing_their_rows(sqlite_url: str, tmp_path: Path) -> None:
    stand = MigrationStand(sqlite_url, tmp_path)
    stand.prepare()
    stand.execute("CREATE TABLE lines (order_id INTEGER REFERENCES orders (id) ON DELETE CASCADE)")
    stand.execute("INSERT INTO lines VALUES (1)")
    with stand.line.enter("anna") as turn:
        assert turn is not None
        with turn.step(foreign_keys=False) as connection:
            for statement in (
                "CREATE TABLE fresh (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)",
                "INSERT INTO fresh SELECT id, n FROM orders",
                "DROP TABLE orders",
                "ALTER TABLE fresh RENAME TO orders",
            ):
                connection.execute(text(statement))
        assert stand.column("SELECT order_id FROM lines") == [1]
        with turn.step() as connection:
            connection.execute(text("DELETE FROM orders WHERE id = 1"))
    assert stand.column("SELECT order_id FROM lines") == [], "it is looked after again"
    stand.close()


# A person


def test_a_person_changes_something_between_two_steps(stand: MigrationStand) -> None:
    with stand.line.enter("anna") as turn:
        assert turn is not None
        assert stand.control.hold("maintenance", "bert").is_held
        with turn.step():
            pass
        assert stand.control.release().hold_reason is None


def test_what_a_person_has_looked_at_stays_so_until_he_has_decided(stand: MigrationStand) -> None:
    """Whoever has the line's row has looked at its entries: no step changes them behind his back."""
    stepped = threading.Event()

    def step(turn: Turn) -> None:
        with turn.step():
            stepped.set()

    with stand.line.enter("anna") as turn:
        assert turn is not None
        with stand.new_line().locked():
            waiting = threading.Thread(target=step, args=(turn,))
            waiting.start()
            assert not stepped.wait(0.3)
        waiting.join(20)
    assert stepped.is_set()


# Who is paused, and who is dead


def test_on_sqlite_who_does_nothing_for_long_is_overtaken(sqlite_url: str, tmp_path: Path) -> None:
    stand = MigrationStand(sqlite_url, tmp_path)
    stand.prepare()
    with stand.line.enter("anna") as turn:
        assert turn is not None
        stand.clock.advance(LEASE_SECONDS - 1)
        assert take(stand, "bert") is None
        with turn.step():
            pass
        stand.clock.advance(LEASE_SECONDS - 1)
        assert take(stand, "bert") is None
        stand.clock.advance(1)
        assert take(stand, "bert") == 2
        with pytest.raises(LineLost), turn.step():
            pass
    stand.close()


def test_on_sqlite_a_job_s_next_life_waits_for_nobody(sqlite_url: str, tmp_path: Path) -> None:
    stand = MigrationStand(sqlite_url, tmp_path)
    stand.prepare()
    with stand.line.enter("anna") as turn:
        assert turn is not None
        assert take(stand, "anna") == 2
        with pytest.raises(LineLost), turn.step():
            pass
    stand.close()


def test_whoever_is_paused_keeps_the_line(mariadb: MigrationStand) -> None:
    with mariadb.line.enter("anna") as turn:
        assert turn is not None
        mariadb.clock.advance(86_400)
        assert take(mariadb, "bert") is None
        with turn.step():
            pass
        turn.ddl("CREATE TABLE made (id INTEGER)")
    assert mariadb.column("SELECT id FROM made") == []


def test_the_connection_of_a_turn_ends_with_it(mariadb: MigrationStand) -> None:
    """Nobody gets it from the pool: with the lock, if that could not be released, or with what was set."""
    connections = []
    for _ in range(2):
        with mariadb.line.enter("anna") as turn:
            assert turn is not None
            connections += turn.ask("SELECT CONNECTION_ID(), @@lock_wait_timeout = 7")
            turn.set_session("lock_wait_timeout", 7)
    assert connections[0] != connections[1]
    assert [is_set for _, is_set in connections] == [0, 0]


def kill_holder(stand: MigrationStand) -> None:
    """End the connection that holds the lock, as an operator does, and wait until it is free."""
    with server_connection(stand.engine.url.render_as_string(hide_password=False)) as cursor:
        name = f"podwork.migrations.{stand.engine.url.database}"
        cursor.execute("SELECT IS_USED_LOCK(%s)", (name,))
        [holder] = cursor.fetchone()
        assert holder is not None
        cursor.execute(f"KILL {holder}")

        def is_free() -> bool:
            cursor.execute("SELECT IS_FREE_LOCK(%s)", (name,))
            return bool(cursor.fetchone()[0])

        until(is_free, 20.0, "the lock is free")


def test_whose_connection_is_killed_has_lost_the_line(mariadb: MigrationStand) -> None:
    with mariadb.line.enter("anna") as turn:
        assert turn is not None
        kill_holder(mariadb)
        with pytest.raises(LineLost, match="connection was lost"):
            turn.ddl("CREATE TABLE stray (id INTEGER)")
        # SQLAlchemy would give it another connection, which does not have the lock.
        with pytest.raises(LineLost, match="connection was lost"):
            turn.ddl("CREATE TABLE stray (id INTEGER)")
        with turn.step():
            pass  # nobody has it since
        assert take(mariadb, "bert") == 2
        with pytest.raises(LineLost, match="somebody else"), turn.step():
            pass
    with pytest.raises(Exception, match="stray"):
        mariadb.column("SELECT id FROM stray")


def look_and_clear_up(
    stand: MigrationStand, turn: Turn, clear_up: Callable[[Connection], object]
) -> Callable[[], None]:
    """Return a look whose connection is killed, and which then clears up on it."""

    def look() -> None:
        with turn.looking() as connection:
            kill_holder(stand)
            try:
                connection.execute(text("SELECT 1"))
            finally:
                clear_up(connection)

    return look


def test_who_clears_up_on_a_connection_that_was_killed_has_lost_the_line_too(mariadb: MigrationStand) -> None:
    """What is done on it afterwards fails in words of its own; that is no fault of the migration."""
    with mariadb.line.enter("anna") as turn:
        assert turn is not None
        look = look_and_clear_up(mariadb, turn, lambda connection: connection.execute(text("SELECT 2")))
        with pytest.raises(LineLost, match="its connection was lost"):
            look()


def test_who_has_cleared_up_on_a_lost_connection_gets_no_other_in_its_place(mariadb: MigrationStand) -> None:
    """After a rollback SQLAlchemy would connect again: without the lock, and without what was set."""
    with mariadb.line.enter("anna") as turn:
        assert turn is not None
        look = look_and_clear_up(mariadb, turn, Connection.rollback)
        for use in (look, lambda: turn.ask("SELECT 1"), lambda: turn.set_session("wait_timeout", 9)):
            with pytest.raises(LineLost, match="its connection was lost"):
                use()


def test_who_has_lost_the_lock_before_he_is_inside_drives_nobody_out(mariadb: MigrationStand) -> None:
    """He was paused between the lock and the line's row, his connection was cut, and bert is inside now."""
    with hold("line.entering") as held, ThreadPoolExecutor(1) as pool:
        late = pool.submit(take, mariadb, "anna")
        held.wait_reached()
        kill_holder(mariadb)
        points.install(None)
        with mariadb.new_line().enter("bert") as turn:
            assert turn is not None
            held.go_on()
            assert late.result(30) is None
            turn.check()
            with turn.step():
                pass


def test_a_connection_without_the_lock_changes_nothing(mariadb: MigrationStand) -> None:
    """Somebody released it on that connection: nobody is inside, and nobody may go on."""
    with mariadb.line.enter("anna") as turn:
        assert turn is not None
        turn.ask("SELECT RELEASE_ALL_LOCKS()")
        with pytest.raises(LineLost, match="holds the lock no more"):
            turn.ddl("CREATE TABLE stray (id INTEGER)")


SLOW = "ALTER TABLE orders ENGINE=InnoDB, ALGORITHM=COPY"


@pytest.mark.slow
def test_the_lock_is_free_only_after_the_statement_has_ended(mariadb: MigrationStand) -> None:
    """Whoever comes next must not meet a change of the schema that is still being made."""
    mariadb.execute("INSERT INTO orders SELECT seq + 3, 0 FROM seq_1_to_200000")
    began, outcome = threading.Event(), []

    def change() -> None:
        with mariadb.new_line().enter("anna") as turn:
            assert turn is not None
            began.set()
            try:
                turn.ddl(SLOW)
            except Exception as error:
                outcome.append(error)

    thread = threading.Thread(target=change)
    thread.start()
    assert began.wait(20)
    with server_connection(mariadb.engine.url.render_as_string(hide_password=False)) as cursor:

        def altering() -> list[int]:
            cursor.execute(f"SELECT id FROM information_schema.processlist WHERE info = '{SLOW}'")
            return [row[0] for row in cursor.fetchall()]

        [holder] = until(altering, 20.0, "the statement runs")
        cursor.execute(f"KILL {holder}")
        while (entered := take(mariadb, "bert")) is None:
            pass
        assert altering() == []
        assert entered == 2
    thread.join(20)
    [error] = outcome
    assert isinstance(error, LineLost)
    assert mariadb.columns() == []


def test_databases_of_one_server_have_lines_of_their_own(mariadb: MigrationStand, tmp_path: Path) -> None:
    url = sibling_database(mariadb.engine.url.render_as_string(hide_password=False), "x" * 50)
    other = MigrationStand(url, tmp_path)
    other.prepare()
    with mariadb.line.enter("anna") as turn, other.line.enter("anna") as its:
        assert turn is not None
        assert its is not None
        its.check()
        assert take(other, "bert") is None
        # MySQL takes no lock whose name is longer than 64 characters; MariaDB takes it.
        short = "CONCAT('podwork.migrations.', MD5(DATABASE()))"
        assert its.ask(f"SELECT IS_USED_LOCK({short}) = CONNECTION_ID()") == [(1,)]
    other.close()
