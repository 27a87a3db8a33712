"""A pod's shard as iteration uses it: what is remembered there, and the transactions in which runs work.

Owns: `IterationShard`. Promises: a run of a shop works in transactions of that shop, under its fence, and a
run of the pod in transactions of the pod; nothing is connected, and no ORM loaded, before it is used. Leaves
to others: the statements (`runs`, `partitions`, `quarantine`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from sqlalchemy import Engine, select

from podwork.errors import ConfigurationError
from podwork.interfaces import Clock, SystemClock
from podwork_pods.fence import FenceState
from podwork_pods.fence import table as fences
from podwork_pods.iteration.left_out import LeftOut
from podwork_pods.iteration.partitions import Partitions
from podwork_pods.iteration.quarantine import Quarantine
from podwork_pods.iteration.runs import Runs
from podwork_pods.iteration.statements import Statements

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from podwork_pods.current import OpensShopTransactions
    from podwork_pods.mover.tables.declaration import ShopTables


class IterationShard:
    """The shard of one pod.

    Args:
        pod_id: the pod.
        engine: gives the shard's engine, for transactions.
        single: gives an engine of it that commits every statement by itself (`make_engine`).
        transactions: gives what opens transactions of shops; None: there are no shops.
        clock: dates what is written.
        tables: gives what the application says of its tables; None: nothing, so no shop can be left out.
    """

    def __init__(
        self,
        pod_id: int,
        engine: Callable[[], Engine],
        single: Callable[[], Engine],
        transactions: Callable[[], OpensShopTransactions] | None = None,
        clock: Clock | None = None,
        tables: Callable[[], ShopTables | None] | None = None,
    ) -> None:
        self.pod_id = pod_id
        self.tables = tables or (lambda: None)
        self.clock = clock or SystemClock()
        self.runs = Runs(pod_id, single, self.clock)
        self.partitions = Partitions(pod_id, single, self.clock)
        self.quarantine = Quarantine(pod_id, single, self.clock)
        self.left_out = LeftOut(pod_id, single)
        self._statements = Statements(pod_id, single)
        self._engine = engine
        self._transactions = transactions

    def away(self, shop_ids: Collection[int]) -> set[int]:
        """Return those of these shops whose fence here is not open: they have left, or are on their way."""
        if not shop_ids:
            return set()
        column = fences.c
        query = select(column.shop_id).where(column.shop_id.in_(shop_ids), column.state != FenceState.OPEN)
        with self._statements.reading() as connection:
            return set(connection.execute(query).scalars())

    def open(self, shop_id: int | None) -> AbstractContextManager[Session]:
        """Open a transaction of a run: committed at the end of the block, rolled back if it raises.

        Raises as `shop_transaction` does: inside of a job its own epoch counts.
        """
        if shop_id is None:
            from podwork_pods.iteration.transactions import open_pod  # noqa: PLC0415 - it loads the ORM

            return open_pod(self._engine())
        if self._transactions is None:
            raise ConfigurationError(f"pod {self.pod_id} has no shops here", "compose it with a topology")
        return self._transactions().open(shop_id)
