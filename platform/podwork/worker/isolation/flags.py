"""The wish to stop, in memory that a child shares with its hatchery and its job processes.

Owns: one byte for all jobs of the child, and one for each processor's job. Promises: a job asks without a
system call, as in a thread; a byte is set as a whole. Leaves to others: who sets them (`Isolation`), who asks
(the job's context).
"""

from __future__ import annotations

import mmap
from typing import Final

_ALL: Final = 0
_CANCELLED: Final = 1
_ASKED: Final = 2


class StopFlags:
    """Make it before the fork: the memory is anonymous, and only those forked afterwards have it."""

    def __init__(self, slots: int) -> None:
        self._bytes = mmap.mmap(-1, 1 + slots)

    def stop_all(self) -> None:
        """Ask every job of the child to end soon, also those that start later."""
        self._bytes[_ALL] = 1

    def cancel(self, slot: int) -> None:
        """Say that a person has cancelled the slot's job."""
        self._bytes[1 + slot] = _CANCELLED

    def ask(self, slot: int) -> None:
        """Ask the slot's job to end soon."""
        if not self.is_cancelled(slot):
            self._bytes[1 + slot] = _ASKED

    def clear(self, slot: int) -> None:
        """Forget what was said to the slot's last job."""
        self._bytes[1 + slot] = 0

    def is_cancelled(self, slot: int) -> bool:
        """Return whether the slot's job was cancelled."""
        return self._bytes[1 + slot] == _CANCELLED

    def should_stop(self, slot: int) -> bool:
        """Return whether the slot's job is asked to end soon."""
        return bool(self._bytes[_ALL]) or bool(self._bytes[1 + slot])
