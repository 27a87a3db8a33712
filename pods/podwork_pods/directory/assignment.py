"""First assignments: shops whose numbers are known, put on a pod by their owner.

Owns: `assign`. Promises: all of them or none; a shop that is already on that pod counts as done, one that is
on another pod is a conflict, because leaving a pod takes a move. Leaves to others: new numbers
(`allocation`), ranges of numbers (`extents`), moves (`switch`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from sqlalchemy import Connection, insert, select

from podwork.interfaces import Route
from podwork_pods.directory import changes, extents, schema
from podwork_pods.directory.changes import NewChange
from podwork_pods.directory.extents import FIRST_EPOCH
from podwork_pods.errors import DirectoryConflict

_CHUNK = 1000


def assign(connection: Connection, pod_of: Mapping[int, int], now: float) -> int:
    """Assign each shop to its pod at the first epoch; return how many were new.

    Raises:
        DirectoryConflict: a shop is on another pod, or its number is reserved for new shops.
    """
    if not pod_of:
        return 0
    seq = changes.lock(connection)
    added = 0
    for chunk in _chunks(sorted(pod_of)):
        known = _known(connection, chunk, pod_of)
        new = [shop_id for shop_id in chunk if shop_id not in known]
        if new:
            _insert(connection, {shop_id: pod_of[shop_id] for shop_id in new}, seq + added, now)
            added += len(new)
    extents.keep_above(connection, max(pod_of))
    return added


def _known(connection: Connection, chunk: Sequence[int], pod_of: Mapping[int, int]) -> set[int]:
    shops = schema.shops
    rows = connection.execute(
        select(shops.c.shop_id, shops.c.pod_id, shops.c.epoch).where(shops.c.shop_id.in_(chunk))
    )
    found = {shop_id: Route(pod_id, epoch) for shop_id, pod_id, epoch in rows}
    found.update(_by_extent(connection, [shop_id for shop_id in chunk if shop_id not in found]))
    for shop_id, route in found.items():
        if route.pod_id != pod_of[shop_id]:
            raise DirectoryConflict(shop_id, Route(pod_of[shop_id], route.epoch), route)
    return set(found)


def _by_extent(connection: Connection, shop_ids: Sequence[int]) -> dict[int, Route]:
    table = schema.extents
    if not shop_ids:
        return {}
    near = select(table.c.first_id).where(table.c.first_id <= shop_ids[-1], table.c.last_id >= shop_ids[0])
    if connection.execute(near.limit(1)).first() is None:
        return {}
    found = {}
    for shop_id in shop_ids:
        covering = extents.covering(connection, shop_id)
        if covering is not None and not covering.is_given_out:
            raise DirectoryConflict(shop_id, None, None, "its number is reserved for a new shop")
        if covering is not None:
            found[shop_id] = covering.route
    return found


def _insert(connection: Connection, pod_of: Mapping[int, int], last_seq: int, now: float) -> None:
    rows = [
        {"shop_id": shop_id, "pod_id": pod_id, "epoch": FIRST_EPOCH} for shop_id, pod_id in pod_of.items()
    ]
    connection.execute(insert(schema.shops), rows)
    new = [NewChange(shop_id, None, Route(pod_id, FIRST_EPOCH)) for shop_id, pod_id in pod_of.items()]
    changes.append(connection, last_seq, new, now)


def _chunks(shop_ids: Sequence[int]) -> Iterator[list[int]]:
    numbers = iter(shop_ids)
    while chunk := list(islice(numbers, _CHUNK)):
        yield chunk
