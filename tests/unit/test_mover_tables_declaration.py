"""A declaration that cannot be meant is refused when it is made; tables are filled in an order that works."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwork.errors import ConfigurationError
from podwork_pods.mover.tables.declaration import (
    Declared,
    Kind,
    ShopTables,
    joined,
    pod_local,
    reference,
    shop,
)
from podwork_pods.mover.tables.errors import InvalidTables
from podwork_pods.mover.tables.order import ranks, unchecked

ON = {"order_id": "id"}


def test_each_table_is_what_was_declared() -> None:
    tables = ShopTables(
        shop("orders"),
        joined("lines", through="orders", on=ON),
        joined("notes", through="lines", on={"line_id": "id"}),
        reference("currencies"),
        pod_local("sessions"),
        shop("shops", column="id", leased_ids=True),
    )
    assert len(tables) == 6
    assert [table.name for table in tables.moving] == ["orders", "lines", "notes", "shops"]
    assert tables.get("orders") == Declared(Kind.SHOP, "orders", column="shop_id")
    assert tables.get("lines") == Declared(Kind.JOINED, "lines", through="orders", on=(("order_id", "id"),))
    assert tables.get("nothing") is None
    assert [table.kind.value for table in tables] == [
        "shop", "joined", "joined", "reference", "pod_local", "shop",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda: ShopTables(shop("a"), pod_local("a")), "declared twice"),
        (lambda: ShopTables(shop("")), "has no name"),
        (lambda: ShopTables(shop("a", column="")), "no name"),
        (lambda: ShopTables(shop("podwork_runs")), "podwork's own"),
        (lambda: ShopTables(shop("Podwork_runs")), "podwork's own"),
        (lambda: ShopTables(pod_local("_podwork_1_new")), "podwork's own"),
        (lambda: ShopTables(joined("b", through="a", on=ON)), "not declared"),
        (lambda: ShopTables(shop("a"), joined("b", through="a", on={})), "belong together"),
        (lambda: ShopTables(shop("a"), joined("b", through="a", on={"x": ""})), "belong together"),
        (lambda: ShopTables(reference("a"), joined("b", through="a", on=ON)), "does not travel"),
        (lambda: ShopTables(pod_local("a"), joined("b", through="a", on=ON)), "does not travel"),
        (lambda: ShopTables(joined("a", through="a", on=ON)), "circle: a -> a"),
        (
            lambda: ShopTables(
                joined("a", through="b", on=ON),
                joined("b", through="c", on=ON),
                joined("c", through="b", on=ON),
            ),
            "circle",
        ),
        (lambda: ShopTables("orders"), "no table"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_meant_is_refused(declare: Callable[[], ShopTables], says: str) -> None:
    with pytest.raises(InvalidTables, match=says) as caught:
        declare()
    assert isinstance(caught.value, ConfigurationError)
    assert caught.value.remedy


def test_parents_have_lower_ranks() -> None:
    parents = {"lines": {"orders", "products"}, "orders": {"shops"}, "products": {"shops"}, "shops": set()}
    found = ranks(parents)
    assert found == {"shops": 0, "orders": 1, "products": 1, "lines": 2}
    assert unchecked("lines", parents) == ""
    assert "lines refer to them" in unchecked("orders", parents)


def test_tables_that_refer_to_themselves_or_one_another_have_a_reason() -> None:
    parents = {"a": {"b", "root"}, "b": {"a"}, "tree": {"tree"}, "leaf": {"b"}, "root": set[str]()}
    found = ranks(parents)
    assert found["a"] == found["b"]
    assert found["root"] < found["a"] < found["leaf"]
    assert unchecked("tree", parents).startswith("tree refers to itself")
    assert unchecked("a", parents).startswith("a and b refer to one another")
    assert unchecked("leaf", parents) == ""


@given(st.dictionaries(st.sampled_from("abcdefg"), st.sets(st.sampled_from("abcdefg"))))
def test_whatever_the_references_every_table_is_above_all_but_its_circle(graph: dict[str, set[str]]) -> None:
    names = {*graph, *(name for above in graph.values() for name in above)}
    parents = {name: graph.get(name, set()) for name in names}
    found = ranks(parents)
    assert found.keys() == names
    for name, above in parents.items():
        for parent in above:
            circle = name in reachable(parent, parents)
            assert found[parent] == found[name] if circle else found[parent] < found[name]


def reachable(name: str, parents: dict[str, set[str]]) -> set[str]:
    found, waiting = {name}, [name]
    while waiting:
        new = parents[waiting.pop()] - found
        found |= new
        waiting += new
    return found
