"""A claimed job in the hands of a process: what it is, and under which incarnation it may run.

Owns the passage from Redis's answer to `Lease`. A lease is only a piece of paper: whether it still holds
is decided by the scripts, each time, against `held:{incarnation}`. A record that cannot be read (somebody
edited it) makes a lease with a `fault`, which is buried instead of run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from podwork import keys, record


class Lease:
    """One claimed job.

    Attributes:
        id: the job's id. shop: its shop as text, `pod` for none. shop_id: the same as a number, or None.
        queue, job_class, version, args, epoch: as pushed. attempts: failures so far.
        interruptions, reclaims: how often it was given back, how often taken from a dead process.
        due_seconds: when it became due (pushed, or the time it was scheduled for), seconds since 1970.
        error: why it failed last, or empty. incarnation: the process's life that holds it.
        fault: why its record cannot be read, or empty.
    """

    __slots__ = ("_payload", "args", "attempts", "epoch", "error", "fault", "head", "id", "incarnation",
                 "job_class", "queue", "shop", "shop_id", "version")  # fmt: skip

    def __init__(self, incarnation: str, shop: str, job_id: str, stored: bytes) -> None:
        self.incarnation = incarnation
        self.shop = shop
        self.shop_id = None if shop == keys.POD_LANE else int(shop)
        self.id = job_id
        self.fault = ""
        try:
            self.head, self._payload, self.error = record.split(stored)
            payload = record.decode_payload(self._payload)
        except (ValueError, msgspec.DecodeError) as error:
            self.fault = f"its record cannot be read: {error}"
            self.head, self._payload, self.error = record.Head("default", 0), stored, ""
            payload = record.Payload("", {})
        self.queue = self.head.queue
        self.attempts = self.head.attempts
        self.job_class: str = payload.job_class
        self.version: int = payload.version
        self.args: dict[str, Any] = payload.args
        self.epoch: int = payload.epoch

    @property
    def due_seconds(self) -> float:
        """When the job became due, in seconds since 1970."""
        return self.head.due_ms / 1000

    @property
    def interruptions(self) -> int:
        """How often the job was interrupted so far."""
        return self.head.interruptions

    @property
    def reclaims(self) -> int:
        """How often the job was reclaimed from a dead process in the current window."""
        return self.head.reclaims

    @property
    def extras(self) -> dict[str, str]:
        """What the job has beyond others, by tag (`podwork.record`)."""
        return record.read_extras(self.head.extras)

    def record(self, *, error: str = "", extras: Mapping[str, str] | None = None, **changes: int) -> bytes:
        """Return the job's record with fields of its head changed (`attempts=`, `due_ms=`, ...)."""
        fields = {name: getattr(self.head, name) for name in self.head.__struct_fields__}
        if extras is not None:
            fields["extras"] = record.write_extras(extras)
        return record.encode(record.Head(**{**fields, **changes}), self._payload, error)

    def __repr__(self) -> str:
        return f"<Lease {self.id} {self.job_class} of {self.queue}>"


def from_claim(incarnation: str, answer: Sequence[bytes]) -> list[Lease]:
    """Turn a claim's flat answer (shop, id, record, ...) into leases."""
    parts = iter(answer)
    return [
        Lease(incarnation, shop.decode(), job_id.decode(), stored)
        for shop, job_id, stored in zip(parts, parts, parts, strict=True)
    ]
