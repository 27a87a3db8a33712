"""A pod's shard as iteration uses it: what is remembered there, and the transactions in which runs work.

Owns: `IterationShard`. Promises: whatever is written for a run of a shop is written in transactions of that
shop, on this pod, under its fence; a run of the pod works in transactions of the pod, and its leases change
by single statements. Nothing is connected, and no ORM loaded, before it is used. Leaves to others: the
statements (`runs`, `partitions`, `leases`, `quarantine`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, select

from podwork.errors import ConfigurationError, StaleEpoch
from podwork.interfaces import Clock, SystemClock
from podwork_pods.fence import FenceState
from podwork_pods.fence import table as fences
from podwork_pods.iteration.leases import Leases
from podwork_pods.iteration.left_out import LeftOut
from podwork_pods.iteration.partitions import Partitions
from podwork_pods.iteration.quarantine import Quarantine
from podwork_pods.iteration.runs import Runs
from podwork_pods.iteration.statements import FencedStatements, Statements

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
        self._single = single
        self._transactions = transactions

    def away(self, shop_ids: Collection[int]) -> set[int]:
        """Return those of these shops whose fence here is not open: they have left, or are on their way."""
        if not shop_ids:
            return set()
        column = fences.c
        query = select(column.shop_id).where(column.shop_id.in_(shop_ids), column.state != FenceState.OPEN)
        with self._statements.reading() as connection:
            return set(connection.execute(query).scalars())

    def leases(self, shop_id: int | None) -> Leases:
        """Return who holds what of the runs of this shop; None: of the pod's own."""
        return Leases(self._statements_of(shop_id), self.clock)

    def writing(self, shop_id: int | None) -> AbstractContextManager[Connection]:
        """Return a connection for one statement about a run, which commits by itself. Raises as `open`."""
        return self._statements_of(shop_id).writing()

    def open(self, shop_id: int | None) -> AbstractContextManager[Session]:
        """Open a transaction of a run: committed at the end of the block, rolled back if it raises.

        Raises as `shop_transaction` does: inside of a job its own epoch counts. StaleEpoch, too, if the shop
        is on another pod: its run's rows that stand here are not the run any more.
        """
        if shop_id is None:
            from podwork_pods.iteration.transactions import open_pod  # noqa: PLC0415 - it loads the ORM

            return open_pod(self._engine())
        if self._transactions is None:
            raise ConfigurationError(f"pod {self.pod_id} has no shops here", "compose it with a topology")
        return self._open_here(shop_id, self._transactions())

    @contextmanager
    def _open_here(self, shop_id: int, transactions: OpensShopTransactions) -> Iterator[Session]:
        """Open a transaction of the shop, if that is on this pod: outside of a job it follows the shop."""
        from podwork_pods.transaction import ShopSession  # noqa: PLC0415 - it loads the ORM

        with transactions.open(shop_id) as session:
            if isinstance(session, ShopSession) and session.fence.pod_id != self.pod_id:
                where = f"the shop is on pod {session.fence.pod_id}, the run on pod {self.pod_id}"
                raise StaleEpoch(shop_id, session.epoch, where)
            yield session

    def _statements_of(self, shop_id: int | None) -> Statements:
        if shop_id is None:
            return self._statements
        return FencedStatements(self.pod_id, self._single, partial(self.open, shop_id))
