"""What the tailer makes of a server's log: the keys that changed and a position, or an error."""

# ruff: noqa: E501 - statements are quoted as they are

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from podwork import points
from podwork_pods.mover.rows.errors import (
    LogBehind,
    LogLost,
    LogUnfit,
    SourceReplaced,
    StreamEnded,
    TableAltered,
)
from podwork_pods.mover.rows.session import RowSession
from podwork_pods.mover.rows.statements import Statements
from podwork_pods.mover.rows.stream.position import Position, position_now
from podwork_pods.mover.rows.stream.watch import Watch
from podwork_pods.mover.tables.declaration import ShopTables, shop
from tests.support.rows_stand import SHOP, SOURCE, RowsStand, noop, plain
from tests.support.wait import until

KEYED = """CREATE TABLE keyed (
    shop_id INT NOT NULL, a BIGINT UNSIGNED, b MEDIUMINT, c CHAR(6) CHARACTER SET latin1 COLLATE latin1_german1_ci,
    d VARCHAR(300) CHARACTER SET utf8mb4, e BINARY(4), f DECIMAL(20,6), g DATE, h DATETIME(3), i YEAR,
    filler TEXT, j ENUM('x') NULL, k DECIMAL(5,2) NULL,
    PRIMARY KEY (shop_id, a, b, c, d (20), e, f, g, h, i), UNIQUE KEY walked (a, b, c, e, f, g, h, i, shop_id))"""
KEYS = (
    "18446744073709551615, -8388608, 'é\\\\''', 'ß😀', 0x41000000, -12345678901234.000001, '2024-02-29', '9999-12-31 23:59:59.999', 2155",
    "0, 8388607, '', '', 0x00000000, 0.5, '1000-01-01', '1000-01-01 00:00:00', 0",
    "5, -1, 'Ab  ', REPEAT('ü', 70), 0x00FF27FF, -0.000001, '0000-00-00', '2024-00-00 00:00:00.1', 1999",
)


@pytest.fixture
def stand(mariadb_url: str) -> Iterator[RowsStand]:
    made = RowsStand(mariadb_url)
    yield made
    made.close()


def now(stand: RowsStand) -> Position:
    session = RowSession(stand.engines[SOURCE])
    try:
        return position_now(session)
    finally:
        session.close()


def watch(stand: RowsStand, position: Position | None = None) -> Watch:
    return stand.tailer.watch(SHOP, stand.tables, position or now(stand))


def caught_up(stand: RowsStand, watching: Watch) -> Watch:
    watching.wait_for(now(stand), 30)
    return watching


def order(number: int, shop_id: int = SHOP) -> str:
    return f"INSERT INTO orders VALUES ({shop_id}, {number}, {number}, 1, '')"


def test_keys_of_every_type_are_compared_as_the_row_is(mariadb_url: str) -> None:
    stand = RowsStand(mariadb_url, (KEYED,), ShopTables(shop("keyed")))
    [table] = stand.tables
    watching = watch(stand)
    for number, values in enumerate(KEYS):
        stand.run(f"INSERT INTO keyed VALUES ({SHOP}, {values}, REPEAT('x', {300 * number}), 'x', 1.5)")
    found = list(caught_up(stand, watching).take().keys["keyed"])
    assert len(found) == len(KEYS)
    for key in found:
        with plain(stand.urls[SOURCE]) as cursor:
            cursor.execute(
                f"SELECT COUNT(*) FROM keyed AS t0 WHERE {Statements(table, stand.passage()).keyed([key])}"
            )
            assert cursor.fetchone() == (1,), key
    stand.run("UPDATE keyed SET filler = 'changed' WHERE a = 5")
    stand.run("UPDATE keyed SET a = 6 WHERE a = 5")
    stand.run("DELETE FROM keyed WHERE a = 0")
    assert len(caught_up(stand, watching).take().keys["keyed"]) == 3  # 5 once, 6, 0
    stand.close()


def test_only_the_shops_keys_are_noted_and_what_is_joined(stand: RowsStand) -> None:
    watching = watch(stand)
    stand.run(order(1))
    stand.run(order(2, 8))
    stand.run("UPDATE orders SET shop_id = 8, id = 3 WHERE id = 1")
    stand.run("INSERT INTO order_lines VALUES (10, 2, ''), (11, 99, '')")
    taken = caught_up(stand, watching).take()
    assert list(taken.keys["orders"]) == [("7", "1")]
    assert list(taken.keys["order_lines"]) == [("10",), ("11",)]
    assert watching.take().size == 0


def test_a_position_is_only_ever_the_end_of_a_transaction(stand: RowsStand) -> None:
    watching = watch(stand)
    start, seen = watching.position, set[Any]()
    points.install(
        lambda name: seen.add((watching.count, watching.position)) if name == "rows.event" else None
    )
    try:
        with plain(stand.urls[SOURCE]) as cursor:
            cursor.execute("BEGIN")
            for number in range(1, 4):
                cursor.execute(order(number))
            cursor.execute("COMMIT")
        caught_up(stand, watching)
    finally:
        points.install(None)
    assert {count for count, position in seen if position == start} >= {0, 1, 2, 3}
    assert all(count == 3 for count, position in seen if position > start)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE orders ADD COLUMN more INT",
        "TRUNCATE TABLE order_lines",
        "DROP TABLE order_lines",
        "RENAME TABLE orders TO old",
        "CREATE INDEX by_total ON orders (total)",
    ],
)
def test_a_table_that_is_altered_ends_the_watch(stand: RowsStand, statement: str) -> None:
    watching = watch(stand)
    stand.run("CREATE TABLE beside (id INT PRIMARY KEY)")
    caught_up(stand, watching).take()
    stand.run(statement)
    with pytest.raises(TableAltered, match="order"):
        caught_up(stand, watching).take()


UNFIT = {
    "statements": (
        ("SET SESSION binlog_format = 'STATEMENT'", "INSERT INTO orders VALUES (7, 1, 1, 1, '')"),
        "a statement",
    ),
    "minimal": (
        ("SET SESSION binlog_row_image = 'MINIMAL'", "UPDATE orders SET note = 'x' WHERE id = 5"),
        "without their keys",
    ),
}


@pytest.mark.parametrize("what", UNFIT)
def test_a_session_whose_changes_cannot_be_read_ends_the_watch(stand: RowsStand, what: str) -> None:
    stand.run(order(5))
    watching = watch(stand)
    statements, said = UNFIT[what]
    with plain(stand.urls[SOURCE]) as cursor:
        for statement in statements:
            cursor.execute(statement)
    with pytest.raises(LogUnfit, match=said):
        caught_up(stand, watching).take()


def test_compressed_events_are_not_passed_over(stand: RowsStand) -> None:
    watching = watch(stand)
    stand.run("SET GLOBAL log_bin_compress = ON")
    try:
        stand.run("INSERT INTO orders VALUES (7, 1, 1, 1, REPEAT('x', 2000))")
    finally:
        stand.run("SET GLOBAL log_bin_compress = OFF")
    with pytest.raises(LogUnfit, match="cannot be read"):
        caught_up(stand, watching).take()


def test_a_log_that_was_purged_is_told(stand: RowsStand) -> None:
    before = now(stand)
    stand.run("FLUSH BINARY LOGS")

    def purged() -> bool:
        """The server keeps a file for as long as it takes a stream that has ended for alive."""
        stand.run(f"PURGE BINARY LOGS TO '{now(stand).file}'")
        return before.file not in [row[0] for row in stand.read("SHOW BINARY LOGS")]

    until(purged, message="the file is gone")
    watching = watch(stand, before)
    with pytest.raises(LogLost, match=before.file):
        watching.wait_for(now(stand), 30)


def test_the_log_goes_on_in_the_next_file(stand: RowsStand) -> None:
    watching = watch(stand)
    stand.run(order(1))
    stand.run("FLUSH BINARY LOGS")
    caught_up(stand, watching)
    stand.run(order(2))
    assert list(caught_up(stand, watching).take().keys["orders"]) == [("7", "1"), ("7", "2")]


def test_a_position_of_another_server_is_refused(stand: RowsStand) -> None:
    rows = stand.rows()
    rows.follow()
    stand.run("UPDATE podwork_move_progress SET server = 'another' WHERE table_name = ''", pod=2)
    with pytest.raises(SourceReplaced, match="another"):
        stand.rows().follow()


def test_a_connection_that_is_lost_is_told_and_followed_anew(stand: RowsStand) -> None:
    rows = stand.rows()
    rows.follow()
    rows.copy(noop)
    rows._catch_up(noop)
    for thread, command in stand.read("SELECT id, command FROM information_schema.processlist"):
        if command == "Binlog Dump":
            stand.run(f"KILL {thread}")
    stand.run(order(1))
    with pytest.raises(StreamEnded):
        rows.apply_last(noop, 30)
    rows.follow()
    rows.apply_last(noop, 30)
    assert stand.differing() == []


def test_one_that_begins_further_back_catches_up_and_joins(stand: RowsStand) -> None:
    early = now(stand)
    stand.run(order(1))
    first = caught_up(stand, watch(stand))
    second = watch(stand, early)
    assert stand.tailer.connections == 2
    caught_up(stand, second)
    assert list(second.take().keys["orders"]) == [("7", "1")]
    assert first.take().size == 0
    stand.run(order(2))
    for watching in (first, second):
        caught_up(stand, watching)
    stand.tailer.join()
    assert stand.tailer.connections == 1
    stand.run(order(3))
    for watching in (first, second):
        assert ("7", "3") in caught_up(stand, watching).take().keys["orders"]
    stand.tailer.leave(first)
    stand.run(order(4))
    assert ("7", "4") in caught_up(stand, second).take().keys["orders"]
    stand.tailer.leave(second)
    assert stand.tailer.connections == 0


def test_who_waits_for_a_log_waits_so_long_and_no_longer(stand: RowsStand) -> None:
    watching = watch(stand)
    with pytest.raises(LogBehind, match="not to"):
        watching.wait_for(Position("bin.999999", 4), 0.1)
    stand.tailer.close()
    with pytest.raises(StreamEnded):
        watching.take()


def test_positions_are_ordered_as_the_log_is() -> None:
    ordered = [
        Position("bin.000009", 400),
        Position("bin.000010", 4),
        Position("bin.999999", 9),
        Position("bin.1000000", 4),
    ]
    assert sorted([ordered[2], ordered[0], ordered[3], ordered[1]]) == ordered
    assert Position.parse(str(ordered[1])) == ordered[1]
