"""A writer of one shop: `python -m tests.benchmarks.alone.moving.writer CONFIG SHOP LINES PER_SECOND`.

It commits as an application does, in shop transactions, wherever the directory says that the shop is: three
changes of a line anywhere, then an order with a line. PER_SECOND 0: one commit after the other (a closed
loop); otherwise so many at most. What is turned away is tried again after `AGAIN_SECONDS`, the shop's place
being read anew. The first request begins it, each further one is answered with what happened since: how many
commits were acknowledged, and the gaps of more than `SHORT_SECONDS` between two of them, by the wall clock.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from podwork.errors import ShopOnHold, StaleEpoch
from podwork.settings import load
from podwork_ops.composition import Platform, open_platform
from podwork_pods.driver_errors import is_deadlock, is_lock_timeout
from tests.benchmarks.alone.moving import shop
from tests.benchmarks.harness.conversation import serve

AGAIN_SECONDS = 0.002
SHORT_SECONDS = 0.004
_NEW_ORDER_EVERY = 4


class Writer:
    """Writes in a thread of its own."""

    def __init__(self, platform: Platform, shop_id: int, lines: int, per_second: float) -> None:
        self._platform = platform
        self._shop_id = shop_id
        self._lines = lines
        self._pause_seconds = 1 / per_second if per_second else 0.0
        self._chance = random.Random(shop_id)
        self._number = int(time.time()) * 10_000  # no writer before has used it
        self._lock = threading.Lock()
        self._begun = False
        self.forget()

    def forget(self) -> None:
        """Begin to count."""
        self._gaps: list[tuple[float, float]] = []
        self._commits, self._began = 0, time.time()

    def answer(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Begin, or say what happened since the last request."""
        if not self._begun:
            self._begun = True
            self._last = time.time()
            threading.Thread(target=self._work, daemon=True).start()
        with self._lock:
            said = {
                "commits": self._commits,
                "seconds": time.time() - self._began,
                "gaps": self._gaps,
                "now": time.time(),
            }
            self.forget()
        return said

    def _work(self) -> None:
        due = time.perf_counter()
        while True:
            self._commit()
            now = time.time()
            with self._lock:
                self._commits += 1
                if now - self._last > SHORT_SECONDS:
                    self._gaps.append((self._last, now))
                self._last = now
            if self._pause_seconds:
                due = max(due + self._pause_seconds, time.perf_counter() - self._pause_seconds)
                time.sleep(max(0.0, due - time.perf_counter()))

    def _commit(self) -> None:
        self._number += 1
        changed = self._chance.randint(1, self._lines)
        while True:
            try:
                with self._platform.topology.transactions.open(self._shop_id) as session:
                    if self._number % _NEW_ORDER_EVERY:
                        shop.note(session, self._shop_id, changed, f"changed {self._number}")
                    else:
                        shop.order(session, self._shop_id, self._number)
            except (ShopOnHold, StaleEpoch):
                self._platform.topology.cache.forget(self._shop_id)
                time.sleep(AGAIN_SECONDS)
            except Exception as error:
                if not (is_deadlock(error) or is_lock_timeout(error)):
                    traceback.print_exc()
                    os._exit(1)  # the harness reads why
            else:
                return


def main(config: Path, shop_id: int, lines: int, per_second: float) -> None:
    """Write until the harness hangs up."""
    with open_platform(load(file=config, environment={}).settings) as platform:
        serve(Writer(platform, shop_id, lines, per_second).answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
