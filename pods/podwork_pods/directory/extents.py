"""Extents: ranges of shop numbers that belong to one pod.

Owns: `Extent`, and what a number's extent says about it. Promises: extents never overlap, and never cover a
shop that was assigned by itself before. Leaves to others: handing out numbers (`allocation`).
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from podwork.interfaces import LARGEST_SHOP_ID, Route
from podwork_pods.directory import schema
from podwork_pods.errors import ExtentConflict, InvalidShop

FIRST_EPOCH = 1
"""The epoch of every shop from its assignment to its first cut-over."""


class Extent(NamedTuple):
    """Shops `first_id` to `last_id`, both included, are the pod's, except those with a row of their own."""

    first_id: int
    last_id: int
    pod_id: int


class Covering(NamedTuple):
    """The extent that covers a number, and whether the number was handed out."""

    extent: Extent
    is_given_out: bool

    @property
    def route(self) -> Route:
        """Where the shop is by its extent."""
        return Route(self.extent.pod_id, FIRST_EPOCH)


def check_number(shop_id: object) -> None:
    """Refuse what cannot be a shop. The database would take some of it for another: MariaDB "5x" for 5.

    Raises:
        InvalidShop: it is not an int from 0 to `LARGEST_SHOP_ID`.
    """
    if type(shop_id) is not int or not 0 <= shop_id <= LARGEST_SHOP_ID:
        raise InvalidShop(shop_id)


def covering(connection: Connection, shop_id: int) -> Covering | None:
    """Return the extent that covers the number."""
    extents, allocations = schema.extents, schema.allocations
    row = connection.execute(
        select(extents.c.first_id, extents.c.last_id, extents.c.pod_id, allocations.c.next_id)
        .outerjoin_from(extents, allocations, allocations.c.first_id == extents.c.first_id)
        .where(extents.c.first_id <= shop_id)
        .order_by(extents.c.first_id.desc())
        .limit(1)
    ).first()
    if row is None or row.last_id < shop_id:
        return None
    return Covering(
        Extent(row.first_id, row.last_id, row.pod_id),
        is_given_out=row.next_id is None or shop_id < row.next_id,
    )


def add(connection: Connection, extent: Extent) -> None:
    """Add an extent of numbers that exist; the log must be locked.

    Raises:
        ExtentConflict: it is empty, overlaps another one, or covers an assigned shop.
    """
    first_id, last_id, pod_id = extent
    if not 1 <= first_id <= last_id <= LARGEST_SHOP_ID:
        raise ExtentConflict(first_id, last_id, "a range goes upwards from 1, to 2**63 - 1 at most")
    extents, shops = schema.extents, schema.shops
    overlaps = select(extents.c.first_id).where(extents.c.first_id <= last_id, extents.c.last_id >= first_id)
    if connection.execute(overlaps.limit(1)).first() is not None:
        raise ExtentConflict(first_id, last_id, "the range overlaps another extent")
    assigned = select(shops.c.shop_id).where(shops.c.shop_id.between(first_id, last_id))
    if connection.execute(assigned.limit(1)).first() is not None:
        raise ExtentConflict(first_id, last_id, "a shop of the range is assigned by itself")
    connection.execute(insert(extents).values(first_id=first_id, last_id=last_id, pod_id=pod_id))
    keep_above(connection, last_id)


def add_next(connection: Connection, pod_id: int, size: int) -> Extent:
    """Add an extent above everything that is taken; the log must be locked."""
    row = select(schema.counters.c.value).where(schema.counters.c.name == schema.NEXT_SHOP)
    first_id = int(connection.execute(row.with_for_update()).scalar_one())
    extent = Extent(first_id, first_id + size - 1, pod_id)
    add(connection, extent)
    return extent


def keep_above(connection: Connection, shop_id: int) -> None:
    """Note that numbers up to `shop_id` are taken; the log must be locked."""
    counters = schema.counters
    connection.execute(
        update(counters)
        .where(counters.c.name == schema.NEXT_SHOP, counters.c.value <= shop_id)
        .values(value=min(shop_id + 1, LARGEST_SHOP_ID))
    )
