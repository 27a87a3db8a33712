"""Random tables and rows: a shop's rows, copied as a mover copies them, are equal; what is changed is found.

Bounded: a few schemas a run, more with `-m slow`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podwork_pods.mover.tables.catalogue import read
from podwork_pods.mover.tables.declaration import ShopTables, joined, shop
from podwork_pods.mover.tables.keys import Span, spans, within
from podwork_pods.mover.tables.table import MovedTable
from podwork_pods.mover.verify import compare, compare_keys
from tests.support.moved_tables import OTHER, SHOP, Sides, sides

KEYS = {
    "INT": st.integers(-5, 20),
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "VARCHAR(6)": st.text("abAB %'\\é", max_size=6),
    "DATE": st.dates().filter(lambda day: day.year >= 1000),
    "DECIMAL(9,3)": st.decimals(-1000, 1000, places=3),
    "VARBINARY(4)": st.binary(max_size=4),
}
VALUES = {
    **KEYS,
    "DOUBLE": st.floats(allow_nan=False, allow_infinity=False),
    "TEXT": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
    "BLOB": st.binary(max_size=30),
}
SQLITE_KEYS = ("INT", "BIGINT", "VARCHAR(6)", "VARBINARY(4)")
SQLITE_VALUES = (*SQLITE_KEYS, "DOUBLE", "TEXT", "BLOB")

BOUNDED = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
LONG = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=["sqlite", "mariadb"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sides]:
    url = request.getfixturevalue("mariadb_url") if request.param == "mariadb" else ""
    with sides(request.param, tmp_path, url) as made:
        yield made


def check_one(both: Sides, choose: st.DataObject) -> None:
    """Make a schema of one shop table and one joined to it, rows of two shops, and changes at the target."""
    types = {"sqlite": (SQLITE_KEYS, SQLITE_VALUES)}.get(both.dialect, (tuple(KEYS), tuple(VALUES)))
    key = choose.draw(st.lists(st.sampled_from(types[0]), min_size=1, max_size=3))
    values = choose.draw(st.lists(st.sampled_from(types[1]), max_size=4))
    with_shop = choose.draw(st.booleans())
    parent, child = "parents", "children"
    for connection in both.both:
        connection.rollback()  # an example that was broken off
    both.on_both(f"DROP TABLE IF EXISTS {child}", f"DROP TABLE IF EXISTS {parent}")
    make(both, parent, child, key, values, with_shop)
    tables = {table.name: table for table in read(both.source, tables_of(parent, child))}
    rows = choose.draw(st.lists(row_of(key, values), max_size=25))
    for connection in both.both:
        fill(both, connection, parent, child, rows)
    both.source.commit()
    for table in tables.values():
        assert found(both, table) == []
        assert every_row_is_in_one_span(both, table, choose.draw(st.integers(1, 7)))
    change(both, tables, choose)


def tables_of(parent: str, child: str) -> ShopTables:
    return ShopTables(shop(parent), joined(child, through=parent, on={"parent": "number"}))


def make(both: Sides, parent: str, child: str, key: list[str], values: list[str], with_shop: bool) -> None:
    keys = [f"k{place} {kind} NOT NULL" for place, kind in enumerate(key)]
    columns = [f"v{place} {kind}" for place, kind in enumerate(values)]
    names = [*(["shop_id"] if with_shop else []), *(f"k{place}" for place in range(len(key)))]
    both.on_both(
        f"CREATE TABLE {parent} (shop_id BIGINT NOT NULL, number INT NOT NULL UNIQUE, "
        f"{', '.join([*keys, *columns])}, PRIMARY KEY ({', '.join(names)}))",
        f"CREATE TABLE {child} (parent INT NOT NULL, {', '.join([*keys, *columns])}, "
        f"PRIMARY KEY (parent, {', '.join(names[with_shop:])}))",
    )
    if both.dialect == "mariadb":
        both.on_both(f"CREATE INDEX by_shop ON {parent} (shop_id)")


def row_of(key: list[str], values: list[str]) -> st.SearchStrategy[tuple[Any, ...]]:
    owner = st.sampled_from([SHOP, SHOP, SHOP, OTHER])
    columns = [KEYS[kind] for kind in key] + [st.none() | VALUES[kind] for kind in values]
    return st.tuples(owner, *columns)


def fill(both: Sides, connection: Any, parent: str, child: str, rows: list[tuple[Any, ...]]) -> None:
    """What the database takes for the same key as an earlier row's is left out, on both sides alike."""
    for number, row in enumerate(rows):
        marks = ", ".join([both.mark] * (len(row) + 1))
        word = "OR IGNORE" if both.dialect == "sqlite" else "IGNORE"
        connection.exec_driver_sql(
            f"INSERT {word} INTO {parent} VALUES ({marks})", (row[0], number, *row[1:])
        )
        marks = ", ".join([both.mark] * len(row))
        connection.exec_driver_sql(f"INSERT {word} INTO {child} VALUES ({marks})", (number, *row[1:]))
    connection.commit()


def found(both: Sides, table: MovedTable, rows: int = 5) -> list[tuple[Any, ...]]:
    parts = compare(both.source, both.target, table, SHOP, rows_in_a_range=rows)
    keys = [key for part in parts for key in part.differing]
    for connection in both.both:
        connection.rollback()
    return keys


def every_row_is_in_one_span(both: Sides, table: MovedTable, rows: int) -> bool:
    def count(span: Span) -> int:
        condition, values = within(table, span, "t")
        where = " AND ".join(part for part in (table.of_shop("t"), condition) if part)
        sql = f"SELECT COUNT(*) FROM {table.quote(table.name)} AS t WHERE {where}"
        return int(both.source.exec_driver_sql(sql, (SHOP, *values)).scalar_one())

    counts = [count(span) for span in spans(both.source, table, SHOP, rows)]
    both.source.rollback()
    return sum(counts) == count(Span()) and set(counts[:-1]) <= {rows} and counts[-1] < rows


def change(both: Sides, tables: dict[str, MovedTable], choose: st.DataObject) -> None:
    """Delete rows of the shop at the target, and see that these keys are named and no others."""
    child = next(table for table in tables.values() if table.parent is not None)
    keys = ", ".join(f"t.{child.quote(name)}" for name in child.key)
    sql = f"SELECT {keys} FROM {child.quote(child.name)} AS t WHERE {child.of_shop('t')}"
    there = [tuple(row) for row in both.source.exec_driver_sql(sql, (SHOP,))]
    both.source.rollback()
    gone = choose.draw(st.sets(st.sampled_from(there), max_size=4)) if there else set[tuple[Any, ...]]()
    for key in gone:
        where = " AND ".join(f"{child.quote(name)} = {both.mark}" for name in child.key)
        sql = f"DELETE FROM {child.quote(child.name)} WHERE {where} AND {child.of_shop(child.name)}"
        both.target.exec_driver_sql(sql, (*key, SHOP))
    both.target.commit()
    assert set(found(both, child)) == gone
    assert set(compare_keys(both.source, both.target, child, SHOP, there)) == gone


@given(st.data())
@BOUNDED
def test_random_tables(both: Sides, choose: st.DataObject) -> None:
    check_one(both, choose)


@pytest.mark.slow
@given(st.data())
@LONG
def test_many_random_tables(both: Sides, choose: st.DataObject) -> None:
    check_one(both, choose)
