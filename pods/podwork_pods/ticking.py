"""Something done again and again by a small thread.

Owns: `Ticker`. Promises: what the act raises never ends the thread: it is logged when it begins to fail and
when it works again, not every time. The thread belongs to the process that made it; a forked child has none.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from podwork.errors import PodworkError

log = logging.getLogger(__name__)

_JOIN_SECONDS = 5.0


class Ticker:
    """Calls `act` every `interval_seconds` until closed; the first time after one interval, or at once if
    nudged.
    """

    def __init__(self, name: str, interval_seconds: float, act: Callable[[], None]) -> None:
        self._act = act
        self._interval_seconds = interval_seconds
        self._wake = threading.Event()
        self._closed = False
        self._failing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs in this process."""
        return self._thread.is_alive()

    def nudge(self) -> None:
        """Act now, in the thread."""
        self._wake.set()

    def close(self) -> None:
        """Stop; an act that runs is waited for; idempotent."""
        self._closed = True
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._wake.set()
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while True:
            self._wake.wait(self._interval_seconds)
            self._wake.clear()
            if self._closed:
                return
            try:
                self._act()
            except Exception as error:
                self._failed(error)
            else:
                if self._failing:
                    log.info("%s: works again", self._thread.name)
                self._failing = False

    def _failed(self, error: Exception) -> None:
        if not self._failing:
            unexpected = None if isinstance(error, PodworkError) else error
            log.warning("%s: %s", self._thread.name, error, exc_info=unexpected)
        self._failing = True
