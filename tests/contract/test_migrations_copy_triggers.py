"""The triggers of an online copy by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pymysql
import pytest

from podwork_migrations.copy.names import Event, Names
from podwork_migrations.copy.triggers import SQL_MODE, Mirror
from tests.support.copy_stand import VERSION, CopyStand, other_client
from tests.support.scribbling import COLUMNS, fill, table
from tests.support.wait import until

NAMES = Names(VERSION)
ADD = "ALTER TABLE items ADD COLUMN z INT NOT NULL DEFAULT 7"
NUMBERED = "CREATE TABLE items (id INT NOT NULL PRIMARY KEY, {rest}) ENGINE=InnoDB"


@pytest.fixture
def stand(mariadb_url: str) -> Iterator[CopyStand]:
    made = CopyStand(mariadb_url, batch_size=20)
    yield made
    made.close()


@pytest.fixture
def items(stand: CopyStand) -> CopyStand:
    stand.execute(table(counts_up=True), fill(50))
    return stand


@pytest.fixture
def other(mariadb_url: str) -> Iterator[Any]:
    with other_client(mariadb_url) as cursor:
        yield cursor


LATCHED = {
    1048: ("c INT NULL", "c INT NOT NULL", "NULL"),
    1062: ("c INT NULL", "c INT NULL, UNIQUE (c)", "1"),
    1264: ("c INT", "c TINYINT", "70000"),
    1366: ("c VARCHAR(9)", "c INT", "'word'"),
    1406: ("c VARCHAR(9)", "c VARCHAR(2)", "'longer'"),
    1054: ("c INT", "d INT", "5"),
}


STATEMENTS = {3: "INSERT INTO items VALUES (3, {})", 2: "UPDATE items SET c = {} WHERE id = 2"}


def test_what_a_target_cannot_take_is_written_down(stand: CopyStand) -> None:
    mirror = Mirror("items", "items", "target", "faults", ("id",), (("id", "id"), ("c", "c")))
    stand.execute(
        "CREATE TABLE faults (n INT AUTO_INCREMENT PRIMARY KEY, code INT, message TEXT, at_key BLOB, "
        "target VARCHAR(64))"
    )
    for code, (source, target, value) in LATCHED.items():
        stand.execute(
            "DROP TABLE IF EXISTS items", "DROP TABLE IF EXISTS target",
            NUMBERED.format(rest=source), NUMBERED.format(rest=target).replace("items", "target"),
            "INSERT INTO items VALUES (1, 1), (2, 2)", "INSERT INTO target VALUES (1, 1), (2, 2)",
        )  # fmt: skip
        with stand.stand.single.connect() as connection:
            connection.exec_driver_sql(f"SET SESSION sql_mode = '{SQL_MODE}'")
            for event in Event:
                connection.exec_driver_sql(mirror.create(event, f"on_{event.lower()}"))
            connection.exec_driver_sql("SET SESSION sql_mode = DEFAULT")
        for number, statement in STATEMENTS.items():
            stand.execute("DELETE FROM faults", statement.format(value))
            found = stand.rows("SELECT code, at_key, target FROM faults")
            assert found == [(code, str(number).encode(), "target")]
            assert stand.rows(f"SELECT CONCAT(c) <=> {value} FROM items WHERE id = {number}") == [(1,)]


def test_a_lock_that_a_trigger_does_not_get_is_the_statements_error(stand: CopyStand, other: Any) -> None:
    """What was undone must not count as done."""
    stand.execute(table(counts_up=True), fill(5))
    stand.begin(ADD)
    stand.until("comparing")
    other.execute(f"SELECT * FROM {NAMES.copy} WHERE id = 2 FOR UPDATE")
    with pytest.raises(Exception, match="1205"):
        stand.execute("SET STATEMENT innodb_lock_wait_timeout = 1 FOR UPDATE items SET v = 'x' WHERE id = 2")
    other.connection.rollback()
    assert stand.rows(f"SELECT COUNT(*) FROM {NAMES.faults}") == [(0,)]
    stand.finish()
    assert stand.rows("SELECT v FROM items WHERE id = 2") == [("v2",)]


MOVES = ["UPDATE items SET id = 1000 WHERE id = 10", "UPDATE items SET id = 10 WHERE id = 1000"]
_INSERT = "INSERT INTO items (id, u, v) VALUES ({id}, {u}, 'new')"
_WAITING = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'"


@pytest.mark.parametrize("is_copied", [False, True])
def test_writers_may_meet_in_a_copy_that_has_few_rows_yet(
    stand: CopyStand, mariadb_url: str, other: Any, is_copied: bool
) -> None:
    """A limit: in the table the value that comes next is 11, in the copy it is what somebody else wrote.

    The server ends one of them with a deadlock, and the copy holds what was committed.
    """
    stand.execute(table(counts_up=False), fill(50))
    if is_copied:
        stand.begin(ADD)
        stand.until("copying")
    with other_client(mariadb_url) as mover, ThreadPoolExecutor(1) as pool:
        other.execute(_INSERT.format(id=2000, u=2000))
        moved = pool.submit(_ends_of, mover, MOVES)
        until(lambda: moved.done() or stand.rows(_WAITING)[0][1] == "1", message="it has moved, or waits")
        assert moved.done() is not is_copied
        ends = [_ends_of(other, [_INSERT.format(id=1500, u=1500)]), moved.result()]
    assert sorted(ends) == ([0, 1213] if is_copied else [0, 0])
    if is_copied:
        stand.finish()
        rows = {key: u for key, u, *_ in stand.contents("items", COLUMNS)}
        assert (rows[10], 1000 in rows) == (10, False)
        assert [key for key in rows if key > 50] == ([1500, 2000] if ends[0] == 0 else [])


def _ends_of(cursor: Any, statements: Sequence[str]) -> int:
    """Return the error with which a transaction ended; 0: it was committed."""
    try:
        for statement in statements:
            cursor.execute(statement)
        cursor.connection.commit()
    except pymysql.Error as error:
        cursor.connection.rollback()
        return int(error.args[0])
    return 0
