"""The routes of a schema change, from the cheapest on, and which one is taken.

Owns: `Route`, `Way`, `Facts`, `choose`. Promises: a route is taken only if the server said, or its
documentation says, that it can go that way, and none on which an application's write waits for longer than
the lock budget. Leaves to others: asking the server (`asking`), its documentation (`mariadb`, `mysql`).

| way: what the server can do | route |
| --- | --- |
| instant: changes the definition only | INSTANT |
| metadata: in place, no row is read | METADATA |
| index, rebuild: in place, writers go on, work grows with the rows | INPLACE if small or without replica, or if a copy would be wrong; else COPY |
| blocking: writers would wait until it ends | COPY; a small table that cannot be copied: DIRECT, stopped at the lock budget |
"""  # noqa: E501 - a row a way

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from podwork.settings import MigrationsSettings


class Route(StrEnum):
    """How a change is done; the ledger has it, with the reason."""

    INSTANT = "instant"
    METADATA = "metadata"
    INPLACE = "inplace"
    COPY = "copy"
    DIRECT = "direct"
    BATCH = "batch"


class Way(StrEnum):
    """What a server can do with a statement, from the cheapest on."""

    INSTANT = "instant"
    METADATA = "metadata"
    INDEX = "index"
    REBUILD = "rebuild"
    BLOCKING = "blocking"


@dataclass(frozen=True)
class Limits:
    """Up to what a table is small. `replicas`: whether there are; None: taken for granted with a binlog."""

    small_rows: int = 100_000
    small_bytes: int = 64 << 20
    replicas: bool | None = None

    @classmethod
    def of(cls, settings: MigrationsSettings) -> Limits:
        """Return those of the settings."""
        replicas = {"yes": True, "no": False}.get(settings.replicas)
        return cls(settings.small_table_rows, settings.small_table_bytes, replicas)


@dataclass(frozen=True)
class Facts:
    """What is known of a table; rows and bytes are the server's estimates.

    `is_bounded`: the server can stop a statement that takes too long (MariaDB's max_statement_time).
    `adds_unique`: a copy would lose rows that the new index refuses, and nobody would know.
    """

    rows: int
    bytes: int
    has_replicas: bool
    is_bounded: bool
    adds_unique: bool = False

    def is_small(self, limits: Limits) -> bool:
        """Whether work that grows with the table is done soon."""
        return self.rows <= limits.small_rows and self.bytes <= limits.small_bytes


def choose(
    way: Way, facts: Facts, limits: Limits, without: Collection[Route] = ()
) -> tuple[Route, str] | None:
    """Return the route and why, or None: there is none without those that were refused."""
    return next((chosen for chosen in _in_order(way, facts, limits) if chosen[0] not in without), None)


def _in_order(way: Way, facts: Facts, limits: Limits) -> list[tuple[Route, str]]:
    size = f"about {facts.rows} rows, {facts.bytes >> 20} MiB"
    is_small = facts.is_small(limits)
    if way is Way.INSTANT:
        return [(Route.INSTANT, "the server changes the table's definition only")]
    if way is Way.METADATA:
        return [(Route.METADATA, "in place, without reading a row")]
    if way is Way.BLOCKING:
        copy = (Route.COPY, f"the server could only do it with writers waiting ({size})")
        direct = (Route.DIRECT, f"small, and stopped if it takes longer than the lock budget ({size})")
        return [copy, direct] if is_small and facts.is_bounded else [copy]
    work = "builds the index" if way is Way.INDEX else "rebuilds the table"
    in_place = (Route.INPLACE, f"the server {work} in place; writers go on ({size})")
    copy = (Route.COPY, f"the server {work} in place, but replicas would lag ({size})")
    if facts.adds_unique:
        return [(Route.INPLACE, f"{in_place[1]}; a copy would lose what the index refuses")]
    return [in_place, copy] if is_small or not facts.has_replicas else [copy, in_place]
