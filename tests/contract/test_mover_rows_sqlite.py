"""On SQLite a shop's rows are copied whole, under the closed fence."""

# ruff: noqa: E501 - statements are quoted as they are

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from podwork.interfaces import Route
from podwork.settings import ShardSettings
from podwork_pods.engines import make_engine
from podwork_pods.errors import FenceConflict, ShardUnavailable
from podwork_pods.fence import FenceState, ShardFence
from podwork_pods.fence import table as fence_table
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.errors import RowClash
from podwork_pods.mover.rows.plain import BATCH_ROWS, fill, purge
from podwork_pods.mover.tables import catalogue
from podwork_pods.mover.tables.declaration import ShopTables, joined, shop
from podwork_pods.mover.tables.table import MovedTable

SHOP, EPOCH, MOVER, SOURCE, TARGET = 7, 3, 40, 1, 2
PASSAGE = Passage(1, SHOP, SOURCE, TARGET, EPOCH, MOVER, 1)
DDL = (
    "CREATE TABLE orders (shop_id INTEGER NOT NULL, id INTEGER PRIMARY KEY, value BLOB, UNIQUE (shop_id, value))",
    "CREATE TABLE lines (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders (id), title TEXT)",
)
TABLES = ShopTables(shop("orders"), joined("lines", through="orders", on={"order_id": "id"}))
VALUES = [b"\x00\xff", "text é", 1.5, 2**62, None, "", b""]


class Stand:
    def __init__(self, folder: Path) -> None:
        self.engines = {pod: _engine(folder, pod) for pod in (SOURCE, TARGET)}
        self.fences = {
            pod: ShardFence(pod, lambda engine=engine: engine, lambda _shop: Route(SOURCE, EPOCH))  # type: ignore[misc]
            for pod, engine in self.engines.items()
        }
        for pod, engine in self.engines.items():
            with engine.begin() as connection:
                self.fences[pod].create_schema(connection)
                for statement in DDL:
                    connection.exec_driver_sql(statement)
        with self.engines[SOURCE].begin() as connection:
            self.tables: tuple[MovedTable, ...] = catalogue.read(connection, TABLES)
            rows = [
                (shop_id, 100 * shop_id + number, value)
                for shop_id in (7, 8)
                for number, value in enumerate(VALUES)
            ]
            connection.exec_driver_sql("INSERT INTO orders VALUES (?, ?, ?)", rows)
            lines = [(10_000 + number, 700 + number % 7, "mine") for number in range(BATCH_ROWS + 100)]
            connection.exec_driver_sql("INSERT INTO lines VALUES (?, ?, ?)", [*lines, (1, 800, "theirs")])
        self.put_fence(SOURCE, FenceState.CLOSED, EPOCH)
        self.put_fence(TARGET, FenceState.INCOMING, EPOCH + 1)

    def put_fence(self, pod: int, state: FenceState, epoch: int, mover: int = MOVER) -> None:
        with self.engines[pod].begin() as connection:
            connection.execute(fence_table.delete())
            row = {"shop_id": SHOP, "epoch": epoch, "state": state, "mover_epoch": mover, "updated_at": 0.0}
            connection.execute(insert(fence_table).values(row))

    def read(self, pod: int, statement: str) -> list[Any]:
        with self.engines[pod].connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]

    def fill(self) -> int:
        return fill(
            PASSAGE,
            self.tables,
            source=self.engines[SOURCE],
            source_fence=self.fences[SOURCE],
            target=self.engines[TARGET],
            target_fence=self.fences[TARGET],
        )


def _engine(folder: Path, pod: int) -> Engine:
    url = f"sqlite:///{folder / f'{pod}.db'}"
    return make_engine(url, lambda why: ShardUnavailable(pod, url, why), ShardSettings(), must_exist=False)


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = Stand(tmp_path)
    yield made
    for engine in made.engines.values():
        engine.dispose()


OURS = "SELECT *, typeof(value) FROM orders WHERE shop_id = 7 ORDER BY id"
LINES = "SELECT * FROM lines WHERE id >= 10000 ORDER BY id"


def test_a_shop_is_filled_whole_and_again(stand: Stand) -> None:
    with stand.engines[TARGET].begin() as connection:
        connection.exec_driver_sql("INSERT INTO orders VALUES (9, 9, 'theirs')")
        connection.exec_driver_sql("INSERT INTO orders VALUES (7, 7, 'left by an earlier try')")
        connection.exec_driver_sql("INSERT INTO lines VALUES (3, 7, 'left'), (4, 9, 'theirs')")
    for _ in range(2):
        assert stand.fill() == 7 + BATCH_ROWS + 100
        for statement in (OURS, LINES):
            assert stand.read(TARGET, statement) == stand.read(SOURCE, statement)
        assert stand.read(TARGET, "SELECT id FROM orders WHERE shop_id <> 7") == [(9,)]
        assert stand.read(TARGET, "SELECT id FROM lines WHERE id < 10000") == [(4,)]


@pytest.mark.parametrize(
    ("pod", "state", "epoch", "mover"),
    [
        (SOURCE, FenceState.OPEN, EPOCH, MOVER),
        (SOURCE, FenceState.CLOSED, EPOCH, MOVER + 1),
        (TARGET, FenceState.OPEN, EPOCH + 1, MOVER),
        (TARGET, FenceState.INCOMING, EPOCH + 1, MOVER + 1),
    ],
)
def test_nothing_is_filled_under_other_fences(
    stand: Stand, pod: int, state: FenceState, epoch: int, mover: int
) -> None:
    stand.put_fence(pod, state, epoch, mover)
    with pytest.raises(FenceConflict):
        stand.fill()
    assert stand.read(TARGET, "SELECT COUNT(*) FROM orders") == [(0,)]


def test_a_row_of_another_shop_is_never_replaced(stand: Stand) -> None:
    with stand.engines[TARGET].begin() as connection:
        connection.exec_driver_sql("INSERT INTO orders VALUES (9, 703, 'theirs')")
    with pytest.raises(RowClash, match="orders"):
        stand.fill()
    assert stand.read(TARGET, "SELECT * FROM orders") == [(9, 703, "theirs")]


def test_what_a_shop_left_is_deleted_and_nothing_else(stand: Stand) -> None:
    asked: list[int] = []
    arguments = (stand.engines[SOURCE], stand.fences[SOURCE], PASSAGE, stand.tables, lambda _what: None)
    with pytest.raises(FenceConflict):
        purge(*arguments, lambda: None)
    stand.put_fence(SOURCE, FenceState.PURGING, EPOCH)
    assert purge(*arguments, lambda: asked.append(1)) == 7 + BATCH_ROWS + 100
    assert len(asked) == 3
    assert stand.read(SOURCE, "SELECT DISTINCT shop_id FROM orders") == [(8,)]
    assert stand.read(SOURCE, "SELECT * FROM lines") == [(1, 800, "theirs")]


def test_what_it_left_in_a_table_without_rowid_is_deleted_too(stand: Stand) -> None:
    ddl = (
        "CREATE TABLE days (shop_id INTEGER, day TEXT, rowid TEXT, PRIMARY KEY (shop_id, day)) WITHOUT ROWID"
    )
    with stand.engines[SOURCE].begin() as shard:
        shard.exec_driver_sql(ddl)
        rows = [(shop_id, f"{day:04}", "same") for shop_id in (7, 8) for day in range(BATCH_ROWS + 1)]
        shard.exec_driver_sql("INSERT INTO days VALUES (?, ?, ?)", rows)
        declared = ShopTables(*TABLES, shop("days"))
        days = [table for table in catalogue.read(shard, declared) if table.name == "days"]
    stand.put_fence(SOURCE, FenceState.PURGING, EPOCH)
    arguments = (stand.engines[SOURCE], stand.fences[SOURCE], PASSAGE, days, lambda _what: None)
    assert purge(*arguments, lambda: None) == BATCH_ROWS + 1
    assert stand.read(SOURCE, "SELECT shop_id, COUNT(*) FROM days GROUP BY 1") == [(8, BATCH_ROWS + 1)]
