"""A shop's jobs brought from one pod to another, page by page, while pushes are still accepted.

Owns: what is read in which order, and when it is enough. Ready jobs come in the order of their lanes,
behind those that wait in rooms for something of their pod; scheduled and dead ones have their order in
their times. A last look through all jobs finds what changed its place in between. Then follows what was
noted since (`scripts/parts/noting.lua`), round by round, until little is left. Promises: no job that was
there is missed; a page that is brought again changes nothing; nothing here grows with other shops' jobs.
Leaves to others: gates (`Transfer`), comparing (`podwork.transfer.manifest`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from podwork import keys
from podwork.transfer.manifest import Manifests, compare, pages_of
from podwork.transfer.side import PAGE_JOBS, Moving, Side, Since

FEW: Final = 50
"""So many changes may be left for the last step, in which writes stand still."""
MOST_ROUNDS: Final = 20
"""After so many the shop changes faster than it is brought; the last step takes the rest."""
_LOCK: Final = b"lock "

OnPage = Callable[[int], None]
"""Told after each page how many jobs it had."""


class Bringing:
    """The jobs of one passage, from `here` to `there`."""

    def __init__(self, here: Side, there: Side, on_page: OnPage | None = None) -> None:
        self._here = here
        self._there = there
        self._on_page = on_page

    def clear(self) -> None:
        """Take away what an earlier attempt has brought, so that lanes come whole and in order."""
        store, shop = self._there.store, self._there.shop
        while ids := store.command("ZRANGE", keys.arrived(shop), 0, PAGE_JOBS - 1):
            self._there.bring(gone=ids)
        for locks in _scan(self._there, "HSCAN", keys.locks(shop)):
            self._there.bring(locks=[(digest, b"") for digest in locks[::2]])

    def whole(self) -> None:
        """Bring everything, and what came since but for a few."""
        self.jobs()
        self._ended()
        self.policies()
        for _ in range(MOST_ROUNDS):
            if self._round().noted <= FEW:
                break
        self._take_away()

    def jobs(self) -> None:
        """Bring the jobs that the other pod lacks, in their order, and the locks."""
        rooms: set[bytes] = set()
        for jobs, found in self._here.unordered(everything=False):
            rooms.update(found)
            self._hand_over(jobs)
        for queue in [*sorted(rooms), *self._queues()]:
            for jobs in self._here.lane(queue):
                self._hand_over(jobs)
        # Whatever was on its way from one place to the other while both were read.
        for jobs, _ in self._here.unordered(everything=True):
            self._hand_over(jobs)
        for page in _scan(self._here, "HSCAN", keys.locks(self._here.shop)):
            parts = iter(page)
            self._there.bring(locks=list(zip(parts, parts, strict=True)))

    def last(self, *, take_away: bool = True) -> list[bytes]:
        """Bring all that came since; return what that was. Pushes are not accepted any more."""
        changed: list[bytes] = []
        while (page := self._round(take_away=take_away)).noted:
            changed += [job.id for job in page.jobs]
            changed += [_LOCK + digest for digest, _ in page.locks]
        self.policies()
        return changed

    def policies(self) -> None:
        """Bring the shop's weight, and the holds that name it."""
        shop = self._here.shop
        weight, flat = self._here.store.commands(("HGET", keys.WEIGHTS, shop), ("HGETALL", keys.HOLDS))
        parts = iter(flat)
        holds = [
            (name, text)
            for name, text in zip(parts, parts, strict=True)
            if text.split(b" ", 4)[3] == shop.encode()
        ]
        self._there.bring_policies(weight or b"", holds)

    def compare_all(self) -> Manifests:
        """Compare all that is marked as brought, and all locks. Raises JobsDiffer."""
        return compare(self._here, self._there, self._members())

    def compare_some(self, members: Sequence[bytes]) -> Manifests:
        """Compare some jobs and locks. Raises JobsDiffer."""
        return compare(self._here, self._there, pages_of(members))

    def _hand_over(self, jobs: Sequence[Moving]) -> None:
        if jobs:
            self._there.bring(jobs)
            self._here.mark([job.id for job in jobs])
        if self._on_page is not None:
            self._on_page(len(jobs))

    def _round(self, *, take_away: bool = True) -> Since:
        """Bring the first page of what came since."""
        page = self._here.since()
        if page.noted:
            self._there.bring(page.jobs, page.gone if take_away else (), page.locks, page.ended)
            self._here.mark([job.id for job in page.jobs], page.gone, page.upto)
        return page

    def _queues(self) -> list[bytes]:
        return sorted(self._here.store.command("HKEYS", keys.SIZES))

    def _ended(self) -> None:
        """Bring the ids of ended jobs of the outbox whose rows are still there. Costs what all shops have of
        them: those whose rows no relay has deleted yet."""
        for page in _scan(self._here, "SSCAN", keys.ENDED, "MATCH", f"*-{self._here.shop}"):
            self._there.bring(ended=page)

    def _take_away(self) -> None:
        """Take away at the target what the source has no more: it ended between two attempts."""
        shop, store = self._here.shop, self._here.store
        for page in _scan(self._there, "ZSCAN", keys.arrived(shop)):
            ids = page[::2]
            marked = store.command("ZMSCORE", keys.brought(shop), *ids)
            unmarked = [one for one, mark in zip(ids, marked, strict=True) if mark is None]
            if unmarked:
                found = store.command("HMGET", keys.jobs(shop), *unmarked)
                self._there.bring(
                    gone=[one for one, stored in zip(unmarked, found, strict=True) if stored is None]
                )

    def _members(self) -> Iterator[list[bytes]]:
        shop, store, after = self._here.shop, self._here.store, b"-"
        limit = ("LIMIT", 0, PAGE_JOBS)
        while ids := store.command("ZRANGEBYLEX", keys.brought(shop), after, "+", *limit):
            yield ids
            after = b"(" + ids[-1]
        for page in _scan(self._here, "HSCAN", keys.locks(shop)):
            yield [_LOCK + digest for digest in page[::2]]


def _scan(side: Side, command: str, key: str, *options: str) -> Iterator[list[bytes]]:
    """Yield what a key has, in pages that are not empty."""
    cursor: bytes | int = 0
    while True:
        cursor, page = side.store.command(command, key, cursor, *options, "COUNT", PAGE_JOBS)
        if page:
            yield page
        if int(cursor) == 0:
            return
