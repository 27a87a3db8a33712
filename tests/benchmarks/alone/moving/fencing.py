"""What the fence costs a shop's transaction: the same one with the check and without it, in turns.

One line is changed by its primary key, in a session of the shop, with a commit. Without the check everything
else stays as it is: the directory's cache, the session, what keeps statements in their transaction.
"""

from __future__ import annotations

import time
from typing import Any, Final

from podwork_pods.transaction import ShopTransactions
from tests.benchmarks.alone.moving import shop
from tests.benchmarks.alone.moving.pods import MovePods
from tests.benchmarks.harness.measured import Figures, percentile

TRANSACTIONS, FEWEST_TRANSACTIONS = 4_000, 400
BURST: Final = 100


class _NoFence:
    """Lets everything pass, and asks nobody."""

    def check(self, *_given: object) -> None:
        """Pass."""


def measure(pods: MovePods, shop_id: int, lines: int, scale: float) -> Figures:
    """Measure both."""
    topology, none = pods.platform.topology, _NoFence()
    without: Any = ShopTransactions(topology.cache, topology.connections.engine, lambda _pod: none)  # type: ignore[arg-type, return-value]
    times: dict[str, list[float]] = {"with": [], "without": []}
    bursts = max(FEWEST_TRANSACTIONS, int(TRANSACTIONS * scale)) // BURST
    for burst in range(bursts):
        turns = [("with", topology.transactions), ("without", without)]
        for name, transactions in turns if burst % 2 else turns[::-1]:
            times[name] += _burst(transactions, shop_id, lines)
    fenced, bare = (percentile(sorted(times[name]), 50) for name in ("with", "without"))
    return {
        "fence_transaction_p50_us": fenced,
        "fence_transaction_unchecked_p50_us": bare,
        "fence_overhead_p50_us": fenced - bare,
        "fence_overhead_share": fenced / bare - 1,
    }


def _burst(transactions: ShopTransactions, shop_id: int, lines: int) -> list[float]:
    """Return what each of some transactions took, in us."""
    times: list[float] = []
    for number in range(1, BURST + 1):
        began = time.perf_counter_ns()
        with transactions.open(shop_id) as session:
            shop.note(session, shop_id, 1 + number % lines, "fenced")
        times.append((time.perf_counter_ns() - began) / 1000)
    return times
