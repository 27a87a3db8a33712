"""The life of one child: its incarnation, whether its lease surely holds, and whether it is to stop.

Owns: the three facts that every thread of a child asks, and the one way to end at once. Promises: `valid`
is judged by this machine's monotonic clock from before the renewal was asked for, so it ends no later than
the lease in Redis; a process that slept through its lease starts nothing when it wakes. Safety does not
hang on it: the scripts refuse whoever lost the lease. It only keeps a late process from running a job for
nothing.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

EXIT_DRAINED: Final = 0
EXIT_NOT_STARTED: Final = 1
EXIT_BROKEN: Final = 70
EXIT_LEASE_LOST: Final = 75
EXIT_HARD_LIMIT: Final = 76
EXIT_HATCHERY_LOST: Final = 77
EXITS: Final = {
    EXIT_DRAINED: "drained",
    EXIT_NOT_STARTED: "could not start",
    EXIT_BROKEN: "an error of its own",
    EXIT_LEASE_LOST: "lost its lease",
    EXIT_HARD_LIMIT: "a job ran past its hard time limit",
    EXIT_HATCHERY_LOST: "its hatchery died",
}
FLUSH_SECONDS: Final = 1.0
LEASE_POLL_SECONDS: Final = 0.05

log = logging.getLogger("podwork.worker")


class Life:
    """One incarnation, shared by all threads of its process."""

    def __init__(
        self, incarnation: str, lease_seconds: float, *, end: Callable[[int], None] | None = None
    ) -> None:
        self.incarnation = incarnation
        self.lease_seconds = lease_seconds
        self.stopping = False
        self.is_leader = False
        """Whether this process does what one process of the pod does; only ever a matter of promptness."""
        self.left = False
        """Whether it gave its lease back by itself: who then finds it gone has not lost it."""
        self.valid_until = 0.0
        self._end = end or end_process

    def renewed(self, asked_at: float) -> None:
        """Take note that a renewal asked for at `asked_at` (monotonic) was granted."""
        self.valid_until = asked_at + self.lease_seconds

    def await_lease(self) -> None:
        """Return once the lease surely holds; without one no job may start."""
        while time.monotonic() > self.valid_until:
            time.sleep(LEASE_POLL_SECONDS)

    def lost(self) -> None:
        """End the process at once: its jobs were given to others, and whatever it still does is in vain."""
        if self.left:
            return  # the main thread is ending the process, in order
        log.error("%s lost its lease; its jobs were given back and it ends, to be replaced", self.incarnation)
        self._end(EXIT_LEASE_LOST)

    def broken(self, where: str) -> None:
        """End the process after an error of podwork's own; call it from the handler of the exception."""
        log.critical("%s: an error of its own; the process ends, to be replaced", where, exc_info=True)
        self._end(EXIT_BROKEN)


def end_process(code: int) -> None:
    """End without waiting for any thread, after what was logged is written.

    A thread that is stuck may hold the log's locks: the flush has a second, and not this thread's life.
    """
    flush = threading.Thread(target=logging.shutdown, daemon=True)
    flush.start()
    flush.join(FLUSH_SECONDS)
    os._exit(code)


class LifeThread(threading.Thread, ABC):
    """A daemon thread that ends its process, loudly, when an error of podwork's own escapes from it."""

    def __init__(self, name: str, life: Life) -> None:
        super().__init__(name=name, daemon=True)
        self.life = life

    def run(self) -> None:
        """Work until told to end."""
        try:
            self.work()
        except BaseException:  # a thread that dies in silence would hold its jobs for ever
            self.life.broken(self.name)

    @abstractmethod
    def work(self) -> None:
        """Do what the thread is for."""
