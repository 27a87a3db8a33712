"""What the dispatcher of a child waits on: a ring from its own process, or a message from its Redis.

Owns: the line on which pushes hand jobs to this incarnation, the bell, and the one wait for both. How work
finds an idle process: the claim that found nothing lists it as idle, in the same step; a later push claims
for it and publishes what it took on its channel (`scripts/parts/handing.lua`), so that a job starts one way,
not two round trips, after its push. Promises: a ring is never lost, whenever it comes; a line that ended is
reported once (`StoreUnavailable`), and then what was handed over meanwhile has to be adopted. Leaves to
others: claiming, adopting (`Manager`).
"""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, Final

from podwork.transitions import Handed, handed

if TYPE_CHECKING:
    from podwork.line import Line
    from podwork.store import Store


GLANCE_SECONDS: Final = 0.1
"""How long what was handed over just before a claim may lie unheard in a busy child."""


class Ear:
    """The ear of a child; `ring` may be called by any thread, the rest by the dispatcher only."""

    def __init__(self, store: Store, incarnation: str) -> None:
        self.channel = f"podwork:ear:{incarnation}"
        self._store = store
        self._incarnation = incarnation
        self._line: Line | None = None
        self._number = -1
        self._rung = False
        self._asleep = False
        self._heard = False
        self._glance_at = 0.0
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        self._poll = select.poll()
        self._poll.register(self._reading, select.POLLIN)

    def ring(self) -> None:
        """Let the present or the next wait end."""
        # In this order, as `wait` looks in the other one: a system call a job is spared while nobody sleeps.
        if self._rung:
            return
        self._rung = True
        if self._asleep:
            os.write(self._writing, b"!")

    def wait(self, timeout_seconds: float) -> None:
        """Return after a ring, when something can be heard, or when the time is over."""
        self._glance_at = time.monotonic() + GLANCE_SECONDS
        self._asleep = True
        ready = self._poll.poll(0 if self._rung else timeout_seconds * 1000)
        self._asleep = self._rung = False
        for number, _ in ready:
            if number == self._reading:
                os.read(self._reading, 64)
            else:
                self._heard = True

    def glance(self, *, often: bool) -> None:
        """Look for what can be heard, without waiting; unless `often`, only now and then.

        It lets other threads have the interpreter, and in a busy child, which is not listed as idle, nobody
        speaks.
        """
        if often or time.monotonic() >= self._glance_at:
            self.wait(0)

    def open(self) -> None:
        """Listen, if it does not yet. Raises StoreUnavailable, StoreRefused."""
        if self._line is None:
            self._line = self._store.listen(self.channel)
            self._number = self._line.fileno()
            self._poll.register(self._number, select.POLLIN)

    def hear(self) -> list[Handed]:
        """Return what the last wait heard, if anything. Raises StoreUnavailable: it listens no more."""
        if self._line is None or not self._heard:
            return []
        self._heard = False
        try:
            return [handed(self._incarnation, message) for message in self._line.hear()]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Listen no more; what was on its way is not heard."""
        if self._line is not None:
            self._poll.unregister(self._number)
            self._line.close()
            self._line = None
            self._heard = False
