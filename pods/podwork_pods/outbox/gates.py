"""What a shard's fences know that an emptied Redis has forgotten: which shops left, or are leaving.

Owns: `Gates`. Promises: a gate that stands is left alone, whatever it says, because its mover knows more; so
this can be done at any time, and again. Leaves to others: gates that change (movers), and shops that never
moved (no gate).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from sqlalchemy import Engine, or_, select
from sqlalchemy.exc import DBAPIError

from podwork import keys
from podwork.interfaces import Route
from podwork.store import Store
from podwork_pods.driver_errors import is_missing_table
from podwork_pods.engines import reader
from podwork_pods.errors import ShardUnprepared
from podwork_pods.fence import FenceState, table

FIRST_EPOCH: Final = 1
PAGE_SHOPS: Final = 500


class Gates:
    """The gates of one pod, as its shard's fences have them.

    Args:
        pod_id: the pod. engine: gives its shard's engine. truth: the directory's `locate`.
    """

    def __init__(self, pod_id: int, engine: Callable[[], Engine], truth: Callable[[int], Route]) -> None:
        self._pod_id = pod_id
        self._engine = engine
        self._truth = truth

    def is_empty(self) -> bool:
        """Return whether no shop of this shard needs a gate."""
        return not self._page(-1, 1)

    def missing(self, store: Store) -> Iterator[tuple[int, str]]:
        """Yield (shop, gate) for each gate that is to stand and does not."""
        after = -1
        while fences := self._page(after, PAGE_SHOPS):
            after = fences[-1][0]
            there = store.command("HMGET", keys.GATE, *(shop_id for shop_id, _, _ in fences))
            for (shop_id, epoch, state), gate in zip(fences, there, strict=True):
                if gate is None:
                    yield shop_id, self._gate(shop_id, epoch, state)

    def restore(self, store: Store) -> int:
        """Set the gates that are missing; return how many."""
        # Only where there is none: a mover may be setting one at this moment.
        return sum(store.command("HSETNX", keys.GATE, shop_id, gate) for shop_id, gate in self.missing(store))

    def _gate(self, shop_id: int, epoch: int, state: str) -> str:
        if state == FenceState.OPEN:
            return f"open {epoch} {self._pod_id}"
        if state == FenceState.MOVED:
            route = self._truth(shop_id)
            if route.pod_id != self._pod_id:
                return f"moved {route.epoch} {route.pod_id}"
        return f"hold {epoch} {self._pod_id}"  # in the middle of a move: its mover goes on from here

    def _page(self, after: int, limit: int) -> list[tuple[int, int, str]]:
        columns = (table.c.shop_id, table.c.epoch, table.c.state)
        told = or_(table.c.epoch > FIRST_EPOCH, table.c.state != FenceState.OPEN)
        query = select(*columns).where(table.c.shop_id > after, told).order_by(table.c.shop_id).limit(limit)
        try:
            with reader(self._engine()).connect() as connection:
                return [(row.shop_id, row.epoch, row.state) for row in connection.execute(query)]
        except DBAPIError as error:
            if is_missing_table(error):
                raise ShardUnprepared(self._pod_id) from None
            raise
