"""The demo application's tables, the same in every shard, on SQLite and on MariaDB.

Owns: `order_lines` (the input), `orders` and `daily_revenue` (what the jobs write). Every primary key begins
with `shop_id`, so that one shop's rows lie together and can be read, checked and moved alone.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Date, DateTime, Integer, MetaData, Table

metadata = MetaData()

_STORED_BY_KEY: dict[str, Any] = {"sqlite_with_rowid": False, "mysql_engine": "InnoDB"}


def _key(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def _amount(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


order_lines = Table(
    "order_lines",
    metadata,
    _key("shop_id"),
    _key("basket_id"),
    _key("product_id"),
    _amount("household_id"),
    _amount("quantity"),
    _amount("sales_cents"),
    _amount("retail_discount_cents"),
    _amount("coupon_discount_cents"),
    _amount("coupon_match_discount_cents"),
    Column("sold_at", DateTime, nullable=False),
    **_STORED_BY_KEY,
)

orders = Table(
    "orders",
    metadata,
    _key("shop_id"),
    _key("basket_id"),
    _amount("household_id"),
    Column("sold_on", Date, nullable=False),
    Column("line_count", Integer, nullable=False),
    _amount("item_count"),
    _amount("total_cents"),
    _amount("retail_discount_cents"),
    _amount("coupon_discount_cents"),
    _amount("coupon_match_discount_cents"),
    **_STORED_BY_KEY,
)

daily_revenue = Table(
    "daily_revenue",
    metadata,
    _key("shop_id"),
    Column("sold_on", Date, primary_key=True),
    Column("order_count", Integer, nullable=False),
    _amount("revenue_cents"),
    **_STORED_BY_KEY,
)
