"""What is known about one job and all that may stand in its way, at one instant.

Owns: `Facts`, and the passage from the answer of `scripts/why.lua` to it. Leaves to others: what follows from
the facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from podwork.gate import Gate, read_gate
from podwork.holds import Hold, read_hold
from podwork.inspection.reading import Found, Held, held_value, job_state
from podwork.inspection.states import JobState
from podwork.limits import LimitState, read_limit
from podwork.store import Store


class Process(NamedTuple):
    """A process: how long its lease still lasts, how many jobs it holds, what it says of itself."""

    incarnation: str
    lease_seconds: float
    held: int
    fields: dict[str, str]

    @property
    def is_live(self) -> bool:
        """Whether its lease has not ended."""
        return self.lease_seconds > 0

    @property
    def silent_seconds(self) -> float:
        """How long it has said nothing: a heartbeat sets the lease to its full length."""
        return max(0.0, int(self.fields.get("lease_ms", 0)) / 1000 - self.lease_seconds)

    @property
    def is_silent(self) -> bool:
        """Whether it has missed a heartbeat; there are three in the length of a lease."""
        return self.silent_seconds * 3 > 2 * int(self.fields.get("lease_ms", 0)) / 1000

    @property
    def is_quiet(self) -> bool:
        """Whether it takes no more jobs."""
        return "1" in (self.fields.get("quiet"), self.fields.get("stopping"))

    @property
    def queues(self) -> list[str]:
        """The queues that it serves, in its order."""
        return [name for name in self.fields.get("queues", "").split(",") if name]

    @property
    def name(self) -> str:
        """Where it is: host and process number."""
        host, pid = self.fields.get("host"), self.fields.get("pid")
        return f"{host}:{pid}" if host and pid else self.incarnation

    def knows(self, job_class: str, version: int) -> bool:
        """Return whether it can run the class; one that does not say what it knows, may."""
        try:
            classes = msgspec.json.decode(self.fields.get("classes", "null"), type=dict[str, int] | None)
        except msgspec.DecodeError:
            return True
        return classes is None or classes.get(job_class, 0) >= version

    def awaits(self, job_class: str) -> str | None:
        """Return the migration for which the class waits here, if it does."""
        try:
            return msgspec.json.decode(self.fields.get("awaits", "{}"), type=dict[str, str]).get(job_class)
        except msgspec.DecodeError:
            return None


class LimitFacts(NamedTuple):
    """A limit that the job falls under; `state` is None when it was removed after the job was parked."""

    key: str
    state: LimitState | None
    is_free: bool
    free_at: float | None
    """When a rate has something left again."""
    taken: int
    waiting: int
    has_slot: bool
    holders: list[str]
    """Ids of some of the jobs that have its slots."""


class Position(NamedTuple):
    """Where a job stands in its queue or room: jobs before it in its lane, shops before its own in the ring.

    None: it is not there, or so far behind that nobody counts.
    """

    ahead: int | None
    turns: int | None
    shops: int
    is_outside: bool


class Facts(NamedTuple):
    """All of it; `job` is None when the job is not here."""

    now: float
    gate: Gate
    processes: list[Process]
    job: JobState | None = None
    held: Held | None = None
    position: Position = Position(None, None, 0, False)
    holds: Sequence[Hold] = ()
    limits: Sequence[LimitFacts] = ()
    sizes: dict[str, int] = {}  # noqa: RUF012 - the default of a tuple's field; nobody changes it
    pod: str = "N"
    """The pod's number, for commands in sentences."""

    @property
    def live(self) -> list[Process]:
        """The processes whose lease has not ended."""
        return [process for process in self.processes if process.is_live]

    def serving(self, queue: str) -> list[Process]:
        """Return the live processes that serve the queue."""
        return [process for process in self.live if queue in process.queues]


def ask(store: Store, job_id: str) -> Facts:
    """Return what is known about a job. Raises StoreUnavailable."""
    now_ms, gate, place, processes, holds, limits, sizes = store.call("why", job_id)
    facts = Facts(now_ms / 1000, read_gate(gate), [_process(one, now_ms) for one in processes])
    if place is None:
        return facts
    state, where, more, stored, position = place
    found = Found(job_id, state.decode(), where.decode(), more.decode(), stored)
    return facts._replace(
        job=job_state(found),
        held=held_value(found.more) if found.state == "held" else None,
        position=_position(position),
        holds=sorted(read_hold(name.decode(), text) for name, text in holds),
        limits=[_limit(limit) for limit in limits],
        sizes={name: int(size) for name, size in _fields(sizes).items()},
    )


def _process(answer: Sequence[Any], now_ms: int) -> Process:
    incarnation, ends_ms, held, fields = answer
    return Process(incarnation.decode(), (float(ends_ms) - now_ms) / 1000, held, _fields(fields))


def _position(answer: Sequence[int]) -> Position:
    ahead, turns, shops, is_outside = answer
    return Position(None if ahead < 0 else ahead, None if turns < 0 else turns, shops, is_outside == 1)


def _limit(answer: Sequence[Any]) -> LimitFacts:
    key, text, is_free, free_ms, taken, waiting, has_slot, holders = answer
    name = key.decode()
    state = read_limit(name.partition(" ")[0], text.decode()) if text else None
    free_at = free_ms / 1000 if free_ms else None
    ids = sorted(holder.decode() for holder in holders)
    return LimitFacts(name, state, is_free == 1, free_at, taken, waiting, has_slot == 1, ids)


def _fields(flat: Sequence[bytes]) -> dict[str, str]:
    parts = iter(flat)
    return {name.decode(): value.decode() for name, value in zip(parts, parts, strict=True)}
