"""Which shops exist, over rows and extents together: lists and counts for people and for plans.

Owns: `page` and `count_by_pod`. Promises: a shop is listed on exactly the pod that `locate` would name.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from sqlalchemy import Connection, Row, func, select

from podwork_pods.directory import schema

_CHUNK = 1000


def page(connection: Connection, pod_id: int, after: int, limit: int) -> list[int]:
    """Return up to `limit` numbers above `after` of shops on the pod, in ascending order."""
    shops = schema.shops
    own = select(shops.c.shop_id).where(shops.c.pod_id == pod_id, shops.c.shop_id > after)
    rows = connection.execute(own.order_by(shops.c.shop_id).limit(limit)).scalars().all()
    covered = islice(_by_extent(connection, pod_id, after), limit)
    return list(islice(heapq.merge(rows, covered), limit))


def count_by_pod(connection: Connection) -> dict[int, int]:
    """Return how many shops each pod has; pods without shops are left out."""
    shops, extents = schema.shops, schema.extents
    counts: Counter[int] = Counter()
    for extent in _given_out(connection):
        counts[extent.pod_id] += extent.end - extent.first_id + 1
    with_rows = (
        select(extents.c.pod_id, func.count())
        .join_from(shops, extents, shops.c.shop_id.between(extents.c.first_id, extents.c.last_id))
        .group_by(extents.c.pod_id)
    )
    for pod_id, moved in connection.execute(with_rows):
        counts[pod_id] -= moved
    for pod_id, rows in connection.execute(select(shops.c.pod_id, func.count()).group_by(shops.c.pod_id)):
        counts[pod_id] += rows
    return {pod_id: count for pod_id, count in sorted(counts.items()) if count}


def _given_out(connection: Connection, pod_id: int | None = None) -> list[Row[int, int, int]]:
    """Return (pod_id, first_id, end): the extents up to the last number that was handed out."""
    extents, allocations = schema.extents, schema.allocations
    end = func.coalesce(allocations.c.next_id - 1, extents.c.last_id).label("end")
    query = (
        select(extents.c.pod_id, extents.c.first_id, end)
        .outerjoin_from(extents, allocations, allocations.c.first_id == extents.c.first_id)
        .order_by(extents.c.first_id)
    )
    if pod_id is not None:
        query = query.where(extents.c.pod_id == pod_id)
    return list(connection.execute(query).all())


def _by_extent(connection: Connection, pod_id: int, after: int) -> Iterator[int]:
    shops = schema.shops
    for extent in _given_out(connection, pod_id):
        low = max(extent.first_id, after + 1)
        while low <= extent.end:
            high = min(extent.end, low + _CHUNK - 1)
            with_rows = set(
                connection.execute(
                    select(shops.c.shop_id).where(shops.c.shop_id.between(low, high))
                ).scalars()
            )
            yield from (number for number in range(low, high + 1) if number not in with_rows)
            low = high + 1
