"""Waits, in a thread of its own, for a push to one of the worker's queues.

Owns: the one blocking call. Promises: at most one wait is out at a time, only when asked for; every wait ends
with a call of `heard`, on a push, after `WAIT_SECONDS` (the safety net: a hint may get lost with the process
that took it) or after a failure. Leaves to others: claiming; a hint is not a job.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from podwork.worker.life import Life, LifeThread
from podwork.worker.outage import TROUBLE, Outage, pause_seconds

if TYPE_CHECKING:
    from podwork.queues import Queues

WAIT_SECONDS: Final = 10.0


class Listener(LifeThread):
    """The ear of a child."""

    def __init__(
        self,
        queues: Queues,
        queue_names: Sequence[str],
        life: Life,
        outage: Outage,
        heard: Callable[[bool], None],
    ) -> None:
        super().__init__("podwork-listener", life)
        self._queues = queues
        self._queue_names = queue_names
        self._outage = outage
        self._heard = heard
        self._requests: SimpleQueue[None] = SimpleQueue()
        self._listening = False

    def listen(self) -> None:
        """Begin to wait, unless a wait is out already. Called by one thread only."""
        if not self._listening:
            self._listening = True
            self._requests.put(None)

    def work(self) -> None:
        """Wait whenever asked to."""
        failures = 0
        while True:
            self._requests.get()
            pushed = False
            try:
                pushed = self._queues.wait(self._queue_names, WAIT_SECONDS)
                failures = 0
            except TROUBLE as error:
                self._outage.began(error)
                time.sleep(pause_seconds(failures))
                failures += 1
            self._listening = False
            self._heard(pushed)
