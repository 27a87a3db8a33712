"""Two shards side by side, for tests of tables that travel between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from podwork.settings import ShardSettings
from podwork_pods import fence
from podwork_pods.engines import make_engine
from podwork_pods.errors import ShardUnavailable
from podwork_pods.iteration import schema as runs_schema
from podwork_pods.mover.tables import blockers
from podwork_pods.mover.tables.blocker import Blocker
from podwork_pods.mover.tables.declaration import ShopTables
from podwork_pods.outbox import schema as outbox_schema
from tests.support.pods import sibling_database

SHOP, OTHER = 7, 8


class Sides:
    """A source and a target, each with a connection of its own."""

    def __init__(self, dialect: str, source: Connection, target: Connection) -> None:
        self.dialect = dialect
        self.source = source
        self.target = target

    def prepare(self) -> None:
        """Make podwork's own tables."""
        for connection in self.both:
            fence.table.create(connection)
            outbox_schema.create(connection)
            runs_schema.create(connection)
            connection.commit()

    @property
    def both(self) -> tuple[Connection, Connection]:
        return self.source, self.target

    @property
    def mark(self) -> str:
        return "?" if self.dialect == "sqlite" else "%s"

    def on_both(self, *statements: str) -> None:
        for connection in self.both:
            self.run(connection, *statements)

    def run(self, connection: Connection, *statements: str) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()

    def put(self, connection: Connection, table: str, *rows: tuple[Any, ...]) -> None:
        for row in rows:
            marks = ", ".join([self.mark] * len(row))
            connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", row)
        connection.commit()

    def fence(self, connection: Connection, state: str) -> None:
        row = {"shop_id": SHOP, "epoch": 1, "state": state, "mover_epoch": 0, "updated_at": 0.0}
        connection.execute(insert(fence.table), row)
        connection.commit()

    def blockers(self, *tables: Any) -> list[Blocker]:
        found = blockers.find(self.source, self.target, ShopTables(*tables), SHOP)
        for connection in self.both:
            connection.rollback()
        return list(found)

    def codes(self, *tables: Any) -> list[tuple[str, str]]:
        return [(blocker.code.value, blocker.table) for blocker in self.blockers(*tables)]


@contextmanager
def sides(dialect: str, folder: Path, mariadb_url: str = "") -> Iterator[Sides]:
    """Yield two shards of their own: files in the folder, or databases beside the URL's."""
    if dialect == "sqlite":
        urls = [f"sqlite:///{folder}/{name}.db" for name in ("source", "target")]
    else:
        urls = [sibling_database(mariadb_url, name) for name in ("source", "target")]
    settings = ShardSettings(lock_wait_seconds=2)
    engines = [
        make_engine(url, lambda why: ShardUnavailable(1, "a shard", why), settings, must_exist=False)
        for url in urls
    ]
    try:
        with engines[0].connect() as source, engines[1].connect() as target:
            yield Sides(dialect, source, target)
    finally:
        for engine in engines:
            engine.dispose()
