"""What a pod remembers of one schedule: `{turn} {json}`, a field of `podwork:schedules`.

Owns: `Entry`, its form, and the changes that can be made to it, each as a function from an entry to the
next. The turn grows with every change and is compared by every script: of two who read the same entry, one
changes it. Promises: the code's declaration and an operator's changes lie side by side, so that either can
be replaced without the other; fields that a later version adds are ignored by this one. Leaves to others:
writing it (`ledger`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from podwork.schedules.declaration import Declaration, Timing
from podwork.schedules.plan import Plan
from podwork.schedules.rhythm import Due

RECENT_SLOTS: Final = 100
"""How many slots of a computed interval are remembered; when the clock goes back it goes on from one."""
FORGOTTEN_AFTER_MS: Final = 7 * 86_400_000
"""How long a removed schedule's pause and changes are kept, for a rollback of the code."""


class Note(msgspec.Struct, frozen=True):
    """Who did it, why, and when (ms)."""

    owner: str
    reason: str
    since_ms: int


class Change(msgspec.Struct, frozen=True):
    """What an operator has set: values of `Timing` by field."""

    fields: dict[str, Any]
    note: Note


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One schedule of the pod.

    Attributes:
        watched_ms: up to when it has been looked at. since_ms: from when its service level counts.
        removed_ms: when the code stopped to declare it; 0: it is declared.
        last_slot_ms, last_job: its last tick. breached_ms: when its service level was broken; 0: it is kept.
        next_ms, recent: of a computed interval, the next slot and the last ones. fault: why it cannot tick.
    """

    declaration: Declaration
    watched_ms: int
    since_ms: int
    change: Change | None = None
    pause: Note | None = None
    removed_ms: int = 0
    last_slot_ms: int = 0
    last_job: str = ""
    breached_ms: int = 0
    next_ms: int = 0
    recent: tuple[int, ...] = ()
    fault: str = ""

    @property
    def timing(self) -> Timing:
        """The timing in force: the code's, with the operator's changes."""
        declared = self.declaration.timing
        return declared if self.change is None else replace(declared, **self.change.fields)

    @property
    def is_ticking(self) -> bool:
        """Whether slots become jobs."""
        return self.pause is None and not self.removed_ms


class Kept(NamedTuple):
    """An entry with the turn in which it was read."""

    turn: int
    entry: Entry


_decode = msgspec.json.Decoder(Entry).decode
_encode = msgspec.json.Encoder().encode


def encode(turn: int, entry: Entry) -> bytes:
    """Return the entry as Redis keeps it."""
    return b"%d %b" % (turn, _encode(entry))


def decode(text: bytes) -> Kept:
    """Return what was kept. Raises ValueError (`msgspec.DecodeError` too): nobody could have written this."""
    turn, _, entry = text.partition(b" ")
    return Kept(int(turn), _decode(entry))


def first(declaration: Declaration, now_ms: int) -> Entry:
    """Return the entry of a schedule that the pod has not known: nothing before now was missed."""
    return Entry(declaration, now_ms, now_ms)


def declared(entry: Entry, declaration: Declaration, now_ms: int) -> Entry:
    """Return the entry under a new declaration; pause and changes stay."""
    before, was_removed = entry.timing, entry.removed_ms
    return _retimed(
        before, replace(entry, declaration=declaration, removed_ms=0), now_ms, restart=bool(was_removed)
    )


def removed(entry: Entry, now_ms: int) -> Entry:
    """Return the entry of a schedule that the code does not declare any more."""
    return replace(entry, removed_ms=now_ms, breached_ms=0)


def changed(entry: Entry, fields: Mapping[str, Any], note: Note) -> Entry:
    """Return the entry with an operator's changes, beside those made before."""
    already = entry.change.fields if entry.change else {}
    change = Change({**already, **fields}, note)
    return _retimed(entry.timing, replace(entry, change=change), note.since_ms)


def reset(entry: Entry, now_ms: int) -> Entry:
    """Return the entry as the code declares it."""
    return _retimed(entry.timing, replace(entry, change=None), now_ms)


def paused(entry: Entry, note: Note) -> Entry:
    """Return the entry with its slots stopped."""
    return replace(entry, pause=note)


def resumed(entry: Entry, now_ms: int) -> Entry:
    """Return the entry with its slots going on; those of the pause were not missed."""
    return replace(entry, pause=None, watched_ms=now_ms)


def rewound(entry: Entry, now_ms: int) -> Entry:
    """Return the entry under a clock that has gone back: nothing was in what is the future now."""
    since_ms, breached_ms = min(entry.since_ms, now_ms), min(entry.breached_ms, now_ms)
    return replace(entry, watched_ms=now_ms, since_ms=since_ms, breached_ms=breached_ms)


def ticked(entry: Entry, seen: Due, made: Plan, job: str) -> Entry:
    """Return the entry after a look: what it saw, and what came of it; `job` is the last of its jobs."""
    after = replace(entry, watched_ms=seen.until_ms, fault="")
    if made.slots:
        after = replace(after, last_slot_ms=made.slots[-1], last_job=job)
    if entry.timing.computed:
        recent = (*entry.recent, *seen.slots)[-RECENT_SLOTS:]
        after = replace(after, recent=recent, next_ms=seen.following or 0)
    return after


def foreseen(entry: Entry, next_ms: int, fault: str) -> Entry:
    """Return the entry with what a process has worked out of a computed interval."""
    return replace(entry, next_ms=next_ms, fault=fault)


def _retimed(before: Timing, entry: Entry, now_ms: int, *, restart: bool = False) -> Entry:
    """Begin anew where the timing is another: its slots of the past were not missed."""
    after = entry.timing
    if restart or not after.has_rhythm_of(before):
        entry = replace(entry, watched_ms=now_ms, recent=(), next_ms=0, fault="")
    if restart or after.at_least_every_ms != before.at_least_every_ms:
        entry = replace(entry, since_ms=now_ms, breached_ms=0)
    return entry
