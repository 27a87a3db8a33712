"""An application with one table of the shop's: orders, which jobs write."""

from __future__ import annotations

from sqlalchemy import text

from podwork import App
from podwork.context import current_job
from podwork_pods import shop_transaction
from podwork_pods.mover.tables.declaration import ShopTables, shop

app = App("shop_for_moves")
tables = ShopTables(shop("orders"))

ORDERS = "CREATE TABLE orders (id INTEGER PRIMARY KEY, shop_id BIGINT NOT NULL, paid INT NOT NULL DEFAULT 0)"


@app.job()
def pay(order: int) -> None:
    """Count that an order was paid."""
    job = current_job()
    assert job is not None
    assert job.shop_id is not None
    with shop_transaction(job.shop_id) as session:
        session.execute(text("UPDATE orders SET paid = paid + 1 WHERE id = :id"), {"id": order})
