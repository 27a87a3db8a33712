"""A pod's shard as iteration uses it: what is remembered there, and the transactions in which runs work.

Owns: `IterationShard`. Promises: a run of a shop works in transactions of that shop, under its fence, and a
run of the pod in transactions of the pod; nothing is connected, and no ORM loaded, before it is used. Leaves
to others: the statements (`runs`, `partitions`, `quarantine`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from podwork.errors import ConfigurationError
from podwork.interfaces import Clock, SystemClock
from podwork_pods.iteration.partitions import Partitions
from podwork_pods.iteration.quarantine import Quarantine
from podwork_pods.iteration.runs import Runs

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from podwork_pods.current import OpensShopTransactions


class IterationShard:
    """The shard of one pod.

    Args:
        pod_id: the pod.
        engine: gives the shard's engine, for transactions.
        single: gives an engine of it that commits every statement by itself (`make_engine`).
        transactions: gives what opens transactions of shops; None: there are no shops.
        clock: dates what is written.
    """

    def __init__(
        self,
        pod_id: int,
        engine: Callable[[], Engine],
        single: Callable[[], Engine],
        transactions: Callable[[], OpensShopTransactions] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.pod_id = pod_id
        self.clock = clock or SystemClock()
        self.runs = Runs(pod_id, single, self.clock)
        self.partitions = Partitions(pod_id, single, self.clock)
        self.quarantine = Quarantine(pod_id, single, self.clock)
        self._engine = engine
        self._transactions = transactions

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
