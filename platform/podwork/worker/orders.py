"""What one process is told, on its way from the thread that heard it to the main thread that obeys.

Owns: the hand-over. Promises: `put` never blocks and does nothing but wake the main thread, so that an order
that takes long costs no renewal of the lease; orders are taken in the order in which they were given. Leaves
to others: what they mean (`Child`), who gives them (`podwork.interventions`, `scripts/cancel.lua`,
`scripts/pause.lua`).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue


class Orders:
    """`quiet`, `resume`, `stop`, `dump`, `cancel {job id}` and `yield {shop}`, as they came."""

    def __init__(self) -> None:
        self._texts: SimpleQueue[str] = SimpleQueue()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def put(self, texts: Iterable[str]) -> None:
        """Hand over what a heartbeat heard."""
        for text in texts:
            self._texts.put(text)
            with suppress(BlockingIOError):  # it has been woken often enough
                self._writer.send(b"\0")

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._reader.fileno()

    def take(self) -> list[str]:
        """Return what has come."""
        with suppress(BlockingIOError):
            self._reader.recv(4096)
        taken = []
        with suppress(Empty):
            while True:
                taken.append(self._texts.get_nowait())
        return taken

    def close(self) -> None:
        """Close both ends of the wake-up."""
        self._reader.close()
        self._writer.close()
