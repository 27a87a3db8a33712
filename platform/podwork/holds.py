"""Holds: what a person has paused, why, and for how long.

Owns: `Hold` and `Holds`, the holds of one pod. A hold stops every job that fits its queue, class and shop, in
any mix; one without any of them stops the pod. Promises: it takes effect with the next claim; what it stops
is parked, keeps its order, spends no attempt and costs nothing; what runs goes on; a hold with a length
lapses by itself. Setting it, and lifting one of a shop or a queue, costs the same however much waits. Leaves
to others: the meeting of hold and job (`scripts/claim.lua`).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from podwork import keys
from podwork.errors import PodworkError
from podwork.interfaces import Clock, SystemClock
from podwork.store import Store

ANY: Final = "*"
PORTION: Final = 1000


class UnknownHold(PodworkError):
    """Raised when a hold is named that is not there."""

    def __init__(self, name: str, present: list[str]) -> None:
        self.name = name
        super().__init__(f"there is no hold {name}", f"the holds are: {', '.join(present) or 'none'}")


class Hold(NamedTuple):
    """One hold. `queue`, `job_class` and `shop` are `*` for any; `until` is None until somebody lifts it."""

    name: str
    queue: str
    job_class: str
    shop: str
    until: float | None
    reason: str
    owner: str
    since: float


class _Note(msgspec.Struct):
    reason: str
    owner: str
    since: float


def name_of(queue: str = ANY, job_class: str = ANY, shop: str = ANY) -> str:
    """Return the name of the hold on what fits: the same scope has the same name."""
    parts = [("queue", queue), ("class", job_class), ("shop", shop)]
    return ",".join(f"{part}={value}" for part, value in parts if value != ANY) or "all"


class Holds:
    """The holds of the pod whose Redis is `store`."""

    def __init__(self, store: Store, *, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or SystemClock()

    def list(self) -> list[Hold]:
        """Return the holds, by name. Raises StoreUnavailable."""
        flat = iter(self._store.command("HGETALL", keys.HOLDS))
        return sorted(read_hold(name.decode(), text) for name, text in zip(flat, flat, strict=True))

    def place(
        self,
        *,
        queue: str = ANY,
        job_class: str = ANY,
        shop: str = ANY,
        reason: str,
        owner: str,
        seconds: float | None = None,
    ) -> Hold:
        """Stop what fits, for `seconds` or until it is lifted; the same scope again changes the hold.

        Raises:
            StoreUnavailable, StoreRefused: nothing was stopped, or it is not known.
        """
        name = name_of(queue, job_class, shop)
        note = _Note(reason, owner, self._clock.now())
        length_ms = 0 if seconds is None else max(1, int(seconds * 1000))
        text = msgspec.json.encode(note)
        until_ms = int(self._store.call("hold", name, length_ms, queue, job_class, shop, text))
        return Hold(name, queue, job_class, shop, until_ms / 1000 or None, reason, owner, note.since)

    def lift(self, name: str) -> None:
        """Let go on what the hold stopped. If this process dies halfway, a worker empties the rest.

        Raises:
            UnknownHold: there is none of that name.
        """
        if not self._store.call("lift", name):
            raise UnknownHold(name, [hold.name for hold in self.list()])
        while self._store.command("HEXISTS", keys.ROOMS, f"!hold:{name}"):
            self._store.call("alarm", PORTION, PORTION)


def read_hold(name: str, text: bytes) -> Hold:
    """Return a hold from its text in Redis (`podwork.keys`)."""
    until, queue, job_class, shop, note = text.split(b" ", 4)
    said = msgspec.json.decode(note, type=_Note)
    return Hold(
        name, queue.decode(), job_class.decode(), shop.decode(), int(until) / 1000 or None,
        said.reason, said.owner, said.since,
    )  # fmt: skip
