"""Limits: how many jobs may run at once, and how many may start in a while.

Owns: `Concurrency`, `Bucket` and `Window`, as a job declares them, `LimitState`, and `Limits`, the limits of
one pod as operators see and change them. A limit is for jobs of a class, of a queue, of a shop or of any mix,
and either one for all that fits or one for each shop. Promises: the limits are checked in the claim itself; a
job over its limit is parked and costs nothing until a slot is free; a slot belongs to a claim and ends with
it, also by a crash; what waits is let in shop by shop in turn. Leaves to others: the counting
(`scripts/parts/slots.lua`).

A rate counts starts by Redis's clock. A bucket refills evenly, and holds at most `burst`: after `t` seconds
it has `min(burst, left + t * amount / per_seconds)`. A window allows `amount` starts, and as many again
`per_seconds` after the first of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, NamedTuple

from podwork import keys
from podwork.errors import ConfigurationError
from podwork.store import Store

Kind = Literal["concurrency", "bucket", "window"]
Source = Literal["code", "operator"]
ANY: Final = "*"
EACH: Final = "each"


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most `amount` jobs at once; `each_shop`: at most so many for each shop."""

    amount: int
    each_shop: bool = False
    kind: ClassVar[Kind] = "concurrency"
    per_seconds: ClassVar[float] = 0.0
    burst: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class Bucket:
    """On average `amount` starts in `per_seconds`, at most `burst` in a row (default: `amount`)."""

    amount: int
    per_seconds: float = 1.0
    burst: int = 0
    each_shop: bool = False
    kind: ClassVar[Kind] = "bucket"


@dataclass(frozen=True, slots=True)
class Window:
    """At most `amount` starts in any window of `per_seconds`, counted from its first start."""

    amount: int
    per_seconds: float = 1.0
    each_shop: bool = False
    kind: ClassVar[Kind] = "window"
    burst: ClassVar[int] = 0


Limit = Concurrency | Bucket | Window


class LimitState(NamedTuple):
    """A limit of a pod: what it is for (`*`: any; shop `each`: one for each), and who set it."""

    name: str
    kind: str
    amount: int
    per_seconds: float
    burst: int
    queue: str
    job_class: str
    shop: str
    source: str


def check(owner: str, limit: Limit) -> None:
    """Raise ConfigurationError if the limit cannot be meant so."""
    if type(limit.amount) is not int or limit.amount < 1:
        raise ConfigurationError(
            f"{owner}: a limit of {limit.amount!r}", "give a whole number, 1 or more; to stop jobs, hold them"
        )
    if limit.kind != "concurrency" and not limit.per_seconds >= 0.001:
        raise ConfigurationError(f"{owner}: a rate per {limit.per_seconds!r} seconds", "give 0.001 or more")
    if limit.burst < 0:
        raise ConfigurationError(f"{owner}: a burst of {limit.burst!r}", "give 1 or more")


def described(
    limit: Limit, source: Source, *, queue: str = ANY, job_class: str = ANY, shop: str = ANY
) -> tuple[str, str]:
    """Return a limit's name, and its text: `kind amount period burst queue class shop source`."""
    scope = EACH if limit.each_shop else shop
    parts = [("queue", queue), ("class", job_class), ("shop", scope)]
    name = ",".join(f"{part}={value}" for part, value in parts if value != ANY) or "all"
    burst = limit.burst or limit.amount
    period_ms = round(limit.per_seconds * 1000)
    text = (limit.kind, limit.amount, period_ms, burst, queue, job_class, scope, source)
    return f"{name}:{limit.kind}", " ".join(map(str, text))


class Limits:
    """The limits of the pod whose Redis is `store`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self) -> list[LimitState]:
        """Return all limits, by name. Raises StoreUnavailable."""
        flat = iter(self._store.command("HGETALL", keys.LIMITS))
        return sorted(read_limit(name.decode(), text.decode()) for name, text in zip(flat, flat, strict=True))

    def set(self, limit: Limit, *, queue: str = ANY, job_class: str = ANY, shop: str = ANY) -> str:
        """Set a limit as an operator; code does not change it afterwards. Returns its name.

        Raises:
            ConfigurationError: an amount or a period that cannot be meant so.
        """
        check("limit", limit)
        name, text = described(limit, "operator", queue=queue, job_class=job_class, shop=shop)
        self._store.call("limit", "operator", name, text)
        return name

    def remove(self, name: str) -> bool:
        """Remove a limit; who waited for it goes on. False: there is none of that name."""
        return bool(self._store.call("limit", "operator", name, ""))

    def publish(self, declared: Iterable[tuple[str, str]], job_classes: Iterable[str]) -> None:
        """Set the limits that code declares, and remove those that it once declared for its classes."""
        wanted, mine = dict(declared), set(job_classes)
        stale = [one.name for one in self.list() if one.source == "code" and one.job_class in mine]
        changes = {**dict.fromkeys((name for name in stale if name not in wanted), ""), **wanted}
        if changes:
            self._store.call("limit", "code", *(part for change in changes.items() for part in change))


def read_limit(name: str, text: str) -> LimitState:
    """Return a limit from its text in Redis (`described`)."""
    kind, amount, period_ms, burst, queue, job_class, shop, source = text.split(" ")
    return LimitState(
        name, kind, int(amount), int(period_ms) / 1000, int(burst), queue, job_class, shop, source
    )
