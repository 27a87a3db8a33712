"""Two shards on one server, between which a shop's rows are brought by hand.

`RowsStand` has a source and a target with the same tables and a fence each; `differing` compares the shop's
rows in a way of its own: every column's bytes, over a plain connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pymysql
from sqlalchemy import Engine, insert
from sqlalchemy.engine import make_url

from podwork.interfaces import Route
from podwork.settings import ShardSettings
from podwork_pods.engines import make_engine
from podwork_pods.errors import ShardUnavailable
from podwork_pods.fence import FenceState, ShardFence
from podwork_pods.fence import table as fence_table
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows import progress
from podwork_pods.mover.rows.passing import RowPassage
from podwork_pods.mover.rows.stream.tailer import Tailer
from podwork_pods.mover.tables import catalogue
from podwork_pods.mover.tables.declaration import ShopTables, joined, shop
from podwork_pods.mover.tables.table import MovedTable
from tests.support.pods import sibling_database

SHOP, OTHER = 7, 8
SOURCE, TARGET = 1, 2
EPOCH, MOVER = 3, 40

ORDERS = """CREATE TABLE orders (
    shop_id BIGINT NOT NULL, id BIGINT NOT NULL, code VARCHAR(40) NOT NULL, total DECIMAL(12,2), note TEXT,
    PRIMARY KEY (shop_id, id), UNIQUE KEY (id), UNIQUE KEY by_code (shop_id, code))"""
LINES = """CREATE TABLE order_lines (
    id BIGINT NOT NULL PRIMARY KEY, order_id BIGINT NOT NULL, title VARCHAR(80), KEY (order_id))"""
SHOP_TABLES = ShopTables(shop("orders"), joined("order_lines", through="orders", on={"order_id": "id"}))


class RowsStand:
    """A source and a target."""

    def __init__(
        self, url: str, ddl: Sequence[str] = (ORDERS, LINES), declaration: ShopTables = SHOP_TABLES
    ) -> None:
        self.urls = {SOURCE: url, TARGET: sibling_database(url, "target")}
        self.engines = {pod: _engine(pod, url) for pod, url in self.urls.items()}
        self.fences = {
            pod: ShardFence(pod, lambda engine=engine: engine, lambda _shop: Route(SOURCE, EPOCH))  # type: ignore[misc]
            for pod, engine in self.engines.items()
        }
        self.tailer = Tailer(SOURCE, self.engines[SOURCE])
        self._made: list[RowPassage] = []
        for pod, engine in self.engines.items():
            for statement in ddl:
                self.run(statement, pod=pod)
            with engine.begin() as connection:
                self.fences[pod].create_schema(connection)
                progress.create_schema(connection)
        with self.engines[SOURCE].connect() as connection:
            self.tables: tuple[MovedTable, ...] = catalogue.read(connection, declaration)
        self.put_fence(SOURCE, FenceState.OPEN, EPOCH)
        self.put_fence(TARGET, FenceState.INCOMING, EPOCH + 1, MOVER)

    def passage(self, mover: int = MOVER) -> Passage:
        return Passage(1, SHOP, SOURCE, TARGET, EPOCH, mover, 1)

    def rows(self, mover: int = MOVER, **options: Any) -> RowPassage:
        made = RowPassage(
            self.passage(mover),
            self.tables,
            source=self.engines[SOURCE],
            target=self.engines[TARGET],
            fence=self.fences[TARGET],
            tailer=options.pop("tailer", self.tailer),
            **options,
        )
        self._made.append(made)
        return made

    def put_fence(self, pod: int, state: FenceState, epoch: int, mover: int = 0, shop_id: int = SHOP) -> None:
        with self.engines[pod].begin() as connection:
            connection.execute(fence_table.delete().where(fence_table.c.shop_id == shop_id))
            row = {
                "shop_id": shop_id,
                "epoch": epoch,
                "state": state,
                "mover_epoch": mover,
                "updated_at": 0.0,
            }
            connection.execute(insert(fence_table).values(row))

    def run(self, statement: str, values: Any = None, pod: int = SOURCE) -> int:
        with plain(self.urls[pod]) as cursor:
            return int(cursor.execute(statement, values))

    def read(self, statement: str, pod: int = SOURCE) -> list[tuple[Any, ...]]:
        with plain(self.urls[pod]) as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def differing(self) -> list[str]:
        """Name the tables whose rows of the shop differ between the pods."""
        return [
            table.name for table in self.tables if self._bytes(table, SOURCE) != self._bytes(table, TARGET)
        ]

    def _bytes(self, table: MovedTable, pod: int) -> list[tuple[Any, ...]]:
        names = [name for name in table.column_names if name not in dict(table.rewritten)]
        floats = {column.name for column in table.columns if column.type in ("float", "double")}
        places = {name: "t.`" + name.replace("`", "``") + "`" for name in names}
        columns = ", ".join(f"{place} + 0e0" if name in floats else place for name, place in places.items())
        with plain(self.urls[pod], as_bytes=True) as cursor:
            cursor.execute(f"SELECT {columns} FROM `{table.name}` AS t WHERE {table.of_shop('t') % SHOP}")
            return sorted(cursor.fetchall(), key=repr)

    def close(self) -> None:
        for made in self._made:
            made.close()
        self.tailer.close()
        for engine in self.engines.values():
            engine.dispose()


def noop(_what: str) -> None:
    """A pulse that lets everything go on."""


@contextmanager
def plain(url: str, *, as_bytes: bool = False) -> Iterator[Any]:
    """Yield a cursor of a connection of its own, which commits every statement."""
    parsed = make_url(url)
    connection = pymysql.connect(
        host=parsed.host,
        port=parsed.port or 3306,
        user=parsed.username,
        database=parsed.database,
        autocommit=True,
        charset="utf8mb4",
    )
    try:
        cursor = connection.cursor()
        cursor.execute("SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'")
        if as_bytes:
            cursor.execute("SET NAMES binary")
            connection.use_unicode, connection.decoders = False, {}
        yield cursor
    finally:
        connection.close()


def _engine(pod: int, url: str) -> Engine:
    settings = ShardSettings(lock_wait_seconds=5)
    return make_engine(url, lambda why: ShardUnavailable(pod, "test", why), settings)
