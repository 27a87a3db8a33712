"""`transaction=` in a test: jobs are kept until the transaction commits, and dropped if it does not.

Owns: `Transactions`, the test's `Outbox`. Promises: jobs that were pushed inside a session's savepoint go
with it; nothing is written to the database. It asks less than the shard's outbox: the session may be of any
database, only one of `shop_transaction` must be the shop's own. Leaves to others: SQLAlchemy itself, which
is used if the application has imported it, and never imported from here: the engine knows no SQL.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from podwork.errors import InvalidRoute
from podwork.parcel import Parcel

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session, SessionTransaction


class Kept(NamedTuple):
    """Jobs that wait for a commit, and the pod of those without a shop."""

    parcels: Sequence[Parcel]
    pod: int | None


class Transactions:
    """Keeps jobs for sessions and connections.

    Args:
        arrive: called with what was kept, after the commit; for a `Connection`, which does not tell when that
            is over, just before it.
    """

    def __init__(self, arrive: Callable[[Kept], None]) -> None:
        self._arrive = arrive
        self._sessions: WeakKeyDictionary[Session, _SessionJobs] = WeakKeyDictionary()
        self._connections: WeakKeyDictionary[Connection, list[Kept]] = WeakKeyDictionary()

    def add(self, transaction: object, parcels: Sequence[Parcel], pod: int | None) -> None:
        """Keep the jobs until the transaction commits. Raises InvalidRoute: it is none, or another shop's."""
        core, orm = sys.modules.get("sqlalchemy"), sys.modules.get("sqlalchemy.orm")
        if orm is not None and isinstance(transaction, orm.scoped_session):
            transaction = transaction()
        _check_shop(transaction, parcels)
        if orm is not None and isinstance(transaction, orm.Session):
            self._of_session(transaction).keep(transaction, Kept(parcels, pod))
        elif core is not None and isinstance(transaction, core.Connection):
            self._of_connection(transaction).append(Kept(parcels, pod))
        else:
            raise InvalidRoute(
                f"transaction={transaction!r} is none",
                "pass the session of shop_transaction(), or a Connection",
            )

    def _of_session(self, session: Session) -> _SessionJobs:
        jobs = self._sessions.get(session)
        if jobs is None:
            jobs = self._sessions[session] = _SessionJobs(self._arrive)
            _listen(session, after_commit=jobs.committed, after_transaction_end=jobs.ended)
        return jobs

    def _of_connection(self, connection: Connection) -> list[Kept]:
        kept = self._connections.get(connection)
        if kept is None:
            kept = self._connections[connection] = []

            def commits(_connection: Connection) -> None:
                jobs = kept.copy()
                kept.clear()
                for each in jobs:
                    self._arrive(each)

            _listen(connection, commit=commits, rollback=lambda _connection: kept.clear())
        return kept


class _SessionJobs:
    """What one session keeps, by the transaction or the savepoint in which it was pushed."""

    def __init__(self, arrive: Callable[[Kept], None]) -> None:
        self._arrive = arrive
        self._kept: dict[SessionTransaction, list[Kept]] = {}
        self._committed: list[Kept] = []

    def keep(self, session: Session, kept: Kept) -> None:
        if not session.in_transaction():
            session.begin()
        self._kept.setdefault(_innermost(session), []).append(kept)

    def committed(self, session: Session) -> None:
        """A savepoint hands its jobs on to what it is in; from the outermost they arrive, when it is over."""
        transaction = _innermost(session)
        jobs = self._kept.pop(transaction, [])
        if transaction.nested and transaction.parent is not None:
            self._kept.setdefault(_outer(transaction.parent), []).extend(jobs)
        else:
            self._committed += jobs

    def ended(self, _session: Session, transaction: SessionTransaction) -> None:
        """Drop what was not committed; let arrive what was, now that the connection is free again."""
        self._kept.pop(transaction, None)
        jobs, self._committed = self._committed, []
        for kept in jobs:
            self._arrive(kept)


def _innermost(session: Session) -> SessionTransaction:
    transaction = session.get_nested_transaction() or session.get_transaction()
    assert transaction is not None, "a transaction was begun"
    return transaction


def _outer(transaction: SessionTransaction) -> SessionTransaction:
    """Return the savepoint or the transaction in which a flush, which has one of its own, takes place."""
    while not transaction.nested and transaction.parent is not None:
        transaction = transaction.parent
    return transaction


def _check_shop(transaction: Any, parcels: Sequence[Parcel]) -> None:
    shop_id = getattr(transaction, "shop_id", None)  # of a session of shop_transaction
    for parcel in parcels:
        if shop_id is not None and parcel.shop_id != shop_id:
            raise InvalidRoute(
                f"{parcel.job_class}: a job for shop {parcel.shop_id} in a transaction of shop {shop_id}",
                "enqueue it in the shop's own transaction, or without transaction=",
            )


def _listen(target: Any, **listeners: Callable[..., None]) -> None:
    event = sys.modules["sqlalchemy"].event
    for name, listener in listeners.items():
        event.listen(target, name, listener)
