"""The check of the backfill: every line's net price against the input, to the cent.

Owns: `check_net_prices`. Promises: it reads the input as published, amounts in dollars, and shares no code
with the job. A line that was done twice has twice its price, and one that was left out has none. Leaves to
others: that no line is missing, and that each lies in its shop's pod (`check`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from podwork_ops.demo.check import Finding

KEY = ("shop_id", "basket_id", "product_id")
PAGE_ROWS = 10_000

Line = tuple[int, int, int, int]
"""The key of a line, and its net price in cents."""


def check_net_prices(engine: Engine, table: pa.Table) -> Iterator[Finding]:
    """Yield each line of a shard whose net price is wrong; `table` has its lines as the input has them."""
    for found, expected in zip_longest(_found(engine), _expected(table)):
        if found == expected:
            continue
        if found is None or expected is None or found[:-1] != expected[:-1]:
            yield Finding("other lines", f"found {found}, expected {expected}; the rest is not compared")
            return
        where = "/".join(str(part) for part in found[:-1])
        yield Finding("wrong net price", f"{where}: {found[-1]} cents, expected {expected[-1]}")


def _found(engine: Engine) -> Iterator[Line]:
    columns = ", ".join((*KEY, "net_cents"))
    query = f"SELECT {columns} FROM order_lines ORDER BY {', '.join(KEY)}"  # noqa: S608 - ours
    with engine.connect() as connection:
        for page in connection.exec_driver_sql(query).partitions(PAGE_ROWS):
            yield from (tuple(row) for row in page)


def _expected(table: pa.Table) -> Iterator[Line]:
    coupons = pc.add(table["coupon_disc"], table["coupon_match_disc"])
    cents = pc.cast(pc.round(pc.multiply(pc.subtract(table["sales_value"], coupons), 100.0)), pa.int64())
    columns = {
        "shop_id": table["store_id"],
        "basket_id": table["basket_id"],
        "product_id": table["product_id"],
        "net_cents": cents,
    }
    lines = pa.table(columns).sort_by([(name, "ascending") for name in KEY])
    for batch in lines.to_batches(PAGE_ROWS):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
