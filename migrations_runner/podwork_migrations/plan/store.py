"""How the tables of plans are spoken to.

Owns: `PlanStore`: its engine on the directory's database, and the lock of all plans. Promises: whatever is
decided about plans (who may go, which wave is open, what halts) is decided in one transaction that holds that
lock, so that two who ask at the same time are answered one after the other; a deadlock is tried again; errors
are typed. One lock for all plans, and not one for each: pods that catch up with an older plan count among
those that migrate at the same time. Works on MariaDB, MySQL and SQLite alike, and over forks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.exc import DBAPIError

from podwork.errors import ConfigurationError
from podwork.interfaces import Clock, SystemClock
from podwork.points import reach
from podwork.settings import Settings, ShardSettings
from podwork_migrations.plan import schema
from podwork_pods.database_urls import flaw_of
from podwork_pods.driver_errors import is_deadlock, is_lock_timeout, is_missing_table
from podwork_pods.engines import create_tables, make_engine, reader
from podwork_pods.errors import DirectoryUnavailable
from podwork_pods.masking import mask_url
from podwork_pods.per_process import PerProcess

T = TypeVar("T")

_DEADLOCK_TRIES = 5
_LOCK = select(schema.counters.c.value).where(schema.counters.c.name == schema.PLANS).with_for_update()


class PlanStore:
    """The directory's database, as plans see it. Connects at first use.

    Every method may raise `DirectoryUnavailable`.

    Raises:
        ConfigurationError: the URL is not one of a database that podwork knows.
    """

    def __init__(self, url: str, settings: ShardSettings | None = None, clock: Clock | None = None) -> None:
        flaw = flaw_of(url)
        if flaw is not None:
            raise ConfigurationError(f"topology.directory_url: {flaw.what}", flaw.remedy)
        self._url = url
        self._settings = settings or ShardSettings()
        self.clock = clock or SystemClock()
        self._engine = PerProcess(lambda: make_engine(url, self._unavailable, self._settings))

    @classmethod
    def open(cls, settings: Settings) -> PlanStore:
        """Build it from settings."""
        return cls(settings.topology.directory_url, settings.shard)

    @property
    def engine(self) -> Engine:
        """This process's engine."""
        return self._engine.get()

    def prepare(self) -> None:
        """Make the tables that are missing; an SQLite file too."""
        engine = make_engine(self._url, self._unavailable, self._settings, must_exist=False)
        try:
            create_tables(engine, schema.create)
        finally:
            engine.dispose()

    def read(self, question: Callable[[Connection], T]) -> T:
        """Return the answer to a question that changes nothing."""
        try:
            with reader(self.engine).connect() as connection:
                return question(connection)
        except DBAPIError as error:
            raise self._explained(error) from None

    def write(self, change: Callable[[Connection], T]) -> T:
        """Make a change that decides nothing: it touches one pod's own rows, and takes no lock of others."""
        for _ in range(_DEADLOCK_TRIES):
            try:
                with self.engine.begin() as connection:
                    return change(connection)
            except DBAPIError as error:
                # The database undid the whole transaction: doing it again is safe.
                if not is_deadlock(error):
                    raise self._explained(error) from None
        raise self._unavailable("transactions kept deadlocking")

    def decide(self, decision: Callable[[Connection], T]) -> T:
        """Make a decision under the lock of all plans; those before us have committed."""

        def locked(connection: Connection) -> T:
            connection.execute(_LOCK).scalar_one()
            reach("plans.locked")
            return decision(connection)

        return self.write(locked)

    def close(self) -> None:
        """Close this process's connections; the next use opens new ones."""
        engine = self._engine.take()
        if engine is not None:
            engine.dispose()

    def _explained(self, error: DBAPIError) -> Exception:
        if is_missing_table(error):
            return self._unavailable(
                "it has no tables of plans: podctl local up, or PlanStore.prepare(), makes them"
            )
        if is_lock_timeout(error):
            return self._unavailable("another decision about plans has held its lock for too long")
        return error

    def _unavailable(self, why: str) -> DirectoryUnavailable:
        return DirectoryUnavailable(mask_url(self._url), why)


def next_number(connection: Connection) -> int:
    """Return the next plan's number; under the lock."""
    number = int(connection.execute(_LOCK).scalar_one()) + 1
    connection.execute(
        update(schema.counters).where(schema.counters.c.name == schema.PLANS).values(value=number)
    )
    return number
