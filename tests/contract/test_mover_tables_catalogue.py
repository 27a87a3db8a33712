"""What a declaration and a database together say of the tables that move with a shop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podwork_pods.mover.tables.catalogue import facts_of, read
from podwork_pods.mover.tables.declaration import ShopTables, joined, pod_local, reference, shop
from podwork_pods.mover.tables.errors import TablesBlocked
from podwork_pods.mover.tables.own import MOVING, STAYING
from podwork_pods.mover.tables.size import size_of
from podwork_pods.mover.tables.table import MovedTable, Rewrite
from tests.support.moved_tables import OTHER, SHOP, Sides, sides


@pytest.fixture(params=["sqlite", "mariadb"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sides]:
    url = request.getfixturevalue("mariadb_url") if request.param == "mariadb" else ""
    with sides(request.param, tmp_path, url) as made:
        yield made


def tables_of(both: Sides, *declared: Any) -> dict[str, MovedTable]:
    found = {table.name: table for table in read(both.source, ShopTables(*declared))}
    both.source.rollback()
    return found


def rows_of_shop(both: Sides, table: MovedTable, shop_id: int = SHOP) -> list[Any]:
    key = ", ".join(f"t.{table.quote(name)}" for name in table.key)
    sql = f"SELECT {key} FROM {table.quote(table.name)} AS t WHERE {table.of_shop('t')} ORDER BY {key}"
    found = [tuple(row) for row in both.source.exec_driver_sql(sql, (shop_id,))]
    both.source.rollback()
    return found


def shop_of_orders(both: Sides) -> tuple[Any, ...]:
    both.run(
        both.source,
        "CREATE TABLE shops (id BIGINT NOT NULL PRIMARY KEY)",
        """CREATE TABLE orders (id BIGINT NOT NULL UNIQUE, Shop_ID BIGINT NOT NULL, total DECIMAL(9,2),
            note VARCHAR(20) CHECK (note <> 'x'), twice DECIMAL(9,2) AS (total * 2) STORED,
            PRIMARY KEY (Shop_ID, id), FOREIGN KEY (Shop_ID) REFERENCES shops (id))""",
        """CREATE TABLE order_lines (order_id BIGINT NOT NULL, line INT NOT NULL, picture BLOB,
            PRIMARY KEY (order_id, line), FOREIGN KEY (order_id) REFERENCES orders (id))""",
        """CREATE TABLE aside (code VARCHAR(9) NOT NULL PRIMARY KEY, order_id BIGINT NOT NULL,
            line INT NOT NULL, FOREIGN KEY (order_id, line) REFERENCES order_lines (order_id, line))""",
        "CREATE TABLE currencies (code CHAR(3) NOT NULL PRIMARY KEY)",
        "CREATE TABLE sessions (token VARCHAR(40))",
        "CREATE VIEW busy AS SELECT * FROM orders",
        "INSERT INTO shops VALUES (7), (8)",
        "INSERT INTO orders (id, shop_id, total) VALUES (1, 7, 1), (2, 8, 1), (3, 7, 1)",
        "INSERT INTO order_lines VALUES (1, 1, 'p'), (1, 2, 'q'), (2, 1, 'r')",
        "INSERT INTO aside VALUES ('b', 1, 2), ('a', 1, 1), ('c', 2, 1)",
    )
    return (
        joined("aside", through="order_lines", on={"order_id": "order_id", "line": "line"}),
        joined("order_lines", through="orders", on={"ORDER_ID": "id"}),
        shop("orders", column="shop_id"),
        shop("shops", column="id"),
        reference("currencies"),
        pod_local("sessions"),
    )


def test_tables_come_with_their_key_their_columns_and_their_parents_first(both: Sides) -> None:
    found = tables_of(both, *shop_of_orders(both))
    assert [*found] == ["shops", "orders", "order_lines", "aside"]
    assert [table.rank for table in found.values()] == [0, 1, 2, 3]
    orders, lines, aside = found["orders"], found["order_lines"], found["aside"]
    assert (orders.key, orders.shop_column, orders.through) == (("Shop_ID", "id"), "Shop_ID", None)
    assert orders.column_names == ("id", "Shop_ID", "total", "note")
    assert (lines.key, lines.through, lines.link) == (("order_id", "line"), "orders", (("order_id", "id"),))
    assert lines.parent == orders
    assert aside.parent == lines
    assert aside.link == (("order_id", "order_id"), ("line", "line"))
    assert lines.column("picture").binary
    assert not lines.column("line").binary
    with pytest.raises(KeyError):
        lines.column("nothing")


def test_the_rows_of_a_shop_are_its_own_through_every_table_and_no_others(both: Sides) -> None:
    found = tables_of(both, *shop_of_orders(both))
    assert rows_of_shop(both, found["shops"]) == [(7,)]
    assert rows_of_shop(both, found["orders"]) == [(7, 1), (7, 3)]
    assert rows_of_shop(both, found["order_lines"]) == [(1, 1), (1, 2)]
    assert rows_of_shop(both, found["aside"]) == [("a",), ("b",)]
    assert rows_of_shop(both, found["aside"], OTHER) == [("c",)]
    assert rows_of_shop(both, found["aside"], 9) == []
    # A statement without an alias takes the table's own name.
    lines = found["order_lines"]
    sql = f"DELETE FROM {lines.quote(lines.name)} WHERE {lines.of_shop(lines.name)}"
    both.run(both.source, "DELETE FROM aside")
    assert both.source.exec_driver_sql(sql, (SHOP,)).rowcount == 2
    both.source.commit()
    assert rows_of_shop(both, lines, OTHER) == [(2, 1)]


def test_the_size_of_a_shop_counts_its_own_rows(both: Sides) -> None:
    declared = shop_of_orders(both)
    found = read(both.source, ShopTables(*declared))
    sizes = {size.table: size for size in size_of(both.source, facts_of(both.source), found, SHOP)}
    assert {name: size.rows for name, size in sizes.items()} == {
        "shops": 1, "orders": 2, "order_lines": 2, "aside": 2,
    }  # fmt: skip
    assert all(size.estimated_bytes >= size.rows for size in sizes.values())
    empty = size_of(both.source, facts_of(both.source), found, 99)
    assert [(size.rows, size.estimated_bytes) for size in empty] == [(0, 0)] * 4


def test_the_primary_key_is_walked_or_a_unique_one_without_nulls(both: Sides) -> None:
    keys = {
        "id BIGINT NOT NULL PRIMARY KEY, shop_id BIGINT NOT NULL": ("id",),
        "shop_id INT NOT NULL, name VARCHAR(9) NOT NULL, PRIMARY KEY (shop_id, name)": ("shop_id", "name"),
        "shop_id INT NOT NULL, a INT NOT NULL, b INT NOT NULL UNIQUE, UNIQUE (a, shop_id)": ("b",),
        "shop_id INT NOT NULL, a INT UNIQUE, b VARCHAR(9) NOT NULL, UNIQUE (shop_id, b)": ("shop_id", "b"),
        "shop_id BIGINT NOT NULL, a DATE NOT NULL, PRIMARY KEY (a, shop_id)": ("a", "shop_id"),
    }
    for number, definition in enumerate(keys):
        both.run(both.source, f"CREATE TABLE t{number} ({definition})")
        if both.dialect == "mariadb":
            both.run(both.source, f"CREATE INDEX by_shop ON t{number} (shop_id)")
    found = tables_of(both, *(shop(f"t{number}") for number in range(len(keys))))
    assert [found[f"t{number}"].key for number in range(len(keys))] == list(keys.values())


def test_where_foreign_keys_cannot_be_checked_it_says_why(both: Sides) -> None:
    both.run(
        both.source,
        """CREATE TABLE pages (shop_id BIGINT NOT NULL, id INT NOT NULL UNIQUE, above INT,
            PRIMARY KEY (shop_id, id), FOREIGN KEY (above) REFERENCES pages (id))""",
        """CREATE TABLE carts (shop_id BIGINT NOT NULL, id INT NOT NULL UNIQUE, best INT,
            PRIMARY KEY (shop_id, id))""",
        """CREATE TABLE goods (id INT NOT NULL PRIMARY KEY, cart_id INT NOT NULL,
            FOREIGN KEY (cart_id) REFERENCES carts (id))""",
    )
    circle = (shop("carts"), joined("goods", through="carts", on={"cart_id": "id"}), shop("pages"))
    found = tables_of(both, *circle)
    assert found["pages"].unchecked.startswith("pages refers to itself")
    assert "goods refer to them" in found["carts"].unchecked
    assert found["goods"].unchecked == ""
    if both.dialect == "mariadb":  # SQLite adds no foreign key to a table that is there
        both.run(both.source, "ALTER TABLE carts ADD FOREIGN KEY (best) REFERENCES goods (id)")
        found = tables_of(both, *circle)
        assert found["carts"].unchecked == "carts and goods refer to one another: neither can be filled first"
        assert found["carts"].rank < found["goods"].rank


@pytest.mark.servers
def test_unchecked_sessions_neither_refuse_rows_nor_delete_others_along(
    mariadb_url: str, tmp_path: Path
) -> None:
    with sides("mariadb", tmp_path, mariadb_url) as both:
        both.run(
            both.source,
            "CREATE TABLE a (id INT PRIMARY KEY)",
            "CREATE TABLE b (id INT PRIMARY KEY, a INT, FOREIGN KEY (a) REFERENCES a (id) ON DELETE CASCADE)",
            "INSERT INTO a VALUES (1)",
            "INSERT INTO b VALUES (10, 1)",
            "SET SESSION foreign_key_checks = 0",
            "DELETE FROM a",
            "INSERT INTO b VALUES (11, 2)",
        )
        assert both.source.exec_driver_sql("SELECT id FROM b ORDER BY id").scalars().all() == [10, 11]


def test_podworks_own_tables_are_known(both: Sides) -> None:
    both.prepare()
    found = tables_of(both)
    assert [*found] == ["podwork_outbox", "podwork_runs", "podwork_partitions", "podwork_quarantined"]
    outbox, runs, parts, quarantined = found.values()
    assert outbox.key == ("job_id",)
    assert "id" not in outbox.column_names
    assert dict(outbox.rewritten) == {"epoch": Rewrite.EPOCH, "relayed": Rewrite.ON_THE_WAY}
    assert (runs.key, dict(runs.rewritten)) == (("id",), {"pod_id": Rewrite.POD})
    assert (parts.key, parts.through) == (("run_id", "number"), "podwork_runs")
    assert (quarantined.key, quarantined.grouped) == (("run_id",), True)
    assert "id" not in quarantined.column_names


def test_no_table_that_podwork_makes_is_forgotten() -> None:
    """Whoever adds a table has to say what becomes of its rows: it would stop moves otherwise."""
    from podwork_migrations.fingerprint import expected
    from podwork_migrations.ledger import schema as ledger
    from podwork_migrations.plan import schema as plans
    from podwork_pods.directory import schema as directory
    from podwork_pods.fence import table as fence
    from podwork_pods.iteration import schema as runs
    from podwork_pods.outbox import schema as outbox
    from podwork_pods.registry import embedded

    owners = (ledger, plans, expected, directory, runs, outbox, embedded)
    made = {name for owner in owners for name in owner.metadata.tables} | {fence.name}
    known = {own.declared.name for own in MOVING} | STAYING
    assert made - known == set()


def test_everything_that_is_wrong_is_said_at_once(both: Sides) -> None:
    both.run(
        both.source,
        "CREATE TABLE forgotten (id INT)",
        "CREATE TABLE podwork_later (id INT)",
        "CREATE TABLE _podwork_20260101000000_new (id INT)",
        "CREATE TABLE keyless (shop_id BIGINT NOT NULL)",
    )
    with pytest.raises(TablesBlocked) as caught:
        read(both.source, ShopTables(shop("keyless"), shop("gone")))
    assert {(blocker.code.value, blocker.table) for blocker in caught.value.blockers} >= {
        ("undeclared", "forgotten"), ("undeclared", "podwork_later"), ("key", "keyless"), ("missing", "gone"),
    }  # fmt: skip
    assert "_podwork_20260101000000_new" not in str(caught.value)
    assert "forgotten" in str(caught.value)
    assert all(blocker.remedy for blocker in caught.value.blockers)
