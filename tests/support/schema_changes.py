"""Schema migrations for tests: written as functions, planned and run on one shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from podwork.settings import ShardSettings
from podwork_migrations.change.change_plan import ChangePlan
from podwork_migrations.change.planning import plan_change
from podwork_migrations.change.routes import Limits
from podwork_migrations.fingerprint.canonical import Schema, canonical
from podwork_migrations.migration import Kind, Migration
from podwork_pods.engines import make_engine
from podwork_pods.errors import ShardUnavailable

Up = Callable[[Any], object]
POD = 1


def migration(up: Up, down: Up | None = None, **declared: Any) -> Migration:
    """Return a schema migration that does this."""
    return Migration(
        "20260101000001", "change", Kind.SCHEMA, "0" * 64, Path("change.py"), up, down, **declared
    )


class Shard:
    """One database; every statement is committed by itself."""

    def __init__(self, url: str) -> None:
        def unavailable(why: str) -> ShardUnavailable:
            return ShardUnavailable(POD, "test", why)

        settings = ShardSettings(pool_size=10, lock_wait_seconds=5)
        self.engine: Engine = make_engine(url, unavailable, settings, must_exist=False, autocommit=True)
        self.transactions: Engine = make_engine(url, unavailable, settings, must_exist=False)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            yield connection
            if self.is_sqlite:
                connection.commit()

    def run(self, *statements: str) -> None:
        with self.connected() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})

    def column(self, query: str, values: Mapping[str, Any] | None = None) -> list[Any]:
        with self.connected() as connection:
            return list(connection.execute(text(query), dict(values or {})).scalars())

    def schema(self, *only: str) -> Schema:
        with self.connected() as connection:
            return canonical(connection, only or None)

    def plan(self, up: Up, limits: Limits | None = None, **options: Any) -> ChangePlan:
        """Return how a migration would be done here."""
        with self.connected() as connection:
            return plan_change(connection, migration(up), limits, **options)

    def tables(self) -> set[str]:
        """Return all tables, whosever they are."""
        query = (
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            if self.is_sqlite
            else "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
        )
        return set(self.column(query))

    def close(self) -> None:
        self.engine.dispose()
        self.transactions.dispose()
