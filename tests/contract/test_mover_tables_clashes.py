"""Unique values that another shop holds at the target are found before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podwork_pods.mover.tables import clashes as module
from podwork_pods.mover.tables.declaration import joined, shop
from tests.support.moved_tables import OTHER, SHOP, Sides, sides

TYPES = (
    ("BIT(8)", "b'101'"),
    ("FLOAT", "0.1234567"),
    ("DOUBLE", "0.1 + 0.2"),
    ("TIME(2)", "'-10:00:00.50'"),
    ("TIMESTAMP(6) NULL", "'2024-10-27 00:30:00.000001'"),
    ("DATETIME(6)", "'2024-02-29 10:00:00.000001'"),
    ("DATE", "'0000-00-00'"),
    ("DECIMAL(30,10)", "12345678901234567890.0000000001"),
    ("ENUM('a','b')", "'b'"),
    ("SET('a','b')", "'a,b'"),
    ("BINARY(4)", "X'00FF'"),
    ("VARCHAR(40) CHARACTER SET latin1", "'50 % \u00e9'"),
    ("BIGINT UNSIGNED", "18446744073709551615"),
    ("YEAR", "2024"),
    ("INET6", "'::1'"),
    ("UUID", "'123e4567-e89b-12d3-a456-426614174000'"),
)


@pytest.fixture(params=["sqlite", "mariadb"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sides]:
    url = request.getfixturevalue("mariadb_url") if request.param == "mariadb" else ""
    with sides(request.param, tmp_path, url) as made:
        yield made


@pytest.fixture
def served(mariadb_url: str, tmp_path: Path) -> Iterator[Sides]:
    with sides("mariadb", tmp_path, mariadb_url) as made:
        yield made


def found(both: Sides, *tables: Any) -> list[str]:
    return [one.what for one in both.blockers(*tables) if one.code.value == "clash"]


def table(both: Sides, columns: str) -> None:
    both.on_both(f"CREATE TABLE t (shop_id BIGINT NOT NULL, {columns})")
    if both.dialect == "mariadb":
        both.on_both("CREATE INDEX by_shop ON t (shop_id)")


def test_keys_that_two_shops_can_share_are_looked_up(both: Sides) -> None:
    table(
        both,
        "id INT NOT NULL PRIMARY KEY, code VARCHAR(9) UNIQUE, a INT, b INT, UNIQUE (a, b), "
        "UNIQUE (shop_id, b)",
    )
    both.put(both.source, "t", (SHOP, 1, "x", 1, 1), (SHOP, 2, "y", 2, None), (OTHER, 3, "z", 9, 9))
    both.put(both.target, "t", (OTHER, 11, "z", 9, 9), (OTHER, 12, None, 2, None), (OTHER, 13, "w", 6, 2))
    assert found(both, shop("t")) == []
    both.put(both.target, "t", (OTHER, 2, "x", 1, 1), (OTHER, 1, "y", 7, 7))
    said = sorted(found(both, shop("t")))
    assert len(said) == 3
    assert said[0].startswith("t (a, b): (1, 1) belong")
    assert said[1].startswith("t (code): ")
    assert "'x'" in said[1]
    assert "'y'" in said[1]
    assert said[2].startswith("t (id): ")


def test_the_shops_own_rows_do_not_clash_with_themselves(both: Sides) -> None:
    table(both, "id INT NOT NULL PRIMARY KEY")
    both.put(both.source, "t", (SHOP, 1))
    both.put(both.target, "t", (SHOP, 1))
    assert found(both, shop("t")) == []


def test_rows_of_no_shop_are_in_the_way_too(both: Sides) -> None:
    both.on_both("CREATE TABLE t (shop_id BIGINT, id INT NOT NULL PRIMARY KEY)")
    if both.dialect == "mariadb":
        both.on_both("CREATE INDEX by_shop ON t (shop_id)")
    both.put(both.source, "t", (SHOP, 1))
    both.put(both.target, "t", (None, 1))
    assert found(both, shop("t")) == ["t (id): 1 belong to another shop at the target"]


@pytest.mark.parametrize("bound", [True, False])
def test_rows_of_joined_tables_clash_where_no_parent_binds_them(both: Sides, bound: bool) -> None:
    key = ", FOREIGN KEY (order_id) REFERENCES orders (id)" if bound else ""
    both.on_both(
        "CREATE TABLE orders (shop_id BIGINT NOT NULL, id BIGINT NOT NULL UNIQUE, PRIMARY KEY (shop_id, id))",
        f"CREATE TABLE t (order_id BIGINT NOT NULL, n INT NOT NULL, PRIMARY KEY (order_id, n){key})",
    )
    tables = (shop("orders"), joined("t", through="orders", on={"order_id": "id"}))
    both.put(both.source, "orders", (SHOP, 1))
    both.put(both.source, "t", (1, 1))
    if bound:
        both.put(both.target, "orders", (OTHER, 1))
    both.put(both.target, "t", (1, 1))
    said = found(both, *tables)
    if bound:  # the parent's key is in the way, and says enough
        assert said == ["orders (id): 1 belong to another shop at the target"]
    else:
        assert said == ["t (order_id, n): (1, 1) belong to another shop at the target"]


def test_every_span_and_every_statement_is_looked_at(both: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    from podwork_pods.mover.tables import walking

    monkeypatch.setattr(walking, "ROWS_IN_A_SPAN", 10)
    monkeypatch.setattr(module, "VALUES_IN_A_STATEMENT", 4)
    table(both, "id INT NOT NULL PRIMARY KEY")
    both.put(both.source, "t", *((SHOP, number) for number in range(35)))
    for number in (0, 9, 10, 17, 34):
        both.run(both.target, "DELETE FROM t")
        both.put(both.target, "t", (OTHER, number))
        assert found(both, shop("t")) == [f"t (id): {number} belong to another shop at the target"]


@pytest.mark.servers
def test_values_of_every_type_are_found_again(served: Sides) -> None:
    columns = ", ".join(f"`v{number}%%` {kind} UNIQUE" for number, (kind, _) in enumerate(TYPES))
    values = ", ".join(value for _, value in TYPES).replace("%", "%%")
    served.on_both(
        f"CREATE TABLE t (shop_id BIGINT NOT NULL, id INT NOT NULL, {columns}, PRIMARY KEY (shop_id, id))"
    )
    for connection, owner in zip(served.both, (SHOP, OTHER), strict=True):
        connection.exec_driver_sql("SET SESSION sql_mode = ''")
        served.run(connection, f"INSERT INTO t VALUES ({owner}, 1, {values})")
    said = found(served, shop("t"))
    missed = [
        kind for number, (kind, _) in enumerate(TYPES) if not any(f"(v{number}%)" in one for one in said)
    ]
    assert (missed, len(said)) == ([], len(TYPES))


@pytest.mark.servers
def test_the_collation_decides_what_is_the_same(served: Sides) -> None:
    table(
        served,
        "id INT, mail VARCHAR(20) UNIQUE, tag VARCHAR(20), PRIMARY KEY (shop_id, id), UNIQUE (tag(2))",
    )
    served.put(served.source, "t", (SHOP, 1, "A@b", "abx"))
    served.put(served.target, "t", (OTHER, 1, "a@B", "aby"))
    said = found(served, shop("t"))
    assert len(said) == 2
    assert any("(mail): 'a@B'" in text for text in said)
    assert any("(tag): 'ab'" in text for text in said)


@pytest.mark.servers
def test_podworks_own_rows_are_looked_up_too(served: Sides) -> None:
    served.prepare()
    row = (1, "j1", SHOP, "q", 0, 1, b"r", "[]", 0, 0, 1.0)
    served.put(served.source, "podwork_outbox", row)
    served.put(served.target, "podwork_outbox", (1, "j2", OTHER, *row[3:]))
    assert found(served) == []  # its id is given anew
    served.put(served.target, "podwork_outbox", (2, "j1", OTHER, *row[3:]))
    assert found(served) == ["podwork_outbox (job_id): 'j1' belong to another shop at the target"]
