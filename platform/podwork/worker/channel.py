"""The two-way pipe between the supervisor and one child.

Owns: the messages, their framing (four bytes of length, then MessagePack) and the non-blocking socket.
Promises: neither `send` nor `receive` ever blocks. What the peer does not read is kept up to a bound; beyond
it `send` refuses and the caller keeps its own count (a tally goes on adding up). A dead peer is `closed`.
Leaves to others: waiting (select on `fileno()`), and what the messages cause.
"""

from __future__ import annotations

import socket
from typing import Final, Generic, TypeVar

import msgspec

from podwork.observation import Observation

BACKLOG_BYTES: Final = 256 * 1024
FRAME_BYTES: Final = 16 * 1024 * 1024
_HEADER: Final = 4


class Ready(msgspec.Struct, tag=True):
    """Child: registered in Redis, processors wait for jobs."""

    incarnation: str


class Beat(msgspec.Struct, tag=True):
    """Child, each second: alive, and how much it uses."""

    rss_bytes: int
    busy: int
    claims_ok: bool


class Observed(msgspec.Struct, tag=True):
    """Child, each second: what its processors did."""

    observation: Observation


class Fatal(msgspec.Struct, tag=True):
    """Child: it cannot work and never will; one line that says why."""

    reason: str


class Stopping(msgspec.Struct, tag=True):
    """Child: it drains and ends by itself. `for_good`: a person told it to, and nobody is to follow it."""

    why: str
    for_good: bool = False


class Quiet(msgspec.Struct, tag=True):
    """Supervisor: claim nothing more."""


class Resume(msgspec.Struct, tag=True):
    """Supervisor: claim again."""


class Drain(msgspec.Struct, tag=True):
    """Supervisor: give back what is unstarted, finish what runs in time, give back the rest, end."""


class GiveBack(msgspec.Struct, tag=True):
    """Supervisor: give back everything now, end."""


class Dump(msgspec.Struct, tag=True):
    """Supervisor: let your job processes write their stacks too."""


Report = Ready | Beat | Observed | Fatal | Stopping
Command = Quiet | Resume | Drain | GiveBack | Dump
M = TypeVar("M")


class Channel(Generic[M]):
    """One end; `M` is the union of messages that arrive at this end."""

    def __init__(self, end: socket.socket, decoder: msgspec.msgpack.Decoder[M]) -> None:
        end.setblocking(False)
        self.closed = False
        self._socket = end
        self._decoder = decoder
        self._encoder = msgspec.msgpack.Encoder()
        self._outgoing = bytearray()
        self._incoming = bytearray()

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    @property
    def backlog_bytes(self) -> int:
        """What was sent and the peer has not taken yet."""
        return len(self._outgoing)

    def send(self, message: object) -> bool:
        """Send as much as fits now and keep the rest; answer whether the message was taken on."""
        if self.closed or len(self._outgoing) > BACKLOG_BYTES:
            return False
        body = self._encoder.encode(message)
        self._outgoing += len(body).to_bytes(_HEADER, "big") + body
        self.flush()
        return not self.closed

    def flush(self) -> None:
        """Send what is kept, as far as the peer takes it."""
        try:
            while self._outgoing:
                del self._outgoing[: self._socket.send(self._outgoing)]
        except BlockingIOError:
            return
        except OSError:
            self.closed = True

    def receive(self) -> list[M]:
        """Return the messages that have arrived; `closed` tells afterwards whether the peer is gone."""
        try:
            while chunk := self._socket.recv(65536):
                self._incoming += chunk
            self.closed = True
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True
        return self._decode()

    def close(self) -> None:
        """Close this end."""
        self.closed = True
        self._socket.close()

    def _decode(self) -> list[M]:
        messages, start = [], 0
        while len(self._incoming) - start >= _HEADER:
            end = start + _HEADER + int.from_bytes(self._incoming[start : start + _HEADER], "big")
            if end - start > FRAME_BYTES:
                self.closed = True  # not our peer's words: something else wrote into the descriptor
                break
            if end > len(self._incoming):
                break
            messages.append(self._decoder.decode(self._incoming[start + _HEADER : end]))
            start = end
        del self._incoming[:start]
        return messages


def channel_pair() -> tuple[Channel[Report], Channel[Command]]:
    """Return the supervisor's end and the child's end of a new pipe."""
    ours, theirs = socket.socketpair()
    reports: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)
    commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
    return Channel(ours, reports), Channel(theirs, commands)
