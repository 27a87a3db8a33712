"""The demo's application: one job that turns a basket's lines into an order.

Owns: the job `collect_order`. Promises: it may run any number of times, and counts once: the order and
the revenue are written in one transaction, and only the run that inserted the order adds the revenue.
Workers load it with `--app podwork_ops.demo.jobs:app`.

The SQL is written out: with 156,000 jobs, building statements would cost more than running them.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from podwork import App
from podwork_pods import shop_transaction

app = App("demo")


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
