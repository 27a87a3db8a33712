"""How many jobs each hold stops, and how full each limit is, at this moment.

Owns: `Occupancy`. Promises: it changes nothing, and costs what there are of queues, limits, rooms and held
jobs; not what waits. A hold on a class is counted as far as it has been met: the jobs behind it are not
looked through. Leaves to others: what holds and limits are (`podwork.holds`, `podwork.limits`), which of
them one job waits for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from podwork import keys
from podwork.holds import ANY, name_of
from podwork.limits import EACH, LimitState
from podwork.store import Store

LIMIT_ROOM = "!limit:"


class Stopped(NamedTuple):
    """How many ready or parked jobs a hold stops; not `complete`: only those whose turn has come since."""

    jobs: int
    complete: bool


class LimitUse(NamedTuple):
    """How full a limit is. Of a limit for each shop these are the sums, and `left` is None."""

    taken: int | None
    """Slots that are taken; None: a rate has none."""
    left: float | None
    """Starts that a rate allows now."""
    waiting: int
    """Jobs parked until it lets them in."""
    waiting_shops: int | None
    """Of a limit for each shop: for how many shops jobs wait."""


class Occupancy:
    """Questions about the pod whose Redis is `store`. Every method raises StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def stopped(self, queue: str = ANY, job_class: str = ANY, shop: str = ANY) -> Stopped:
        """Return what a hold of this scope stops, or would stop."""
        if job_class != ANY:
            parked = self._store.command("HGET", keys.ROOMS, f"!hold:{name_of(queue, job_class, shop)}")
            return Stopped(int(parked or 0), False)
        sizes = self._numbers(keys.SIZES)
        queues = [queue] if queue != ANY else list(sizes)
        if shop == ANY:
            return Stopped(sum(sizes.get(name, 0) for name in queues), True)
        lanes = [("LLEN", keys.lane(name, shop)) for name in queues]
        return Stopped(sum(map(int, self._store.commands(*lanes))) if lanes else 0, True)

    def uses(self, limits: Sequence[LimitState]) -> dict[str, LimitUse]:
        """Return how full the limits are, by name."""
        if not limits:
            return {}
        waiting, shops = self._waiting()
        each = [limit for limit in limits if limit.shop == EACH]
        slots = self._slots() if any(limit.kind == "concurrency" for limit in each) else Counter[str]()
        uses = {
            limit.name: LimitUse(
                slots[limit.name] if limit.kind == "concurrency" else None,
                None,
                waiting[limit.name],
                shops[limit.name],
            )
            for limit in each
        }
        single = [limit for limit in limits if limit.shop != EACH]
        for limit, (taken, left) in zip(single, self._single(single), strict=True):
            uses[limit.name] = LimitUse(taken, left, waiting[limit.name], None)
        return uses

    def _waiting(self) -> tuple[Counter[str], Counter[str]]:
        """Return, by limit, the jobs in its rooms, and its rooms: of a limit for each shop, one a shop."""
        jobs, rooms = Counter[str](), Counter[str]()
        for room, parked in self._numbers(keys.ROOMS).items():
            if room.startswith(LIMIT_ROOM):
                name = room.removeprefix(LIMIT_ROOM).partition(" ")[0]
                jobs[name] += parked
                rooms[name] += 1
        return jobs, rooms

    def _slots(self) -> Counter[str]:
        """Return how many slots of each limit belong to what is held or was let in; their keys name shops."""
        processes = self._store.command("ZRANGE", keys.PROCESSES, 0, -1)
        asked = [("HVALS", keys.held(name.decode())) for name in processes]
        *held, granted = self._store.commands(*asked, ("HVALS", keys.GRANTED))
        slots = [key for values in held for value in values for key in value.decode().split("|")[2:]]
        slots += [key for keys_of_one in granted for key in keys_of_one.decode().split("|")]
        return Counter(key.partition(" ")[0] for key in slots)

    def _single(self, limits: Iterable[LimitState]) -> list[tuple[int | None, float | None]]:
        """Return slots taken and starts left of limits that are one for all."""
        asked = [
            ("SCARD", keys.passes(limit.name))
            if limit.kind == "concurrency"
            else ("GET", keys.bucket(limit.name))
            for limit in limits
        ]
        (seconds, microseconds), *answers = self._store.commands(("TIME",), *asked)
        now_ms = int(seconds) * 1000 + int(microseconds) / 1000
        return [
            (int(answer), None) if limit.kind == "concurrency" else (None, left_of(limit, answer, now_ms))
            for limit, answer in zip(limits, answers, strict=True)
        ]

    def _numbers(self, key: str) -> dict[str, int]:
        flat = iter(self._store.command("HGETALL", key))
        return {name.decode(): int(number) for name, number in zip(flat, flat, strict=True)}


def left_of(limit: LimitState, bucket: bytes | None, now_ms: float) -> float:
    """Return how many starts a rate allows at `now_ms`; `bucket` as `scripts/parts/slots.lua` keeps it."""
    most = limit.burst if limit.kind == "bucket" else limit.amount
    if bucket is None:
        return float(most)
    left, since_ms = map(float, bucket.split())
    passed_seconds = max(0.0, now_ms - since_ms) / 1000
    if limit.kind == "bucket":
        return min(most, left + passed_seconds * limit.amount / limit.per_seconds)
    return float(most) if passed_seconds >= limit.per_seconds or now_ms < since_ms else left
