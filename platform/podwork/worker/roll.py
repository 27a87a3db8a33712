"""Restarting the children one by one (HUP).

Owns: the order. For each child its successor is started first; when that is ready, the old one drains, and
only when the old one has ended the next begins. So the worker never runs with fewer than its children and
needs the memory of one more. A successor that dies before it is ready ends the roll, with the rest as it
was.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable

from podwork.worker.offspring import Offspring

log = logging.getLogger("podwork.worker")


class Roll:
    """A restart in progress, or none."""

    def __init__(self, birth: Callable[[], Offspring], drain_seconds: float) -> None:
        self._birth = birth
        self._drain_seconds = drain_seconds
        self._waiting: deque[Offspring] = deque()
        self._old: Offspring | None = None
        self._new: Offspring | None = None

    @property
    def under_way(self) -> bool:
        """Whether children remain to be restarted."""
        return bool(self._waiting) or self._old is not None

    def begin(self, children: Iterable[Offspring]) -> None:
        """Restart all of the children; a roll under way goes on with these."""
        self._waiting = deque(child for child in children if child is not self._old)

    def stop(self) -> None:
        """Forget what is left: the worker ends."""
        self._waiting.clear()
        self._old = self._new = None

    def left_by(self, child: Offspring, *, for_good: bool) -> None:
        """Take note that a child ends by itself: its successor takes its place now, or is not needed."""
        if child is self._old and self._new is not None:
            if for_good:
                self._new.drain(self._drain_seconds)
            else:
                self._new.counts = True
            self._old = self._new = None

    def advance(self) -> None:
        """Take the next step that is possible now."""
        if self._old is None:
            self._next()
        elif self._new is not None and self._new.status is not None and not self._new.ready:
            log.error("child %d died before it was ready; the restart stops here", self._new.pid)
            self.stop()
        elif self._new is not None and self._new.ready and not self._old.leaving:
            self._new.counts, self._old.counts = True, False
            self._old.drain(self._drain_seconds)
        elif self._old.status is not None:
            if self._new is not None:
                self._new.counts = True
            self._old = self._new = None

    def _next(self) -> None:
        while self._waiting:
            old = self._waiting[0]
            if old.status is None and not old.leaving:
                self._new = self._birth()  # may fail; then it is this child's turn again later
                self._new.counts = False
                self._old = self._waiting.popleft()
                log.info("child %d is to follow child %d", self._new.pid, old.pid)
                return
            self._waiting.popleft()
