"""The switch of a shop from one pod to another: the commit point of a move.

Owns: `compare_and_set`. Promises: of those who expect the same route, one wins; the new epoch is the
expected one plus one, so epochs only grow (S2); the move's row, which the mover hands in as `also`, is
changed in the same transaction. Leaves to others: everything before and after (the mover).
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, insert, select, update

from podwork.interfaces import Route
from podwork_pods.directory import changes, extents, schema
from podwork_pods.directory.changes import NewChange
from podwork_pods.directory.extents import FIRST_EPOCH
from podwork_pods.errors import DirectoryConflict

_SHOPS = schema.shops


def compare_and_set(
    connection: Connection,
    shop_id: int,
    expected: Route,
    to_pod: int,
    now: float,
    also: Callable[[Connection], object] | None = None,
) -> Route:
    """Put the shop on `to_pod` if it is where it is expected; return its new route.

    Args:
        connection: of the transaction.
        shop_id: the shop. expected: where it is. to_pod: where it is to be.
        now: the wall time.
        also: what has to be true and written with it, such as the state of the shop's move: it is called
        under
            the log's lock, before the shop's row is changed. If it raises, nothing is changed.

    Raises:
        DirectoryConflict: the shop is elsewhere, at another epoch, or does not exist.
    """
    seq = changes.lock(connection)
    if also is not None:
        also(connection)
    route = Route(to_pod, expected.epoch + 1)
    if not (
        _change_row(connection, shop_id, expected, route) or _add_row(connection, shop_id, expected, route)
    ):
        raise DirectoryConflict(shop_id, expected, locate(connection, shop_id))
    changes.append(connection, seq, [NewChange(shop_id, expected.pod_id, route)], now)
    return route


def locate(connection: Connection, shop_id: int) -> Route | None:
    """Return the shop's route: its row's, else that of the extent that covers it."""
    row = connection.execute(
        select(_SHOPS.c.pod_id, _SHOPS.c.epoch).where(_SHOPS.c.shop_id == shop_id)
    ).first()
    if row is not None:
        return Route(row.pod_id, row.epoch)
    covering = extents.covering(connection, shop_id)
    return covering.route if covering is not None and covering.is_given_out else None


def _change_row(connection: Connection, shop_id: int, expected: Route, route: Route) -> bool:
    changed = connection.execute(
        update(_SHOPS)
        .where(
            _SHOPS.c.shop_id == shop_id,
            _SHOPS.c.pod_id == expected.pod_id,
            _SHOPS.c.epoch == expected.epoch,
        )
        .values(pod_id=route.pod_id, epoch=route.epoch)
    )
    return changed.rowcount == 1


def _add_row(connection: Connection, shop_id: int, expected: Route, route: Route) -> bool:
    """Give a row to a shop that only its extent knows. The log's lock keeps others from doing so too."""
    if expected.epoch != FIRST_EPOCH or locate(connection, shop_id) != expected:
        return False
    connection.execute(insert(_SHOPS).values(shop_id=shop_id, pod_id=route.pod_id, epoch=route.epoch))
    return True
