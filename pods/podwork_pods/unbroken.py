"""Keeps a shop's session inside the transaction that passed the fence.

Owns: `watch` and `enclose`. Promises (S1): when the transaction ends behind the session's back, the session
runs no further statement until it is rolled back as a whole. That happens more often than one thinks: a
deadlock undoes everything, not only the statement that reports it; so does a full disk on SQLite; DDL, and
COMMIT as text, commit. The next statement would begin a transaction of its own, without the lock on the
fence, and a job that catches a deadlock and goes on would write while the shop moves. Leaves to others: the
fence (`fence`), when a session begins (`transaction`).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from podwork_pods.engines import in_transaction
from podwork_pods.errors import TransactionBroken

_ENCLOSED = "podwork_enclosed"


def watch(engine: Engine) -> None:
    """Look after what `enclose` names, over this engine."""
    event.listen(engine, "after_cursor_execute", _after_statement)
    event.listen(engine, "handle_error", _after_error)


def enclose(connection: Connection, shop_id: int | None) -> None:
    """Say that the connection is in a transaction of the shop, until the connection is given back.

    None: of the pod itself, which has no fence, and whose batches rest on other locks.

    Raises:
        TransactionBroken: it commits every statement by itself.
    """
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        raise TransactionBroken(shop_id, "autocommit was asked for")
    connection.execution_options(**{_ENCLOSED: (shop_id,)})


def _after_statement(connection: Connection, cursor: Any, *_: object) -> None:
    enclosed = connection.get_execution_options().get(_ENCLOSED)
    # An answer with rows does not say whether a transaction is open; but what ends one has no rows.
    if enclosed is None or cursor.description is not None:
        return
    if not in_transaction(connection.connection.dbapi_connection):
        connection.invalidate()
        [shop_id] = enclosed
        raise TransactionBroken(shop_id, "a statement committed it")


def _after_error(context: ExceptionContext) -> None:
    connection = context.connection
    if connection is None or context.is_disconnect or context.sqlalchemy_exception is None:
        return
    if _ENCLOSED in connection.get_execution_options() and not _is_still_open(connection):
        # SQLAlchemy then refuses the connection until the session is rolled back; the pool keeps its others.
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False


def _is_still_open(connection: Connection) -> bool:
    """Ask the database: an error does not say whether the transaction survived it."""
    dbapi_connection: Any = connection.connection.dbapi_connection
    try:
        if connection.dialect.name != "sqlite":
            with dbapi_connection.cursor() as cursor:
                cursor.execute("DO 0")
        return in_transaction(dbapi_connection)
    except connection.dialect.loaded_dbapi.Error:
        return False
