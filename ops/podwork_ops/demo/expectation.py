"""What the orders and revenues must be: a straight aggregate of the input, made without the platform.

Owns: the truth that `check` compares with. Promises: it reads the input as published, amounts in dollars,
and shares no code with the loading or the jobs; the sums are rounded to cents at the end, which is exact
because every amount of the input is a whole number of cents.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import pyarrow as pa


class Order(NamedTuple):
    """One basket's order; amounts in cents."""

    household_id: int
    sold_on: date
    line_count: int
    item_count: int
    total_cents: int
    retail_discount_cents: int
    coupon_discount_cents: int
    coupon_match_discount_cents: int


class Revenue(NamedTuple):
    """One shop's revenue of one day, in cents."""

    order_count: int
    revenue_cents: int


@dataclass(frozen=True, slots=True)
class Expectation:
    """Orders by (shop_id, basket_id), revenue by (shop_id, day), and how many lines each shop has."""

    orders: dict[tuple[int, int], Order]
    revenue: dict[tuple[int, date], Revenue]
    lines: dict[int, int]


def aggregate(table: pa.Table) -> Expectation:
    """Aggregate the input's lines."""
    sold_on = table["transaction_timestamp"].cast(pa.timestamp("s"), safe=False).cast(pa.date32())
    dated = table.append_column("sold_on", sold_on)
    return Expectation(_orders(dated), _revenue(dated), _lines(dated))


def _orders(table: pa.Table) -> dict[tuple[int, int], Order]:
    summed = table.group_by(["store_id", "basket_id"]).aggregate(
        [
            ("household_id", "min"),
            ("sold_on", "min"),
            ("product_id", "count"),
            ("quantity", "sum"),
            ("sales_value", "sum"),
            ("retail_disc", "sum"),
            ("coupon_disc", "sum"),
            ("coupon_match_disc", "sum"),
        ]
    )
    values = zip(
        summed["household_id_min"].to_pylist(),
        summed["sold_on_min"].to_pylist(),
        summed["product_id_count"].to_pylist(),
        summed["quantity_sum"].to_pylist(),
        _cents(summed["sales_value_sum"]),
        _cents(summed["retail_disc_sum"]),
        _cents(summed["coupon_disc_sum"]),
        _cents(summed["coupon_match_disc_sum"]),
        strict=True,
    )
    return dict(zip(_keys(summed, "basket_id"), map(Order._make, values), strict=True))


def _revenue(table: pa.Table) -> dict[tuple[int, date], Revenue]:
    summed = table.group_by(["store_id", "sold_on"]).aggregate(
        [("basket_id", "count_distinct"), ("sales_value", "sum")]
    )
    values = zip(
        summed["basket_id_count_distinct"].to_pylist(), _cents(summed["sales_value_sum"]), strict=True
    )
    return dict(zip(_keys(summed, "sold_on"), map(Revenue._make, values), strict=True))


def _lines(table: pa.Table) -> dict[int, int]:
    counted = table.group_by("store_id").aggregate([("product_id", "count")])
    return dict(zip(counted["store_id"].to_pylist(), counted["product_id_count"].to_pylist(), strict=True))


def _keys(summed: pa.Table, second: str) -> Iterable[tuple[int, Any]]:
    return zip(summed["store_id"].to_pylist(), summed[second].to_pylist(), strict=True)


def _cents(dollars: pa.ChunkedArray) -> list[int]:
    return [round(amount * 100) for amount in dollars.to_pylist()]
