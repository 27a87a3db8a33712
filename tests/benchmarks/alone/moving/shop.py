"""The application whose shops move: orders with their lines, jobs that wait, and one that goes over lines.

Both tables have the shop's number, so that `mariadb-dump --where` has it as easy as it can be. Each shop has
ids of its own: the k-th row of shop s is `k * SHOPS_AT_MOST + s`, wherever it is written.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from podwork import App, Collection, Cursor, IterationJob
from podwork_pods import rows
from podwork_pods.mover.tables.declaration import ShopTables, shop
from tests.benchmarks.peers import protocol

SHOPS_AT_MOST: Final = 4_096
LINES_OF_AN_ORDER: Final = 4
WAITING: Final = "waiting"
"""A queue that no worker serves."""
SCHEMA: Final = (
    "CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, shop_id BIGINT NOT NULL, "
    "code VARCHAR(40) NOT NULL, customer VARCHAR(80) NOT NULL, state VARCHAR(12) NOT NULL, "
    "placed DATETIME(6) NOT NULL, total DECIMAL(12, 2) NOT NULL, UNIQUE KEY by_code (shop_id, code))",
    "CREATE TABLE order_lines (id BIGINT NOT NULL PRIMARY KEY, shop_id BIGINT NOT NULL, "
    "order_id BIGINT NOT NULL, sku VARCHAR(40) NOT NULL, title VARCHAR(120) NOT NULL, quantity INT NOT NULL, "
    "price DECIMAL(12, 2) NOT NULL, note VARCHAR(80) NULL, KEY by_shop (shop_id, id), "
    "KEY by_order (order_id))",
)
FILL: Final = (
    "INSERT INTO orders SELECT seq * {most} + {shop}, {shop}, CONCAT('{shop}-', seq), MD5(seq), 'paid', "
    "'2026-01-01' + INTERVAL seq SECOND, MOD(seq, 1000) FROM seq_1_to_{orders}",
    "INSERT INTO order_lines SELECT seq * {most} + {shop}, {shop}, "
    "(1 + (seq - 1) DIV {each}) * {most} + {shop}, LEFT(MD5(seq), 12), CONCAT(MD5(seq + 1), MD5(seq + 2)), "
    "1 + MOD(seq, 5), MOD(seq, 100), NULL FROM seq_1_to_{lines}",
)
tables = ShopTables(shop("orders"), shop("order_lines"))
app = App("moving-shops")
_PAUSE: Final = text("DO SLEEP(0.01)")
_ORDER = text(
    "INSERT INTO orders VALUES (:id, :shop, :code, 'someone new', 'paid', '2026-11-30 12:00:00.5', 12.5)"
)
_LINE = text("INSERT INTO order_lines VALUES (:id, :shop, :order, 'sku', 'a new line', 1, 12.5, NULL)")
_NOTE = text("UPDATE order_lines SET note = :note, quantity = quantity + 1 WHERE id = :id")


def orders_of(lines: int) -> int:
    """Return how many orders a shop with so many lines has."""
    return -(-lines // LINES_OF_AN_ORDER)


def fill(shop_id: int, lines: int) -> list[str]:
    """Return the statements that give a shop its rows."""
    words = {"most": SHOPS_AT_MOST, "each": LINES_OF_AN_ORDER, "orders": orders_of(lines)}
    return [statement.format(shop=shop_id, lines=lines, **words) for statement in FILL]


def line_id(shop_id: int, number: int) -> int:
    """Return the id of a shop's row."""
    return number * SHOPS_AT_MOST + shop_id


def order(session: Session, shop_id: int, number: int) -> None:
    """Place an order with one line."""
    row = line_id(shop_id, number)
    session.execute(_ORDER, {"id": row, "shop": shop_id, "code": f"{shop_id}-{number}"})
    session.execute(_LINE, {"id": row, "shop": shop_id, "order": row})


def note(session: Session, shop_id: int, number: int, words: str) -> None:
    """Change a line."""
    session.execute(_NOTE, {"id": line_id(shop_id, number), "note": words})


@app.job(name="wait", queue=WAITING)
def waits(shop_id: int, number: int) -> None:
    """Wait in its queue for as long as the measurement takes."""


@app.job(name="stamp-of-shop")
def stamp(shop_id: int, n: int, pushed_ns: int) -> None:
    """Note how long the job waited."""
    protocol.stamp(n, pushed_ns)


@app.job(name="go-over")
class GoOver(IterationJob):
    """Goes over lines for as long as a move takes: a transaction of 10 ms under the shop's fence for two."""

    batch_size = most_rows = 2

    def collection(self) -> Collection:
        """Go over the lines that are where the shop is."""
        return rows("order_lines", columns=("id",))

    def each_range(self, lo: Cursor, hi: Cursor) -> None:
        """Take 10 ms, which the database waits."""
        self.session.execute(_PAUSE)
