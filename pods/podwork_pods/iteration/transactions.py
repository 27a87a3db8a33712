"""Transactions of a pod's own runs, which have no shop and no fence.

Owns: `open_pod`. Promises: after a transaction was ended behind the session's back (a deadlock that the job
swallowed, DDL, COMMIT as text) the session runs no further statement: the next one would be in a transaction
without the lock on the partition, and the cursor would move past rows whose work was undone. Leaves to
others: transactions of shops (`podwork_pods.transaction`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session, SessionTransaction

from podwork_pods import unbroken


class PodSession(Session):
    """A session on the pod's shard."""


@event.listens_for(PodSession, "after_begin")
def _enclose(_session: PodSession, transaction: SessionTransaction, connection: Connection) -> None:
    if not transaction.nested:
        unbroken.enclose(connection, None)


@contextmanager
def open_pod(engine: Engine) -> Iterator[Session]:
    """Open a transaction: committed at the end of the block, rolled back if it raises."""
    session = PodSession(engine, expire_on_commit=False, close_resets_only=False)
    try:
        yield session
        session.commit()
    finally:
        session.close()
