"""What may be the number of a shop, on both of the directory's databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from podwork.interfaces import Route
from podwork_pods.directory import Directory
from podwork_pods.errors import ExtentConflict, InvalidShop
from podwork_pods.pod import Pod


@pytest.fixture(params=["sqlite", "mariadb"])
def directory(request: pytest.FixtureRequest) -> Iterator[Directory]:
    made = Directory(str(request.getfixturevalue(f"{request.param}_url")))
    made.create_schema()
    yield made
    made.close()


@pytest.mark.parametrize("shop_id", [-1, 2**63, True, "5", "5x", 5.0, None])
def test_what_cannot_be_a_shop_is_refused(directory: Directory, shop_id: Any) -> None:
    """MariaDB would take "5x" for 5, and bring in the wrong shop."""
    directory.assign(5, 1)
    directory.assign(0, 1)
    for ask in (
        lambda: directory.locate(shop_id),
        lambda: directory.assign(shop_id, 1),
        lambda: directory.assign_many({6: 1, shop_id: 1}),
        lambda: directory.compare_and_set(shop_id, Route(1, 1), 2),
    ):
        with pytest.raises(InvalidShop, match="is no shop"):
            ask()
    assert directory.shops_of(1) == [0, 5]


def test_the_largest_shop_is_a_shop_and_the_last(directory: Directory) -> None:
    largest = 2**63 - 1
    assert directory.assign(largest, 1) == Route(1, 1)
    assert directory.compare_and_set(largest, Route(1, 1), 2) == Route(2, 2)
    assert directory.locate(largest) == Route(2, 2)
    with pytest.raises(ExtentConflict):
        directory.add_extent(largest, largest + 1, 1)
    with pytest.raises(ExtentConflict):
        directory.allocate_shop([Pod(1, "sqlite:///x.db", "redis://h:1/0")])
