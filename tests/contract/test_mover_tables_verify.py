"""Rows are compared by their whole values, of whatever type: what differs is named, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podwork_pods.mover.tables import digests
from podwork_pods.mover.tables.catalogue import read
from podwork_pods.mover.tables.declaration import ShopTables, joined, shop
from podwork_pods.mover.tables.errors import DigestsMissing
from podwork_pods.mover.tables.table import MovedTable
from podwork_pods.mover.verify import ROWS_ONE_BY_ONE, compare, compare_keys
from tests.support.moved_tables import OTHER, SHOP, Sides, sides
from tests.support.pods import server_connection

# Of each type two values, as SQL, that are not the same, though they may look so.
MARIADB_TYPES = {
    "BIGINT UNSIGNED": ("18446744073709551615", "18446744073709551614"),
    "BIGINT": ("-9223372036854775808", "-9223372036854775807"),
    "TINYINT(1)": ("1", "2"),
    "INT(5) ZEROFILL": ("1", "10"),
    "DECIMAL(38,10)": ("1234567890123456789012345678.0000000001", "1234567890123456789012345678.0000000002"),
    "FLOAT": ("0.12345678", "0.12345679"),
    "DOUBLE": ("0.1", "0.1 + 1e-17 + 1e-17"),
    "BIT(64)": ("b'1'", "1 << 63 | 1"),
    "DATE": ("'0000-00-00'", "'2024-00-00'"),
    "DATETIME(6)": ("'2024-02-29 23:59:59.000001'", "'2024-02-29 23:59:59.000002'"),
    "DATETIME": ("'0000-00-00 00:00:00'", "NULL"),
    "TIMESTAMP(3) NULL": ("'2024-10-27 00:30:00.001'", "'2024-10-27 01:30:00.001'"),
    "TIME(2)": ("'-838:59:59.00'", "'838:59:59.00'"),
    "YEAR": ("2024", "0"),
    "CHAR(8)": ("'a'", "'A'"),
    "VARCHAR(20)": ("'a '", "'a'"),
    "VARCHAR(21)": ("''", "NULL"),
    "VARCHAR(22)": ("'N'", "NULL"),
    "VARCHAR(23) CHARACTER SET latin1": ("'\u00e9'", "'e'"),
    "TEXT": ("'\U0001f600'", "'\U0001f601'"),
    "MEDIUMTEXT": ("''", "NULL"),
    "BINARY(4)": ("X'61'", "X'6120'"),
    "VARBINARY(9)": ("X'00'", "X''"),
    "BLOB": ("X'FF00'", "X'FF0000'"),
    "LONGBLOB": ("''", "NULL"),
    "ENUM('a','b','')": ("'a'", "'b'"),
    "SET('x','y','z')": ("'x,z'", "'z'"),
    "JSON": ("'{\"a\": 1}'", "'{\"a\":1}'"),
    "POINT": ("POINT(1, 2)", "POINT(2, 1)"),
    "UUID": ("UUID()", "UUID()"),
    "INET6": ("'::1'", "'::2'"),
}
SQLITE_TYPES = {
    "INTEGER": ("9223372036854775807", "9223372036854775806"),
    "REAL": ("0.1", "0.1 + 1e-17 + 1e-17"),
    "NUMERIC": ("1", "'x'"),
    "TEXT": ("'1'", "X'31'"),
    "VARCHAR(9)": ("''", "NULL"),
    "VARCHAR(10)": ("'a' || char(0) || 'b'", "'a' || char(0) || 'c'"),
    "VARCHAR(11)": ("CAST(X'FF' AS TEXT)", "CAST(X'FE' AS TEXT)"),
    "BLOB": ("1", "1.0"),
    "BLOB2": ("X''", "NULL"),
}
BIG_SET = "SET(" + ",".join(f"'m{number}'" for number in range(64)) + ")"


@pytest.fixture(params=["sqlite", "mariadb"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sides]:
    url = request.getfixturevalue("mariadb_url") if request.param == "mariadb" else ""
    with sides(request.param, tmp_path, url) as made:
        yield made


def types_of(both: Sides) -> dict[str, tuple[str, str]]:
    return SQLITE_TYPES if both.dialect == "sqlite" else MARIADB_TYPES


def moved(both: Sides, *tables: Any, name: str = "rows_") -> MovedTable:
    found = {table.name: table for table in read(both.source, ShopTables(*tables))}
    both.source.rollback()
    return found[name]


def differing(both: Sides, table: MovedTable, **options: Any) -> list[tuple[Any, ...]]:
    found = [
        key for part in compare(both.source, both.target, table, SHOP, **options) for key in part.differing
    ]
    for connection in both.both:
        connection.rollback()
    return found


def all_types(both: Sides) -> MovedTable:
    types = ", ".join(f"c{number} {kind}" for number, kind in enumerate(types_of(both)))
    both.on_both(f"CREATE TABLE rows_ (shop_id BIGINT NOT NULL, id BIGINT NOT NULL PRIMARY KEY, {types})")
    if both.dialect == "mariadb":
        both.on_both("CREATE INDEX by_shop ON rows_ (shop_id)")
    return moved(both, shop("rows_"))


def loose(both: Sides) -> None:
    """Let zeros be dates, and let every session write in a zone of its own."""
    if both.dialect == "mariadb":
        for connection, zone in zip(both.both, ("+05:00", "-03:00"), strict=True):
            connection.exec_driver_sql("SET SESSION sql_mode = 'PAD_CHAR_TO_FULL_LENGTH'")
            connection.exec_driver_sql(f"SET SESSION time_zone = '{zone}'")


def test_every_type_is_compared_by_its_whole_value(both: Sides) -> None:
    table = all_types(both)
    columns = [f"c{number}" for number in range(len(types_of(both)))]
    left = ", ".join(value for value, _ in types_of(both).values())
    loose(both)
    # A row for each column in which this column alone is another one at the target; and one that is equal.
    for id_ in range(len(columns) + 1):
        both.run(both.source, f"INSERT INTO rows_ VALUES ({SHOP}, {id_}, {left})")
    copy_all(both, "rows_", columns)
    assert differing(both, table) == []
    for id_, (column, (_, right)) in enumerate(zip(columns, types_of(both).values(), strict=True)):
        both.run(both.target, f"UPDATE rows_ SET {column} = {right} WHERE id = {id_}")
    found = {key[0] for key in differing(both, table)}
    names = list(types_of(both))
    missed = [names[id_] for id_ in range(len(columns)) if id_ not in found]
    assert (missed, found - {*range(len(columns))}) == ([], set())


def copy_all(both: Sides, table: str, columns: list[str]) -> None:
    """Bring the source's rows to the target as they are, not through the code under test."""
    if both.dialect == "sqlite":
        both.target.commit()
        path = both.source.engine.url.database
        both.target.exec_driver_sql("SELECT 1")
        both.target.rollback()
        raw: Any = both.target.connection.dbapi_connection
        raw.execute(f"ATTACH '{path}' AS there")
        raw.execute(f"INSERT INTO main.{table} SELECT * FROM there.{table}")
        raw.execute("DETACH there")
        both.target.rollback()
        return
    schema = both.source.engine.url.database
    both.run(both.target, f"INSERT INTO {table} SELECT * FROM {schema}.{table}")


@pytest.mark.servers
def test_a_set_of_sixty_four_members_keeps_its_last_bit(mariadb_url: str, tmp_path: Path) -> None:
    with sides("mariadb", tmp_path, mariadb_url) as both:
        both.on_both(
            f"CREATE TABLE rows_ (shop_id BIGINT NOT NULL, id BIGINT PRIMARY KEY, c {BIG_SET}, KEY (shop_id))"
        )
        table = moved(both, shop("rows_"))
        both.run(both.source, f"INSERT INTO rows_ VALUES ({SHOP}, 1, 'm0,m63')")
        both.run(both.target, f"INSERT INTO rows_ VALUES ({SHOP}, 1, 'm63')")
        assert differing(both, table) == [(1,)]


def test_values_do_not_run_into_one_another(both: Sides) -> None:
    both.on_both(
        "CREATE TABLE rows_ (shop_id INT NOT NULL, id INT NOT NULL PRIMARY KEY, a VARCHAR(9), b VARCHAR(9))"
    )
    if both.dialect == "mariadb":
        both.on_both("CREATE INDEX by_shop ON rows_ (shop_id)")
    table = moved(both, shop("rows_"))
    pairs = [(("a", "b,c"), ("a,b", "c")), ((None, "x"), ("x", None)), (("1:a", ""), ("", "1:a"))]
    for id_, (left, right) in enumerate(pairs):
        both.put(both.source, "rows_", (SHOP, id_, *left))
        both.put(both.target, "rows_", (SHOP, id_, *right))
    assert differing(both, table) == [(0,), (1,), (2,)]


@pytest.mark.servers
def test_long_values_are_compared_though_a_packet_could_not_hold_them(
    mariadb_url: str, tmp_path: Path
) -> None:
    packet = 2**20
    with server_connection(mariadb_url) as cursor:
        cursor.execute("SELECT @@GLOBAL.max_allowed_packet")
        (before,) = cursor.fetchone()
        cursor.execute(f"SET GLOBAL max_allowed_packet = {packet}")
        try:
            with sides("mariadb", tmp_path, mariadb_url) as both:
                _compare_long_values(both, packet * 3 // 4)
        finally:
            cursor.execute(f"SET GLOBAL max_allowed_packet = {before}")


def _compare_long_values(both: Sides, length: int) -> None:
    both.on_both(
        "CREATE TABLE rows_ (shop_id INT NOT NULL, id INT PRIMARY KEY, a LONGTEXT, b LONGBLOB, KEY (shop_id))"
    )
    table = moved(both, shop("rows_"))
    for connection, last in zip(both.both, "xy", strict=True):
        repeated = f"REPEAT('a', {length}), CONCAT(REPEAT('b', {length}), '{last}')"
        both.run(connection, f"INSERT INTO rows_ VALUES ({SHOP}, 1, {repeated})")
    assert differing(both, table) == [(1,)]


def numbers(both: Sides) -> MovedTable:
    both.on_both(
        "CREATE TABLE rows_ (shop_id INT NOT NULL, id VARCHAR(9) NOT NULL, n INT, PRIMARY KEY (shop_id, id))"
    )
    return moved(both, shop("rows_"))


def test_ranges_cover_what_only_one_side_has_and_no_other_shop(both: Sides) -> None:
    table = numbers(both)
    names = [f"k{number:03}" for number in range(40)]
    for connection in both.both:
        both.put(connection, "rows_", *((SHOP, name, 1) for name in names))
    both.put(both.target, "rows_", (SHOP, "a", 1), (SHOP, "k020x", 1), (SHOP, "z", 1), (OTHER, "b", 2))
    both.put(both.source, "rows_", (OTHER, "c", 3))
    both.run(
        both.target,
        "DELETE FROM rows_ WHERE id IN ('k000', 'k039')",
        "UPDATE rows_ SET n = 5 WHERE id = 'k011'",
    )
    expected = {(SHOP, name) for name in ("a", "k020x", "z", "k000", "k039", "k011")}
    assert set(differing(both, table, rows_in_a_range=7)) == expected
    parts = list(compare(both.source, both.target, table, SHOP, rows_in_a_range=7))
    assert [part.rows for part in parts] == [7, 7, 7, 7, 7, 5]
    assert [part.span.after for part in parts[1:]] == [part.span.upto for part in parts[:-1]]


def test_comparing_goes_on_behind_a_range_that_is_done(both: Sides) -> None:
    table = numbers(both)
    for connection in both.both:
        both.put(connection, "rows_", *((SHOP, f"k{number}", 1) for number in range(10)))
    both.run(both.target, "UPDATE rows_ SET n = 2 WHERE id IN ('k1', 'k8')")
    first = next(iter(compare(both.source, both.target, table, SHOP, rows_in_a_range=4)))
    assert first.differing == ((SHOP, "k1"),)
    rest = compare(both.source, both.target, table, SHOP, after=first.span.upto, rows_in_a_range=4)
    assert [key for part in rest for key in part.differing] == [(SHOP, "k8")]


@pytest.mark.servers
def test_between_ranges_nobody_who_changes_the_table_waits(mariadb_url: str, tmp_path: Path) -> None:
    with sides("mariadb", tmp_path, mariadb_url) as both, server_connection(mariadb_url) as cursor:
        table = numbers(both)
        for connection in both.both:
            both.put(connection, "rows_", *((SHOP, f"k{number}", 1) for number in range(4)))
        cursor.execute("SET SESSION lock_wait_timeout = 1")
        for number, part in enumerate(compare(both.source, both.target, table, SHOP, rows_in_a_range=2)):
            assert part.differing == ()
            for connection in both.both:
                cursor.execute(f"ALTER TABLE {connection.engine.url.database}.rows_ ADD COLUMN n{number} INT")


def test_one_row_of_thousands_is_found_by_halving(both: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    table = numbers(both)
    rows = ROWS_ONE_BY_ONE * 8
    for connection in both.both:
        marks = ", ".join(f"({SHOP}, 'k{number:05}', 1)" for number in range(rows))
        both.run(connection, f"INSERT INTO rows_ VALUES {marks}")
    both.run(
        both.target, "UPDATE rows_ SET n = 2 WHERE id = 'k00777'", "DELETE FROM rows_ WHERE id = 'k01999'"
    )
    read_one_by_one: list[int] = []

    def counting(connection: Any, table: Any, shop_id: Any, condition: Any, values: Any) -> Any:
        found = original(connection, table, shop_id, condition, values)
        read_one_by_one.append(len(found))
        return found

    original = digests.digests_by_key
    monkeypatch.setattr("podwork_pods.mover.verify.digests_by_key", counting)
    assert differing(both, table) == [(SHOP, "k00777"), (SHOP, "k01999")]
    assert max(read_one_by_one) <= ROWS_ONE_BY_ONE
    assert sum(read_one_by_one) <= 4 * ROWS_ONE_BY_ONE


def test_two_rows_with_the_same_change_do_not_undo_one_another(both: Sides) -> None:
    table = numbers(both)
    for connection in both.both:
        both.put(connection, "rows_", (SHOP, "k1", 1), (SHOP, "k2", 1), (SHOP, "k3", 1))
    both.run(both.target, "UPDATE rows_ SET n = 2 WHERE id IN ('k1', 'k2')")
    assert differing(both, table) == [(SHOP, "k1"), (SHOP, "k2")]


def test_touched_keys_are_compared_alone(both: Sides) -> None:
    table = numbers(both)
    for connection in both.both:
        both.put(connection, "rows_", *((SHOP, f"k{number}", 1) for number in range(6)))
    both.run(
        both.target, "UPDATE rows_ SET n = 2 WHERE id IN ('k1', 'k5')", "DELETE FROM rows_ WHERE id = 'k2'"
    )
    both.put(both.target, "rows_", (SHOP, "new", 1), (OTHER, "k9", 1))
    keys = [(SHOP, name) for name in ("k0", "k1", "k2", "new", "gone")] + [(OTHER, "k9")]
    found = compare_keys(both.source, both.target, table, SHOP, keys)
    assert set(found) == {(SHOP, "k1"), (SHOP, "k2"), (SHOP, "new")}


def test_many_touched_keys_take_several_statements(both: Sides) -> None:
    table = numbers(both)
    keys = [(SHOP, f"k{number:04}") for number in range(450)]
    both.put(both.source, "rows_", *((*key, 1) for key in (keys[0], keys[250], keys[449])))
    assert compare_keys(both.source, both.target, table, SHOP, keys) == (keys[0], keys[250], keys[449])


def test_rows_of_a_joined_table_are_the_shops_by_their_parents(both: Sides) -> None:
    index = "" if both.dialect == "sqlite" else ", KEY (order_id)"
    both.on_both(
        "CREATE TABLE orders (shop_id BIGINT NOT NULL, id BIGINT NOT NULL UNIQUE, PRIMARY KEY (shop_id, id))",
        f"CREATE TABLE rows_ (id BIGINT NOT NULL PRIMARY KEY, order_id BIGINT NOT NULL, n INT{index})",
    )
    table = moved(both, shop("orders"), joined("rows_", through="orders", on={"order_id": "id"}))
    for connection in both.both:
        both.put(connection, "orders", (SHOP, 1), (SHOP, 2), (OTHER, 3))
        both.put(connection, "rows_", (10, 1, 1), (11, 2, 1), (12, 3, 1), (13, 99, 1))
    both.run(both.target, "UPDATE rows_ SET n = 2 WHERE id IN (11, 12, 13)")
    assert differing(both, table) == [(11,)]


def test_rows_that_are_grouped_by_a_key_are_one(both: Sides) -> None:
    index = "" if both.dialect == "sqlite" else ", KEY (shop_id)"
    both.on_both(f"CREATE TABLE rows_ (shop_id BIGINT NOT NULL, id INT NOT NULL PRIMARY KEY, n INT{index})")
    from dataclasses import replace

    table = moved(both, shop("rows_"))
    grouped = replace(table, key=("n",), grouped=True, columns=(table.column("n"),))
    both.put(both.source, "rows_", (SHOP, 1, 1), (SHOP, 2, 1), (SHOP, 3, 2))
    both.put(both.target, "rows_", (SHOP, 7, 1), (SHOP, 8, 2))
    assert differing(both, grouped) == [(1,)]


def test_what_the_target_writes_anew_is_not_compared(both: Sides) -> None:
    both.prepare()
    table = moved(both, name="podwork_outbox")
    assert {name for name, _ in table.rewritten} == {"epoch", "relayed"}
    due = {both.source: (5, 1, 0), both.target: (1, 2, -1)}
    for connection, (id_, epoch, relayed) in due.items():
        both.put(connection, "podwork_outbox", (id_, "j1", SHOP, "q", 0, epoch, b"r", "[]", 0, relayed, 1.0))
        both.put(connection, "podwork_outbox", (id_ + 1, "j2", SHOP, f"q{id_}", 0, 1, b"r", "[]", 0, 0, 1.0))
    assert differing(both, table) == [("j2",)]


def test_sessions_are_as_they_were_afterwards(both: Sides) -> None:
    if both.dialect == "sqlite":
        return
    table = numbers(both)
    loose(both)
    before = [connection.exec_driver_sql("SELECT @@sql_mode, @@time_zone").one() for connection in both.both]
    assert differing(both, table) == []
    compare_keys(both.source, both.target, table, SHOP, [(SHOP, "x")])
    after = [connection.exec_driver_sql("SELECT @@sql_mode, @@time_zone").one() for connection in both.both]
    assert after == before


@pytest.mark.servers
def test_a_server_without_digests_proves_nothing(
    mariadb_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sides("mariadb", tmp_path, mariadb_url) as both:
        table = numbers(both)
        for probe in ("SELECT NULL, 1 << 30", f"SELECT SHA1(''), {2**17 - 1}"):
            monkeypatch.setattr(digests, "_PROBE", probe)
            with pytest.raises(DigestsMissing):
                differing(both, table)
            with pytest.raises(DigestsMissing):
                compare_keys(both.source, both.target, table, SHOP, [(SHOP, "k")])


@pytest.mark.servers
def test_a_row_as_long_as_rows_can_be_has_its_digest(mariadb_url: str, tmp_path: Path) -> None:
    with sides("mariadb", tmp_path, mariadb_url) as both:
        columns = ", ".join(f"c{number} VARBINARY(1000)" for number in range(65))
        both.on_both(f"CREATE TABLE rows_ (shop_id INT, id INT PRIMARY KEY, {columns}, KEY (shop_id))")
        table = moved(both, shop("rows_"))
        for connection, last in zip(both.both, "xy", strict=True):
            connection.exec_driver_sql(f"SET @v = CONCAT(REPEAT('a', 999), '{last}')")
            both.run(connection, f"INSERT INTO rows_ VALUES ({SHOP}, 1, {', '.join(['@v'] * 65)})")
        assert differing(both, table) == [(1,)]
