"""Numbers for new shops.

Owns: the open extent of each pod. Promises: a number is handed out once, whatever runs at the same time: the
row of the pod's open extent is locked while its next number is taken. Pods wait for one another only when an
extent is full. Leaves to others: which pods take new shops (`choose` is told).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from sqlalchemy import Connection, insert, select, update

from podwork.points import reach
from podwork_pods.directory import changes, extents, schema
from podwork_pods.errors import NoActivePod
from podwork_pods.pod import Pod, PodState

_TABLE = schema.allocations


def choose(pods: Sequence[Pod]) -> Pod:
    """Return an active pod, each with a probability in proportion to its weight.

    Raises:
        NoActivePod: none is active with a weight above 0.
    """
    candidates = [pod for pod in pods if pod.state is PodState.ACTIVE and pod.weight > 0]
    if not candidates:
        raise NoActivePod
    weights = [pod.weight for pod in candidates]
    return random.choices(candidates, weights)[0]  # noqa: S311 - spreads load, guards nothing


def take_number(connection: Connection, pod_id: int, extent_size: int) -> int:
    """Return the next number of the pod's open extent; opens another extent when it is full."""
    number = _take_from_open(connection, pod_id)
    if number is None:
        changes.lock(connection)
        # Another process may have opened one while we waited for the lock.
        number = _take_from_open(connection, pod_id)
    if number is None:
        reach("directory.opening_extent")
        number = _open(connection, pod_id, extent_size)
    return number


def _take_from_open(connection: Connection, pod_id: int) -> int | None:
    row = connection.execute(
        select(_TABLE.c.next_id, _TABLE.c.last_id).where(_TABLE.c.pod_id == pod_id).with_for_update()
    ).first()
    if row is None or row.next_id > row.last_id:
        return None
    connection.execute(update(_TABLE).where(_TABLE.c.pod_id == pod_id).values(next_id=row.next_id + 1))
    return int(row.next_id)


def _open(connection: Connection, pod_id: int, extent_size: int) -> int:
    extent = extents.add_next(connection, pod_id, extent_size)
    row = {"first_id": extent.first_id, "next_id": extent.first_id + 1, "last_id": extent.last_id}
    changed = connection.execute(update(_TABLE).where(_TABLE.c.pod_id == pod_id).values(row))
    if changed.rowcount == 0:
        connection.execute(insert(_TABLE).values(pod_id=pod_id, **row))
    return extent.first_id
