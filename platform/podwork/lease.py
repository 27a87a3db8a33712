"""A claimed job in the hands of a process: what it is, and under which incarnation it may run.

Owns the passage from Redis's answer to `Lease`. A lease is only a piece of paper: whether it still holds
is decided by the scripts, each time, against `held:{incarnation}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from podwork import keys, record


class Lease:
    """One claimed job.

    Attributes:
        id: the job's id. shop: its shop as text, `pod` for none. shop_id: the same as a number, or None.
        queue, job_class, args, epoch: as pushed. attempts: failures so far.
        interruptions, reclaims: how often it was given back, how often taken from a dead process.
        due_seconds: when it became due (pushed, or the time it was scheduled for), seconds since 1970.
        error: why it failed last, or empty. incarnation: the process's life that holds it.
    """

    __slots__ = ("_payload", "args", "attempts", "epoch", "error", "head", "id", "incarnation", "job_class",
                 "queue", "shop", "shop_id")  # fmt: skip

    def __init__(self, incarnation: str, shop: str, job_id: str, stored: bytes) -> None:
        self.incarnation = incarnation
        self.shop = shop
        self.shop_id = None if shop == keys.POD_LANE else int(shop)
        self.id = job_id
        self.head, self._payload, self.error = record.split(stored)
        self.queue = self.head.queue
        self.attempts = self.head.attempts
        payload = record.decode_payload(self._payload)
        self.job_class: str = payload.job_class
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

    def record(self, *, error: str = "", **changes: int) -> bytes:
        """Return the job's record with fields of its head changed (`attempts=`, `due_ms=`, ...)."""
        fields = {name: getattr(self.head, name) for name in self.head.__struct_fields__}
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
