"""An application whose shops trade while they move: what it writes can be told apart, attempt by attempt.

Every transaction of a shop takes the shop's next ticket, so that its orders are numbered without a gap in the
order in which they committed, wherever they did. A job ships: it counts its own runs, and, once, the shop's.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.orm import Session

from podwork import App, current_job
from podwork_pods import shop_transaction
from podwork_pods.mover.tables.declaration import ShopTables, joined, shop

SCHEMA = (
    "CREATE TABLE tickets (shop_id BIGINT NOT NULL PRIMARY KEY, number BIGINT NOT NULL, "
    "shipped BIGINT NOT NULL)",
    "CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, shop_id BIGINT NOT NULL, number BIGINT NOT NULL, "
    "attempt BIGINT NOT NULL, epoch BIGINT NOT NULL, note VARCHAR(80), UNIQUE (shop_id, number))",
    "CREATE TABLE order_lines (id BIGINT NOT NULL PRIMARY KEY, order_id BIGINT NOT NULL, "
    "title VARCHAR(80), FOREIGN KEY (order_id) REFERENCES orders (id))",
    "CREATE TABLE effects (shop_id BIGINT NOT NULL, job_id VARCHAR(64) NOT NULL, runs INT NOT NULL, "
    "epoch BIGINT NOT NULL, PRIMARY KEY (shop_id, job_id))",
)
tables = ShopTables(
    shop("tickets"),
    shop("orders"),
    joined("order_lines", through="orders", on={"order_id": "id"}),
    shop("effects"),
)
IDS_OF_A_SHOP = 1_000_000
"""Ids of orders are the shop's number times this, and the order's number."""

_TAKE = text("SELECT number FROM tickets WHERE shop_id = :shop FOR UPDATE")
_TAKEN = text("UPDATE tickets SET number = :number WHERE shop_id = :shop")
_ORDER = text("INSERT INTO orders VALUES (:id, :shop, :number, :attempt, :epoch, :attempt)")
_LINE = text("INSERT INTO order_lines VALUES (:id, :id, :attempt)")
_NOTE = text("UPDATE orders SET note = :attempt WHERE id = :id")
_UNLINE = text("DELETE FROM order_lines WHERE order_id = :id")
_EFFECT = text("INSERT IGNORE INTO effects VALUES (:shop, :job, 0, :epoch)")
_RUN = text("UPDATE effects SET runs = runs + 1, epoch = :epoch WHERE shop_id = :shop AND job_id = :job")
_SHIP = text("UPDATE tickets SET shipped = shipped + 1 WHERE shop_id = :shop")

app = App("trading-shop")


def trade(
    session: Session, shop_id: int, attempt: int, epoch: int, choose: Callable[[int], int]
) -> tuple[int, int]:
    """Write an order with a line, and change an earlier one; return the numbers of both (0: there was none).

    Every third attempt leaves the earlier order without its line. `choose`: an order from those before.
    """
    number = int(session.execute(_TAKE, {"shop": shop_id}).scalar_one()) + 1
    session.execute(_TAKEN, {"shop": shop_id, "number": number})
    values = {"id": _id(shop_id, number), "shop": shop_id, "number": number}
    session.execute(_ORDER, {**values, "attempt": attempt, "epoch": epoch})
    session.execute(_LINE, {"id": values["id"], "attempt": attempt})
    changed = choose(number - 1) if number > 1 else 0
    if changed:
        earlier = {"id": _id(shop_id, changed), "attempt": attempt}
        session.execute(_NOTE, earlier)
        session.execute(_UNLINE, {"id": earlier["id"]})
        if attempt % 3:
            session.execute(_LINE, earlier)
    return number, changed


@app.job(retry=50)
def ship(shop_id: int) -> None:
    """Count that this job ran, and, at its first run, that the shop has shipped once more."""
    job = current_job()
    assert job is not None
    values = {"shop": shop_id, "job": job.job_id, "epoch": job.epoch}
    with shop_transaction(shop_id) as session:
        is_first = bool(session.execute(_EFFECT, values).rowcount)  # type: ignore[attr-defined]
        session.execute(_RUN, values)
        if is_first:
            session.execute(_SHIP, {"shop": shop_id})


def _id(shop_id: int, number: int) -> int:
    return shop_id * IDS_OF_A_SHOP + number
