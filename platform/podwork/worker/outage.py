"""Trouble with Redis: said once when it begins, once when it is over, with growing pauses in between.

Owns: the growth of the pauses and the two log lines. One `Outage` is shared by the threads of a child, so
that ten processors do not say the same ten times. Leaves to others: what to do again, and when to give up.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import Final

from podwork.errors import StoreRefused, StoreUnavailable

TROUBLE: Final = (StoreUnavailable, StoreRefused)
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 2.0

log = logging.getLogger("podwork.worker")


class Outage:
    """What the threads of a child know together about the state of their Redis."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None

    @property
    def lasting(self) -> bool:
        """Whether the last words with Redis went wrong."""
        return self._since is not None

    def began(self, error: Exception) -> None:
        """Take note of a failure, and say so if it is the first."""
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()
                log.warning("%s; the worker keeps its results and tries again", error)

    def over(self) -> None:
        """Take note of an answer, and say so if it is the first after a failure."""
        if self._since is None:
            return
        with self._lock:
            if self._since is not None:
                lasted_seconds = time.monotonic() - self._since
                self._since = None
                log.warning("Redis answers again after %.1f s", lasted_seconds)


def pause_seconds(failures: int) -> float:
    """Return the pause after that many failures in a row: doubled each time, capped, spread by a half."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 16))
    return longest * (0.5 + random.random() / 2)  # noqa: S311 - spreads load, keeps no secret
