"""Jobs written into the shard's outbox, in the transaction that makes them.

Owns: `ShardOutbox`, the engine's `Outbox`. Promises: the row stands in the application's own transaction, so
the job exists if and only if that commits; after the commit the pod's relay gets a hint, which costs the
application nothing and may fail. Leaves to others: bringing rows to Redis (`relay`), whose transaction it is
(`place`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, event, insert
from sqlalchemy.exc import DBAPIError

from podwork import record
from podwork.errors import InvalidRoute
from podwork.interfaces import Clock, SystemClock
from podwork.parcel import Parcel
from podwork.points import reach
from podwork_pods.driver_errors import is_missing_table
from podwork_pods.errors import ShardUnprepared
from podwork_pods.outbox.place import Place, Places, session_of
from podwork_pods.outbox.rows import write_locks
from podwork_pods.outbox.schema import outbox

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_PENDING = "podwork_outbox"
"""Key of a session's or connection's `info`: the pod to ring at after the commit."""


class ShardOutbox:
    """Writes jobs into the shard of the transaction that it is given.

    Args:
        places: finds whose transaction it is.
        ring: tells a pod's relay that there may be something; must return at once.
    """

    def __init__(self, places: Places, ring: Callable[[int], None], clock: Clock | None = None) -> None:
        self._places = places
        self._ring = ring
        self._clock = clock or SystemClock()

    def add(self, transaction: object, parcels: Sequence[Parcel], pod: int | None) -> None:
        """Write the jobs with the transaction: they are pushed if and only if it commits.

        Args:
            transaction: the session of `shop_transaction`; for work without a shop also any Session or
                Connection of SQLAlchemy on the pod's shard.
            parcels: the jobs. pod: where they belong, if they have no shop.

        Raises:
            InvalidRoute: it is another shop's or another pod's transaction, or none.
            ShardUnprepared: the shard has no outbox.
        """
        place = self._places.find(transaction)
        for parcel in parcels:
            _check(parcel, pod, place)
        now = self._clock.now()
        rows = [_row_of(parcel, place.epoch, now) for parcel in parcels]
        try:
            place.connection.execute(insert(outbox), rows if len(rows) > 1 else rows[0])
        except DBAPIError as error:
            if is_missing_table(error):
                raise ShardUnprepared(place.pod_id, outbox.name) from None
            raise
        reach("outbox.written")
        self._ring_after_commit(transaction, place)

    def _ring_after_commit(self, transaction: object, place: Place) -> None:
        session = session_of(transaction)
        if session is not None:
            session.info[_PENDING] = place.pod_id
            if not event.contains(session, "after_commit", self._session_committed):
                event.listen(session, "after_commit", self._session_committed)
        else:
            place.connection.info[_PENDING] = place.pod_id
            if not event.contains(place.connection, "commit", self._connection_commits):
                event.listen(place.connection, "commit", self._connection_commits)

    def _session_committed(self, session: Session) -> None:
        if not session.in_nested_transaction():  # a savepoint is no commit
            self._ring_at(session.info)

    def _connection_commits(self, connection: Connection) -> None:
        # SQLAlchemy tells of it before it commits; the relay looks again a little later if it finds nothing.
        self._ring_at(connection.info)

    def _ring_at(self, info: dict[Any, Any]) -> None:
        pod_id = info.pop(_PENDING, None)
        if pod_id is not None:
            reach("outbox.committed")
            self._ring(pod_id)


def _check(parcel: Parcel, pod: int | None, place: Place) -> None:
    if parcel.shop_id is not None and place.shop_id is None:
        raise InvalidRoute(
            f"{parcel.job_class}: the transaction has not passed the fence of shop {parcel.shop_id}",
            f"open shop_transaction({parcel.shop_id}) and pass its session",
        )
    if parcel.shop_id is not None and parcel.shop_id != place.shop_id:
        raise InvalidRoute(
            f"{parcel.job_class}: the job is shop {parcel.shop_id}'s, the transaction shop {place.shop_id}'s",
            "enqueue it in the shop's own transaction, or without transaction=",
        )
    if parcel.shop_id is None and pod != place.pod_id:
        raise InvalidRoute(
            f"{parcel.job_class}: the job is for pod {pod}, the transaction is on pod {place.pod_id}'s shard",
            "enqueue it in a transaction of that pod's shard, or without transaction=",
        )


def _row_of(parcel: Parcel, epoch: int, now: float) -> dict[str, Any]:
    extras = record.write_extras({**record.read_extras(parcel.extras), "o": "1"})
    return {
        "job_id": parcel.id,
        "shop_id": parcel.shop_id,
        "queue": parcel.queue,
        "due_ms": parcel.due_ms,
        "epoch": epoch,
        "record": parcel._replace(extras=extras).record(epoch),
        "locks": write_locks(parcel.locks),
        "at_most_once": int(parcel.at_most_once),
        "relayed": 0,
        "created": now,
    }
