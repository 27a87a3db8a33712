"""Unique jobs: what makes two jobs the same, and what becomes of the second.

Owns: `Unique`, as a job declares it, and the locks that a push asks for. A lock belongs to one job's id and
dies with it: no time-out is needed for safety, and none leaks. Locks lie beside their shop's jobs
(`podwork:locks:{shop}`), so that two shops never meet in one and a shop takes its own along when it moves.
Leaves to others: taking and freeing locks, in the same script as the change of the job (`scripts/parts`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import msgspec

from podwork.errors import ConfigurationError

Until = Literal["start", "success"]
Conflict = Literal["drop", "replace", "reschedule"]
OnArrival = Literal["drop", "replace", "reschedule", "join"]
"""`join` is for a job that was accepted on another pod: it is stored in any case."""

IDEMPOTENCY_SECONDS: Final = 86_400.0
"""How long an idempotency key is remembered, also after its job has ended."""
_TAGS: Final = {"start": "u", "success": "w"}
_encode = msgspec.json.Encoder(order="sorted").encode


class Lock(NamedTuple):
    """One lock that a push asks for; a period of 0 lasts as long as the job."""

    digest: str
    period_ms: int
    conflict: OnArrival


@dataclass(frozen=True, slots=True)
class Unique:
    """Which of a class's jobs are the same, for how long, and what becomes of the second.

    Attributes:
        until: `start`: until the first begins to run; `success`: until it has succeeded or is buried.
        period_seconds: instead of `until`: for so long after the push, even when the first has ended.
        by: names of the arguments that count; None: all of them. The shop and the class always count.
        conflict: `drop`: the second is not stored, its id is the first's. `replace`: the first, if it
            still waits, gets the second's arguments. `reschedule`: if the first runs, the second runs once
            after it. A `replace` that meets a running one is rescheduled likewise, and
            what comes after it replaces the one that waits.
    """

    until: Until = "success"
    period_seconds: float | None = None
    by: tuple[str, ...] | None = None
    conflict: Conflict = "drop"

    def check(self, name: str, parameters: tuple[str, ...]) -> None:
        """Raise ConfigurationError if it cannot be meant so."""
        if self.until not in _TAGS or self.conflict not in ("drop", "replace", "reschedule"):
            raise ConfigurationError(
                f"{name}: {self}", "until= start or success; conflict= drop, replace or reschedule"
            )
        if self.period_seconds is not None and not self.period_seconds > 0:
            raise ConfigurationError(
                f"{name}: unique for {self.period_seconds} seconds", "give a period above 0"
            )
        strangers = set(self.by or ()) - set(parameters)
        if strangers:
            raise ConfigurationError(
                f"{name}: unique by {', '.join(sorted(strangers))}, which it does not take",
                f"name some of: {', '.join(parameters)}",
            )

    def lock(self, job_class: str, args: Mapping[str, Any]) -> Lock:
        """Return the lock for a job with these arguments."""
        counted = dict(args) if self.by is None else {name: args.get(name) for name in self.by}
        period_ms = 0 if self.period_seconds is None else max(1, int(self.period_seconds * 1000))
        return Lock(digest_of(b"unique", job_class.encode(), _encode(counted)), period_ms, self.conflict)

    @property
    def tag(self) -> str:
        """The tag under which the job's record names the lock (`podwork.record`)."""
        return "p" if self.period_seconds is not None else _TAGS[self.until]


def idempotency_lock(key: str) -> Lock:
    """Return the lock of a push's idempotency key."""
    return Lock(digest_of(b"key", key.encode()), int(IDEMPOTENCY_SECONDS * 1000), "drop")


def carried_locks(extras: Mapping[str, str]) -> tuple[Lock, ...]:
    """Return the locks that a job takes along to another pod, by its extras; a period stays where it was."""
    return tuple(Lock(extras[tag], 0, "join") for tag in ("u", "w") if tag in extras)


def digest_of(*parts: bytes) -> str:
    """Return 20 hexadecimal digits over the parts; kept short, as each lock is in Redis twice."""
    return hashlib.sha1(b"\0".join(parts), usedforsecurity=False).hexdigest()[:20]
