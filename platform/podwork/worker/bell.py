"""A bell: any thread rings it, and the one thread that waits on it returns.

Owns: a pipe, and whether it was rung. Promises: a ring is never lost, whenever it comes; while nobody sleeps
a ring costs no system call. Leaves to others: what else is waited for in the same poll.
"""

from __future__ import annotations

import os
import select


class Bell:
    """One bell; `ring` may be called by any thread, `wait` by one at a time."""

    def __init__(self) -> None:
        self._rung = False
        self._asleep = False
        self.number, self._writing = os.pipe()
        """What a poll has to look at; `wait` looks at nothing else."""
        os.set_blocking(self.number, False)
        os.set_blocking(self._writing, False)

    def ring(self) -> None:
        """Let the present or the next wait end."""
        # In this order, as `wait` looks in the other one: a system call is spared while nobody sleeps.
        if self._rung:
            return
        self._rung = True
        if self._asleep:
            os.write(self._writing, b"!")

    def wait(self, poll: select.poll, timeout_seconds: float | None) -> bool:
        """Return after a ring, when the poll finds something else (True), or when the time is over."""
        timeout_ms = None if timeout_seconds is None else timeout_seconds * 1000
        self._asleep = True
        ready = poll.poll(0 if self._rung else timeout_ms)
        self._asleep = self._rung = False
        found = False
        for number, _ in ready:
            if number == self.number:
                os.read(number, 64)
            else:
                found = True
        return found
