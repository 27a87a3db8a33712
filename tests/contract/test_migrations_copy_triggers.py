"""The triggers of an online copy by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from podwork_migrations.copy.names import Event, Names
from podwork_migrations.copy.triggers import SQL_MODE, Mirror
from tests.support.copy_stand import VERSION, CopyStand, other_client
from tests.support.scribbling import fill, table

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
