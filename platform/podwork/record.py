r"""A job as it stands in Redis: one line of text that scripts can change without decoding it.

Owns the form `extras queue due_ms attempts interruptions reclaims since_ms payload[\nerror]`. The head is
what scripts count and the queue they need; the payload is JSON that no script opens, because Lua's JSON turns
empty lists into objects and large integers into floats. `since_ms` begins the window in which reclaims count.
Promises: what `encode` wrote, `decode` reads back equal; scripts rewrite the head only.

Extras are what only some jobs have: `-` for none, else `tag:value,tag:value`, so that a plain job is told
from the others by its first character:

| tag | value |
| --- | --- |
| `u`, `w` | digest of the lock that it holds until it starts (`u`) or ends (`w`) |
| `p` | digest of the lock that it holds for a period |
| `x` | when it expires, ms: it must have started before |
| `s` | the schedule that made it |
| `i` | `1`: an iteration job, which no reclaims bury: its run counts what dies where |
| `g` | the group of an iteration job that was pushed to every pod |
| `o` | `1`: its row in the outbox ends with it; else the id of the job whose content, and row, it has |
| `f` | when it failed first, ms |
| `z` | how often it was snoozed |
| `e` | fingerprint of its last error |
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

ERROR_BYTES_LIMIT = 2_000
NO_EXTRAS = "-"
END = b"}"
"""What comes after the arguments of a job that has never run."""


class Payload(msgspec.Struct, frozen=True, rename={"job_class": "class"}, gc=False):
    """The immutable part of a job: its class and version, its arguments, the shop's epoch at push."""

    job_class: str
    args: dict[str, Any]
    epoch: int = 0
    version: int = 1


class Head(msgspec.Struct, frozen=True, gc=False):
    """The part that scripts may rewrite."""

    queue: str
    due_ms: int
    attempts: int = 0
    interruptions: int = 0
    reclaims: int = 0
    since_ms: int = 0
    extras: str = NO_EXTRAS


_decode_payload = msgspec.json.Decoder(Payload).decode
_encode_json = msgspec.json.Encoder().encode


@lru_cache(maxsize=4096)
def payload_prefix(job_class: str, epoch: int, version: int = 1) -> bytes:
    """Return the payload up to its arguments; pushing many jobs of a class makes it once."""
    of_version = b"" if version == 1 else b',"version":%d' % version
    return b'{"class":' + _encode_json(job_class) + of_version + b',"epoch":%d,"args":' % epoch


def front_of_first(queue: str, due_ms: int, prefix: bytes, extras: str = NO_EXTRAS) -> bytes:
    """Return the record of a job that has never run up to its arguments; after them comes `END`."""
    return b"%b %b %d 0 0 0 0 %b" % (extras.encode(), queue.encode(), due_ms, prefix)


def encode_first(queue: str, due_ms: int, prefix: bytes, args: bytes, extras: str = NO_EXTRAS) -> bytes:
    """Return the record of a job that has never run; `args` is its arguments as JSON."""
    return front_of_first(queue, due_ms, prefix, extras) + args + END


def encode(head: Head, payload: bytes, error: str = "") -> bytes:
    """Return a record; an error longer than `ERROR_BYTES_LIMIT` is cut."""
    front = (
        f"{head.extras} {head.queue} {head.due_ms} {head.attempts} {head.interruptions} {head.reclaims} "
        f"{head.since_ms} "
    )
    # A message may hold what UTF-8 cannot (a file's name with odd bytes); the failure counts all the same.
    tail = b"\n" + error.encode(errors="backslashreplace")[:ERROR_BYTES_LIMIT] if error else b""
    return front.encode() + payload + tail


def split(record: bytes) -> tuple[Head, bytes, str]:
    """Return head, payload (JSON, undecoded) and error. Raises ValueError: it is no record."""
    extras, queue, due, attempts, interruptions, reclaims, since, rest = record.split(b" ", 7)
    payload, _, error = rest.partition(b"\n")
    head = Head(
        queue.decode(),
        int(due),
        int(attempts),
        int(interruptions),
        int(reclaims),
        int(since),
        extras.decode(),
    )
    return head, payload, error.decode(errors="replace")


def decode_payload(payload: bytes) -> Payload:
    """Return class, arguments, epoch and version of a payload. Raises `msgspec.DecodeError`."""
    return _decode_payload(payload)


def read_extras(extras: str) -> dict[str, str]:
    """Return what a job has beyond the others: tag -> value."""
    if extras == NO_EXTRAS:
        return {}
    return {tag: value for tag, _, value in (part.partition(":") for part in extras.split(","))}


def write_extras(extras: Mapping[str, str]) -> str:
    """Return the text of extras; values have neither blanks nor commas."""
    return ",".join(f"{tag}:{value}" for tag, value in extras.items()) or NO_EXTRAS
