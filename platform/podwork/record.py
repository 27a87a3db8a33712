r"""A job as it stands in Redis: one line of text that scripts can change without decoding it.

Owns the form `queue due_ms attempts interruptions reclaims since_ms payload[\nerror]`. The head is what
scripts count and the queue they need; the payload is JSON that no script opens, because Lua's JSON turns
empty lists into objects and large integers into floats. `since_ms` begins the window in which reclaims
count. Promises: what `encode` wrote, `decode` reads back equal; scripts rewrite the head only.
"""

from __future__ import annotations

from typing import Any

import msgspec

ERROR_BYTES_LIMIT = 2_000


class Payload(msgspec.Struct, frozen=True, rename={"job_class": "class"}, gc=False):
    """The immutable part of a job: its class, its arguments, the shop's epoch at push."""

    job_class: str
    args: dict[str, Any]
    epoch: int = 0


class Head(msgspec.Struct, frozen=True, gc=False):
    """The part that scripts may rewrite."""

    queue: str
    due_ms: int
    attempts: int = 0
    interruptions: int = 0
    reclaims: int = 0
    since_ms: int = 0


_decode_payload = msgspec.json.Decoder(Payload).decode
_encode_json = msgspec.json.Encoder().encode


def payload_prefix(job_class: str, epoch: int) -> bytes:
    """Return the payload up to its arguments; pushing many jobs of a class makes it once."""
    return b'{"class":' + _encode_json(job_class) + b',"epoch":%d,"args":' % epoch


def encode_first(queue: str, due_ms: int, prefix: bytes, args: bytes) -> bytes:
    """Return the record of a job that has never run; `args` is its arguments as JSON."""
    return b"%b %d 0 0 0 0 %b%b}" % (queue.encode(), due_ms, prefix, args)


def encode(head: Head, payload: bytes, error: str = "") -> bytes:
    """Return a record; an error longer than `ERROR_BYTES_LIMIT` is cut."""
    front = (
        f"{head.queue} {head.due_ms} {head.attempts} {head.interruptions} {head.reclaims} {head.since_ms} "
    )
    # A message may hold what UTF-8 cannot (a file's name with odd bytes); the failure counts all the same.
    tail = b"\n" + error.encode(errors="backslashreplace")[:ERROR_BYTES_LIMIT] if error else b""
    return front.encode() + payload + tail


def split(record: bytes) -> tuple[Head, bytes, str]:
    """Return head, payload (JSON, undecoded) and error."""
    queue, due, attempts, interruptions, reclaims, since, rest = record.split(b" ", 6)
    payload, _, error = rest.partition(b"\n")
    head = Head(queue.decode(), int(due), int(attempts), int(interruptions), int(reclaims), int(since))
    return head, payload, error.decode(errors="replace")


def decode_payload(payload: bytes) -> Payload:
    """Return class, arguments and epoch of a payload."""
    return _decode_payload(payload)
