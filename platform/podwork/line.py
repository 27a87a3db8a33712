"""A connection of its own on which a thread listens to one channel of a pod's Redis.

Owns: reading what is published. Promises: messages arrive in their order while the
connection lives; when it has ended, `hear` says so, and Redis counts nobody on the channel any more. It reads
the socket itself: the client asks it four questions before each message. Used by one thread. Leaves to
others: what a message means, connecting and asking (`Store`), and opening another line after this one.
"""

from __future__ import annotations

import ssl
from typing import Any, Final

import hiredis

from podwork.errors import StoreRefused, StoreUnavailable

MOST_READ_BYTES: Final = 65536
_NOTHING_YET: Final = (BlockingIOError, ssl.SSLWantReadError)


class Line:
    """One open line."""

    def __init__(self, connection: Any, address: str) -> None:
        """Take over a connection of the client's that has just asked to SUBSCRIBE; its class has no types.

        Raises:
            StoreUnavailable: no answer.
            StoreRefused: this user may not listen there.
        """
        self._connection = connection
        self._address = address
        self._socket = connection._sock  # the client has no public way to it
        self._reader = hiredis.Reader()
        try:
            while (answer := self._reader.gets()) is False:
                self._receive()
        except OSError as error:
            raise self._ended(error) from None
        if isinstance(answer, hiredis.ReplyError):
            self.close()
            raise StoreRefused(address, str(answer))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Return what to wait on until something can be heard."""
        return int(self._socket.fileno())

    def hear(self) -> list[bytes]:
        """Return the messages that have arrived, without waiting. Raises StoreUnavailable: it has ended."""
        try:
            self._receive()
            while self._pending():
                self._receive()
        except _NOTHING_YET:
            pass
        except OSError as error:
            raise self._ended(error) from None
        messages: list[bytes] = []
        while (answer := self._reader.gets()) is not False:
            if answer[0] == b"message":
                messages.append(answer[2])
        return messages

    def close(self) -> None:
        """End the line; what was on its way is not heard."""
        self._connection.disconnect()

    def _pending(self) -> int:
        """Return how much TLS has taken from the socket and not given out: no wait would tell."""
        return self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0

    def _receive(self) -> None:
        received = self._socket.recv(MOST_READ_BYTES)
        if not received:
            raise ConnectionResetError("it ended the connection")
        self._reader.feed(received)

    def _ended(self, error: OSError) -> StoreUnavailable:
        self.close()
        return StoreUnavailable(self._address, str(error))
