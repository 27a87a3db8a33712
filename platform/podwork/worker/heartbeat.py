"""Keeps the lease: renews it three times within its length, from a thread and a connection of its own.

Owns: the renewal, what the process says of itself in Redis, and what it hears there: whether it leads the
pod, whether somebody's lease has expired, what it is told to do. Promises: nothing that jobs, claims or a
slow command do delays it but the interpreter's lock; a lost lease ends the process at once; trouble with
Redis is waited out, with attempts often enough to renew in time when it ends. Leaves to others: reclaiming
what others lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from podwork.errors import LeaseLost
from podwork.points import reach
from podwork.worker.life import Life, LifeThread
from podwork.worker.outage import TROUBLE, Outage, pause_seconds

if TYPE_CHECKING:
    from podwork.queues import Pulse, Queues

Fields = Mapping[str, str | int]


class Heartbeat(LifeThread):
    """The pulse of a child."""

    def __init__(
        self,
        queues: Queues,
        life: Life,
        outage: Outage,
        fields: Callable[[], Fields],
        heard: Callable[[Pulse], None],
    ) -> None:
        super().__init__("podwork-heartbeat", life)
        self._queues = queues
        self._outage = outage
        self._fields = fields
        self._heard = heard
        self._soon = threading.Event()

    def beat_soon(self) -> None:
        """Say at once what has changed (a child that turned quiet)."""
        self._soon.set()

    def work(self) -> None:
        """Renew for ever."""
        failures = 0
        while True:
            renewed = self.beat()
            failures = 0 if renewed else failures + 1
            self._soon.wait(self.life.lease_seconds / 3 if renewed else pause_seconds(failures))
            self._soon.clear()

    def beat(self) -> bool:
        """Renew once; answer whether Redis answered."""
        asked_at = time.monotonic()
        try:
            pulse = self._queues.heartbeat(self.life.incarnation, self._fields())
        except LeaseLost:
            self.life.lost()
            return False
        except TROUBLE as error:
            self._outage.began(error)
            return False
        self.life.renewed(asked_at)
        self.life.is_leader = pulse.leads
        self._outage.over()
        self._heard(pulse)
        reach("worker.renewed")
        return True
