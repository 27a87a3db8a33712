"""Which shop or pod a transaction belongs to.

Owns: `Place` and `Places`. Promises: a shop's job is written only through the shop's own session, whose
transaction has passed the fence; a pod's job only on the pod's shard. Leaves to others: writing it
(`writing`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import UnboundExecutionError

from podwork.errors import InvalidRoute
from podwork_pods.pod import Pod

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class Place(NamedTuple):
    """Where a transaction writes: `shop_id` and `epoch` if it is a shop's, the pod, and the connection."""

    connection: Connection
    pod_id: int
    shop_id: int | None
    epoch: int


class Places:
    """Finds the place of what an application passes as `transaction=`.

    Args:
        pod_of: the pod whose shard an engine of ours leads to. pods: all pods, for engines that are not ours.
    """

    def __init__(self, pod_of: Callable[[Engine], int | None], pods: Callable[[], Iterable[Pod]]) -> None:
        self._pod_of = pod_of
        self._pods = pods

    def find(self, transaction: object) -> Place:
        """Return the place.

        Raises:
            InvalidRoute: it is no transaction, commits every statement by itself, or is on no pod's shard.
        """
        session = session_of(transaction)
        connection = _connection_of(transaction) if session is None else _connection_in(session)
        if _commits_by_itself(connection):
            raise InvalidRoute(
                "the transaction commits every statement by itself", "use one without autocommit"
            )
        place = None if session is None else _of_a_shop(session, connection)
        if place is not None:
            return place
        pod_id = self.pod_of(connection)
        if pod_id is None:
            raise InvalidRoute(
                f"the transaction is on {connection.engine.url!r}, which is no pod's shard",
                "use shop_transaction(), or the engine of the pod's shard",
            )
        return Place(connection, pod_id, None, 0)

    def pod_of(self, connection: Connection) -> int | None:
        """Return the pod on whose shard the connection is; None: on none."""
        pod_id = self._pod_of(connection.engine)
        if pod_id is not None:
            return pod_id
        there = _database(connection.engine.url)
        return next((pod.id for pod in self._pods() if _database(make_url(pod.shard_url)) == there), None)


def session_of(transaction: object) -> Session | None:
    """Return the session that the transaction is, or that it stands for in this thread; None: it is none."""
    if "sqlalchemy.orm" not in sys.modules:
        return None  # who has a session has loaded the ORM; nobody else pays for it
    from sqlalchemy.orm import Session, scoped_session  # noqa: PLC0415 - see above

    if isinstance(transaction, scoped_session):
        transaction = transaction()
    return transaction if isinstance(transaction, Session) else None


def _of_a_shop(session: Session, connection: Connection) -> Place | None:
    from podwork_pods.transaction import ShopSession  # noqa: PLC0415 - loads the ORM; here it is there

    if not isinstance(session, ShopSession):
        return None
    return Place(connection, session.fence.pod_id, session.shop_id, session.epoch)


def _connection_of(transaction: object) -> Connection:
    if isinstance(transaction, Connection):
        return transaction
    raise InvalidRoute(
        f"transaction={transaction!r} is none", "pass the session of shop_transaction(), or a Connection"
    )


def _connection_in(session: Session) -> Connection:
    try:
        return session.connection()
    except UnboundExecutionError:
        raise InvalidRoute("the session is bound to several engines", "pass one of its connections") from None


def _commits_by_itself(connection: Connection) -> bool:
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return True
    autocommits = getattr(connection.connection.dbapi_connection, "get_autocommit", None)
    return autocommits is not None and bool(autocommits())


def _database(url: URL) -> tuple[str, str, int | None, str]:
    """Return what makes two URLs lead to the same database; another name of the same host is another one."""
    backend = "sqlite" if url.get_backend_name() == "sqlite" else "mysql"
    return backend, url.host or "", url.port or (3306 if url.host else None), url.database or ""
