"""What a child, its hatchery and its job processes say to one another, and the lines on which they say it.

Owns: the words and their framing (four bytes of length, then MessagePack); a word may carry one descriptor.
Promises: `hear` returns whole words only. Both ends are ours and answer at once, so a line blocks. Leaves to
others: what the words cause.
"""

from __future__ import annotations

import socket
from typing import Final, NamedTuple

import msgspec

_HEADER: Final = 4


class Errand(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """To the hatchery: fork a process for this job. The socket for the end of its run comes along."""

    incarnation: str
    shop: str
    job_id: str
    stored: bytes
    epoch: int
    """The one under which the fence admitted the run."""


class Kill(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """To the hatchery: kill the line's job process, if it has one, and what that started."""


class Hatched(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """From the hatchery: the process runs."""

    pid: int


class Stillborn(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """From the hatchery: there is no process, and why."""

    reason: str


class Died(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """From the hatchery: the process has ended. `status` as in `subprocess`: negative for a signal."""

    status: int


Word = Errand | Kill | Hatched | Stillborn | Died
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Word).decode


class Heard(NamedTuple):
    """A word, and the descriptor that came with it."""

    word: Word
    descriptor: int | None


class Line:
    """One end of a line; one thread hears on it, `say` is short enough to be one write."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def say(self, word: Word, descriptor: int | None = None) -> None:
        """Say a word. Raises OSError when nobody hears any more; then it was not heard as a whole."""
        message = framed(_encode(word))
        if descriptor is not None:
            sent = socket.send_fds(self._socket, [message], [descriptor])
            message = message[sent:]
        if message:  # nothing is sent after the last byte: it would fail for who has heard all, and died
            self._socket.sendall(message)

    def hear(self) -> Heard | None:
        """Return the next word; None: the other end is gone."""
        try:
            header, descriptors, _flags, _address = socket.recv_fds(self._socket, _HEADER, 1)
            header += self._exactly(_HEADER - len(header)) if header else b""
            body = self._exactly(int.from_bytes(header, "big")) if header else b""
        except OSError:
            return None
        if not body:
            return None
        return Heard(_decode(body), descriptors[0] if descriptors else None)

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(size - len(parts))
            if not part:
                raise ConnectionResetError("the line ended inside a word")
            parts += part
        return bytes(parts)


def framed(body: bytes) -> bytes:
    """Return the body with its length in front."""
    return len(body).to_bytes(_HEADER, "big") + body


def unframed(stream: bytes) -> bytes | None:
    """Return the first body of a stream; None: it is not whole."""
    end = _HEADER + int.from_bytes(stream[:_HEADER], "big")
    return stream[_HEADER:end] if _HEADER < end <= len(stream) else None


def line_pair() -> tuple[Line, Line]:
    """Return both ends of a new line."""
    ours, theirs = socket.socketpair()
    return Line(ours), Line(theirs)
