"""Keeping writers out of a table for the moment in which it is renamed.

Owns: `writers_outside`. RENAME TABLE locks its names in the order of the alphabet, and the copy's come before
most tables'. A statement that has the table, and wants the copy for its triggers, and a RENAME that has the
copy, and wants the table, wait for one another: the server lets the statement begin again, and MariaDB 10.11
then runs it without the triggers for the way back (seen: some of the statements that waited were missing in
the old table); one in the middle of a transaction is ended with 1213. So another connection locks the table
against writers first; none of them is between two tables then. When RENAME waits for that lock it has all the
others, is the next in the line, and the lock is given up. A RENAME that does not wait at all
(`Journal.at_once`) needs none of that.
Promises: if anything of it fails, the locks end with the connection. Leaves to
others: the RENAME (`cutover`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from podwork.errors import PodworkError
from podwork.points import reach
from podwork_migrations.copy.journal import Journal
from podwork_migrations.copy.names import quoted
from podwork_migrations.errors import LockBusy
from podwork_pods.driver_errors import is_lock_timeout

_STATE: Final = text("SELECT state FROM information_schema.processlist WHERE id = :id")
_POLL_SECONDS: Final = 0.001


@contextmanager
def writers_outside(journal: Journal, table: str, wait_seconds: int) -> Iterator[None]:
    """Let nobody write to the table until the statement of the block waits for its lock.

    Raises LockBusy: those who write did not come to an end in time.
    """
    with journal.work.turn.looking() as connection:
        engine = connection.engine
        renaming = int(connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one())
    with engine.connect() as locking:
        locking.detach()  # its end is the lock's end
        locking.exec_driver_sql(f"SET SESSION lock_wait_timeout = {wait_seconds}")
        try:
            locking.exec_driver_sql(f"LOCK TABLES {quoted(table)} READ")
        except DBAPIError as error:
            if not is_lock_timeout(error):
                raise
            raise LockBusy(table, wait_seconds, journal.blockers_of(table)) from None
        reach("copy.locked")
        over = threading.Event()
        opener = threading.Thread(target=_open, args=(engine, locking, renaming, over, wait_seconds))
        opener.start()
        try:
            yield
        finally:
            over.set()
            opener.join()


def _open(
    engine: Engine, locking: Connection, renaming: int, over: threading.Event, wait_seconds: float
) -> None:
    """Give up the lock when the other connection waits for it, or after a while."""
    deadline = time.monotonic() + wait_seconds
    with suppress(DBAPIError, PodworkError):
        try:
            with engine.connect() as watching:
                while not over.is_set() and time.monotonic() < deadline:
                    if "metadata lock" in (watching.execute(_STATE, {"id": renaming}).scalar() or ""):
                        break
                    time.sleep(_POLL_SECONDS)
        finally:
            locking.exec_driver_sql("UNLOCK TABLES")
