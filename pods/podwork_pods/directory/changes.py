"""The change log: every change of a shop's pod, in the order of the commits.

Owns: `Change`, and the one way to get sequence numbers. Promises: whoever has read up to number N has seen
every change up to N, and will see no lower one later. Why that needs a lock: numbers drawn from an
auto-increment may commit in another order than they were drawn; a tailer that sees 6 before 5 has committed
would go on from 6 and never see 5. Here the number comes from one row that stays locked until the commit, so
6 cannot be drawn, let alone commit, before 5 has committed or rolled back (then 5 is drawn again: no gaps).
The same row serialises every change to who owns what, so that these need no other lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from podwork.interfaces import Route
from podwork.points import reach
from podwork_pods.directory import schema

_TABLE = schema.changes
_COLUMNS = (
    _TABLE.c.seq,
    _TABLE.c.shop_id,
    _TABLE.c.from_pod_id,
    _TABLE.c.pod_id,
    _TABLE.c.epoch,
    _TABLE.c.changed_at,
)


class Change(NamedTuple):
    """One change: the shop belongs to `pod_id` from `epoch` on. `from_pod_id` is None for its first
    assignment.
    """

    seq: int
    shop_id: int
    from_pod_id: int | None
    pod_id: int
    epoch: int
    changed_at: float

    @property
    def route(self) -> Route:
        """Where the shop has been since."""
        return Route(self.pod_id, self.epoch)


class NewChange(NamedTuple):
    """A change that has no number yet."""

    shop_id: int
    from_pod_id: int | None
    route: Route


def lock(connection: Connection) -> int:
    """Lock the log until the transaction ends, wait for those before us, and return the last number."""
    row = select(schema.counters.c.value).where(schema.counters.c.name == schema.CHANGES)
    seq = int(connection.execute(row.with_for_update()).scalar_one())
    reach("directory.log_locked")
    return seq


def append(connection: Connection, last_seq: int, new: Sequence[NewChange], now: float) -> None:
    """Write the changes after `last_seq`, which `lock` returned in this transaction."""
    rows = [
        {
            "seq": last_seq + number,
            "shop_id": change.shop_id,
            "from_pod_id": change.from_pod_id,
            "pod_id": change.route.pod_id,
            "epoch": change.route.epoch,
            "changed_at": now,
        }
        for number, change in enumerate(new, 1)
    ]
    connection.execute(insert(_TABLE), rows)
    counter = update(schema.counters).where(schema.counters.c.name == schema.CHANGES)
    connection.execute(counter.values(value=last_seq + len(rows)))


def since(connection: Connection, seq: int, limit: int) -> list[Change]:
    """Return up to `limit` changes after number `seq`, in order."""
    rows = connection.execute(select(*_COLUMNS).where(_TABLE.c.seq > seq).order_by(_TABLE.c.seq).limit(limit))
    return [Change(*row) for row in rows]


def last(connection: Connection) -> int:
    """Return the number of the last committed change."""
    row = select(schema.counters.c.value).where(schema.counters.c.name == schema.CHANGES)
    return int(connection.execute(row).scalar_one())


def of_shop(connection: Connection, shop_id: int) -> list[Change]:
    """Return the shop's changes, in order."""
    rows = connection.execute(select(*_COLUMNS).where(_TABLE.c.shop_id == shop_id).order_by(_TABLE.c.seq))
    return [Change(*row) for row in rows]
