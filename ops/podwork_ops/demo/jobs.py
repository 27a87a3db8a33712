"""The demo's application: a job that turns a basket's lines into an order, and a backfill over all lines.

Owns: the job `collect_order` and the iteration job `FillNetPrices`. Promises: the first may run any number of
times, and counts once: the order and the revenue are written in one transaction, and only the run that
inserted the order adds the revenue. The second does each line once, and would be found out if it did not: it
adds to the column that it fills. Workers load it with `--app podwork_ops.demo.jobs:app`.

The SQL of an order is written out: with 156,000 jobs, building statements would cost more than running them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, column, table, update

from podwork import App, Collection, Cursor, Held, IterationJob, Surroundings
from podwork_pods import Function, rows, shop_transaction
from podwork_pods.iteration.collections.keys import Key

app = App("demo")

KEY_COLUMNS = ("shop_id", "basket_id", "product_id")
CENTS = ("net_cents", "sales_cents", "coupon_discount_cents", "coupon_match_discount_cents")
LINES = table("order_lines", *map(column, (*KEY_COLUMNS, *CENTS)))
KEY = Key("order_lines", [LINES.c[name] for name in KEY_COLUMNS])
# The discount at the shelf is in the sales value already.
ADD_NET = update(LINES).values(
    net_cents=LINES.c.net_cents
    + LINES.c.sales_cents
    - LINES.c.coupon_discount_cents
    - LINES.c.coupon_match_discount_cents
)


BRAKES = "DEMO_BRAKES"
"""The environment variable that names a folder; a file in it holds a pod's backfill back."""


def brake(around: Surroundings) -> Held | None:
    """Hold a pod's backfill back until the demo has set its pace."""
    folder = os.environ.get(BRAKES)
    is_on = folder is not None and (Path(folder) / f"brake-{around.pod_id}").exists()
    return Held("is on", retry_seconds=0.1) if is_on else None


@app.job(queue="low")
class FillNetPrices(IterationJob):
    """Write what each line cost after coupons into its new column, range by range."""

    throttles = (Function("brake", brake),)

    def collection(self) -> Collection:
        """Return the lines of the pod, along their primary key."""
        return rows("order_lines", key=KEY_COLUMNS)

    def each_range(self, lo: Cursor, hi: Cursor, /) -> None:
        """Fill in the lines from one key to the other."""
        dialect = self.session.get_bind().dialect.name
        self.session.execute(ADD_NET.where(KEY.between(dialect, lo, hi)))


@app.job(queue="default")
def collect_order(shop_id: int, basket_id: int) -> None:
    """Write the order of one basket, and add it to its shop's revenue of the day."""
    with shop_transaction(shop_id) as session:
        write_order(session.connection(), shop_id, basket_id)


def write_order(connection: Connection, shop_id: int, basket_id: int) -> bool:
    """Write it inside the caller's transaction; False, and nothing is changed, if it was written before."""
    sql = _SQLITE if connection.dialect.name == "sqlite" else _MARIADB
    order = connection.exec_driver_sql(sql.add_up, (shop_id, basket_id)).one()
    sold_on, total_cents = order[1], order[4]
    inserted = connection.exec_driver_sql(sql.insert_order, (shop_id, basket_id, *order)).rowcount == 1
    if inserted:
        connection.exec_driver_sql(sql.add_revenue, (shop_id, sold_on, total_cents))
    return inserted


class _Statements(NamedTuple):
    """The job's three statements in the words of one database."""

    add_up: str
    insert_order: str
    add_revenue: str


_SQLITE = _Statements(
    add_up="""
        SELECT MIN(household_id), DATE(MIN(sold_at)), COUNT(*), SUM(quantity), SUM(sales_cents),
               SUM(retail_discount_cents), SUM(coupon_discount_cents), SUM(coupon_match_discount_cents)
        FROM order_lines WHERE shop_id = ? AND basket_id = ? HAVING COUNT(*) > 0""",
    insert_order="""
        INSERT OR IGNORE INTO orders
               (shop_id, basket_id, household_id, sold_on, line_count, item_count, total_cents,
                retail_discount_cents, coupon_discount_cents, coupon_match_discount_cents)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
    add_revenue="""
        INSERT INTO daily_revenue (shop_id, sold_on, order_count, revenue_cents) VALUES (?, ?, 1, ?)
        ON CONFLICT (shop_id, sold_on) DO UPDATE SET
            order_count = order_count + 1, revenue_cents = revenue_cents + excluded.revenue_cents""",
)
_IN_MARIADB = {
    "?": "%s",
    "INSERT OR IGNORE": "INSERT IGNORE",
    "ON CONFLICT (shop_id, sold_on) DO UPDATE SET": "ON DUPLICATE KEY UPDATE",
    "excluded.revenue_cents": "VALUES(revenue_cents)",
}


def _translate(statement: str) -> str:
    for ours, theirs in _IN_MARIADB.items():
        statement = statement.replace(ours, theirs)
    return statement


_MARIADB = _Statements(*map(_translate, _SQLITE))
