"""SQLAlchemy engines for MariaDB, MySQL and SQLite, set up so that all three keep the same promises.

Owns: `make_engine`, `reader`, `reflecting`. Promises: MariaDB runs READ COMMITTED (a fence read sees what was
committed before it) with a bounded lock wait; SQLite runs WAL and takes the write lock when a transaction
begins, so that a transaction which read something may also write it. A server that cannot be reached, or is
lost in the middle, surfaces as the typed error that the caller gave, never with a password. Leaves to others:
which engine belongs to what (`connections`, `directory`, `registry`), and one engine per process
(`per_process`).
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, Connection, ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError

from podwork.errors import PodworkError
from podwork.settings import ShardSettings
from podwork_pods.driver_errors import is_already_there
from podwork_pods.errors import MissingDriver
from podwork_pods.masking import sweep

Unavailable = Callable[[str], PodworkError]
"""Makes the typed error from what the driver said."""

READS_ONLY = "podwork_reads_only"
"""Execution option: the transaction only reads; on SQLite it then does not wait for writers."""

LOCK_WAIT_SECONDS = "podwork_lock_wait_seconds"
"""Key of `Connection.info`: how long this connection waits for SQLite's write lock, if not as usual."""

# What SQLite says when the file is not there, is locked for longer than the wait, or is not a database.
_SQLITE_UNAVAILABLE = (
    "unable to open database file",
    "database is locked",
    "not a database",
    "disk i/o error",
)

_SERVER_STATUS_IN_TRANSACTION = 1
_OPEN = "podwork_open"
_RECYCLE_SECONDS = 1800
_CREATE_TRIES = 10
_ASK_AGAIN_SECONDS = (0.0005, 0.002)


def make_engine(
    url: str,
    unavailable: Unavailable,
    settings: ShardSettings,
    *,
    must_exist: bool = True,
    autocommit: bool = False,
) -> Engine:
    """Return an engine for the URL; nothing is connected yet.

    Args:
        url: an SQLAlchemy URL of SQLite, MariaDB or MySQL.
        unavailable: makes the error that is raised when the server cannot be reached or is lost.
        settings: time-outs and size of the pool.
        must_exist: a missing SQLite file is an error, not a new, empty database.
        autocommit: each statement is a transaction of its own, so that whoever is stopped between two of them
            holds no lock. On SQLite `begin` around one statement is as good.

    Raises:
        MissingDriver: the URL's driver is not installed.
    """
    parsed = make_url(url)
    try:
        if parsed.get_backend_name() == "sqlite":
            engine = _sqlite_engine(parsed, unavailable, settings, must_exist)
        else:
            engine = _mysql_engine(parsed, settings, autocommit)
    except ModuleNotFoundError as error:
        raise MissingDriver(parsed.drivername, str(error.name), "podwork[mysql]") from None
    _type_errors(engine, url, unavailable)
    return engine


def create_tables(engine: Engine, create: Callable[[Connection], object]) -> None:
    """Run `create`, which makes what is missing; again if another process made some of it meanwhile."""
    for tries_left in reversed(range(_CREATE_TRIES)):
        try:
            with engine.begin() as connection:
                create(connection)
            break
        except DBAPIError as error:
            if not (tries_left and is_already_there(error)):
                raise


def reader(engine: Engine) -> Engine:
    """Return a view of the engine, on the same pool, for transactions that only read."""
    return engine.execution_options(**{READS_ONLY: True})


@contextmanager
def reflecting(connection: Connection) -> Iterator[None]:
    """Look at tables with SQLAlchemy, and be told in our words of a connection that is lost after that.

    For MariaDB and MySQL its reflection sets an option on the connection, for good, with which no error is
    shown to those who translate them.
    """
    try:
        yield
    finally:
        connection.execution_options(skip_user_error_events=False)


def _mysql_engine(url: URL, settings: ShardSettings, autocommit: bool) -> Engine:
    engine = create_engine(
        url.update_query_dict({"charset": "utf8mb4"}),
        # As the engine's own, not as an option of a connection: setting that, SQLAlchemy lets the driver's
        # errors through as they are.
        isolation_level="AUTOCOMMIT" if autocommit else "READ COMMITTED",
        pool_size=settings.pool_size,
        max_overflow=-1,
        pool_recycle=_RECYCLE_SECONDS,
        pool_reset_on_return=None,
        connect_args={
            "connect_timeout": max(1, round(settings.connect_timeout_seconds)),
            # Without these a server that has gone silent keeps its threads for ever; connecting to it, too.
            "read_timeout": settings.read_timeout_seconds,
            "write_timeout": settings.read_timeout_seconds,
            "init_command": f"SET SESSION innodb_lock_wait_timeout={settings.lock_wait_seconds}",
        },
    )

    if engine.dialect.driver == "pymysql":
        from podwork_pods.handshake import QuickConnection  # noqa: PLC0415 - it brings the driver

        @event.listens_for(engine, "do_connect")
        def connect(_dialect: Any, _record: Any, given: Any, named: Any) -> Any:
            return QuickConnection(*given, **named)

    @event.listens_for(engine, "connect")
    def set_up(dbapi_connection: Any, _record: Any) -> None:
        if autocommit:
            with dbapi_connection.cursor() as cursor:
                cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")

    # The pool's own reset would send ROLLBACK after every COMMIT: one round trip for nothing. The driver's
    # word is not enough to leave it out: it learns nothing from a SELECT, and a locking one leaves a lock.
    @event.listens_for(engine, "begin")
    def opened(connection: Connection) -> None:
        connection.info[_OPEN] = True

    @event.listens_for(engine, "commit")
    @event.listens_for(engine, "rollback")
    def ended(connection: Connection) -> None:
        if not connection.invalidated:
            connection.info[_OPEN] = False

    @event.listens_for(engine, "reset")
    def roll_back_if_open(dbapi_connection: Any, record: Any, _state: Any) -> None:
        is_open = record is not None and record.info.pop(_OPEN, False)  # None: detached
        if is_open or in_transaction(dbapi_connection):
            dbapi_connection.rollback()

    return engine


def in_transaction(dbapi_connection: Any) -> bool:
    """Whether the driver knows of an open transaction; PyMySQL's as of the last answer that had no rows."""
    if isinstance(dbapi_connection, sqlite3.Connection):
        return dbapi_connection.in_transaction
    return bool(dbapi_connection.server_status & _SERVER_STATUS_IN_TRANSACTION)


def _sqlite_engine(url: URL, unavailable: Unavailable, settings: ShardSettings, must_exist: bool) -> Engine:
    engine = create_engine(
        url,
        pool_size=settings.pool_size,
        max_overflow=-1,
        connect_args={"timeout": settings.lock_wait_seconds, "check_same_thread": False},
    )

    @event.listens_for(engine, "do_connect")
    def check_file(_dialect: Any, _record: Any, _args: Any, _kwargs: Any) -> None:
        if must_exist and url.database and not Path(url.database).exists():
            raise unavailable(f"there is no file {url.database}")

    @event.listens_for(engine, "connect")
    def set_up(dbapi_connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself; `begin` below does, with the lock that we want.
        dbapi_connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            dbapi_connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads_only = connection.get_execution_options().get(READS_ONLY, False)
        # Through the driver, not through SQLAlchemy: a third of an empty transaction's price.
        dbapi_connection: Any = connection.connection.dbapi_connection
        wait_seconds = connection.info.get(LOCK_WAIT_SECONDS, settings.lock_wait_seconds)
        try:
            if reads_only:
                dbapi_connection.execute("BEGIN")
            else:
                _begin_immediate(dbapi_connection, wait_seconds)
        except sqlite3.OperationalError as error:
            raise unavailable(str(error)) from None

    return engine


def _begin_immediate(connection: sqlite3.Connection, wait_seconds: float) -> None:
    """Take the write lock, asking again after a millisecond or so: SQLite itself would sleep up to 100."""
    (usual_wait_ms,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout=0")
    deadline = time.monotonic() + wait_seconds
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(random.uniform(*_ASK_AGAIN_SECONDS))  # noqa: S311 - spreads waiters, guards nothing
    finally:
        connection.execute(f"PRAGMA busy_timeout={usual_wait_ms}")


def _type_errors(engine: Engine, url: str, unavailable: Unavailable) -> None:
    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        error = context.original_exception
        if _is_unavailable(context, error):
            raise unavailable(sweep(_said(error), url)) from None


def _is_unavailable(context: ExceptionContext, error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        return any(text in str(error).lower() for text in _SQLITE_UNAVAILABLE)
    return context.is_disconnect or (context.connection is None and context.sqlalchemy_exception is not None)


def _said(error: BaseException) -> str:
    """Return the driver's words: its errors are (code, text) or just a text."""
    words = [str(part) for part in error.args if isinstance(part, str) and part]
    return words[-1] if words else type(error).__name__
