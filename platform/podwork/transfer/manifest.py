"""What two pods have of a shop's jobs, counted and compared.

Owns: `Manifest`, and the comparison of both sides, page by page. Promises: equal manifests mean equal
jobs: the digests are over ids, times and records, made by the same script on both sides. What became due
meanwhile on one side counts on both as due: a minute is more than two clocks differ. Leaves to others:
which jobs (`podwork.transfer.bringing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from podwork import keys
from podwork.errors import JobsDiffer
from podwork.transfer.side import PAGE_JOBS, Side

SOON_MS: Final = 60_000
_MODULUS: Final = 2**48


class Count(NamedTuple):
    """How many jobs of one state there are, and the digest over them."""

    jobs: int
    digest: tuple[int, int, int]


class Manifest(NamedTuple):
    """What one pod has, by state: ready, scheduled, dead, after, locks; `gone` of what it was asked for."""

    states: Mapping[str, Count]

    def __str__(self) -> str:
        return ", ".join(f"{count.jobs} {state}" for state, count in sorted(self.states.items())) or "nothing"


class Manifests(NamedTuple):
    """What both pods have, and that it is the same."""

    here: Manifest
    there: Manifest


def compare(here: Side, there: Side, pages: Iterable[Sequence[bytes]]) -> Manifests:
    """Return what both have of these jobs and locks (`lock {digest}`).

    Raises:
        JobsDiffer: it is not the same, though nothing is noted that would have to be brought.
    """
    sums: tuple[list[Manifest], list[Manifest]] = ([], [])
    for page in pages:
        for total, one in zip(sums, _compare_page(here, there, page), strict=True):
            total.append(one)
    return Manifests(*(_sum(parts) for parts in sums))


def _compare_page(here: Side, there: Side, members: Sequence[bytes]) -> Manifests:
    found = _both(here, there, members)
    if found.here != found.there:
        # Pushed or replaced since it was brought: that is brought with what came since.
        noted = here.store.command("ZMSCORE", keys.since(here.shop), *members)
        found = _both(here, there, [one for one, order in zip(members, noted, strict=True) if order is None])
    if found.here != found.there:
        raise JobsDiffer(here.shop_id, str(found.here), str(found.there))
    return found


def _both(here: Side, there: Side, members: Sequence[bytes]) -> Manifests:
    seconds, _ = here.store.command("TIME")
    soon_ms = int(seconds) * 1000 + SOON_MS
    return Manifests(_read(here.manifest(soon_ms, members)), _read(there.manifest(soon_ms, members)))


def _read(flat: Sequence[bytes]) -> Manifest:
    parts = iter(flat)
    return Manifest(
        {
            state.decode(): Count(int(jobs), (int(one), int(two), int(three)))
            for state, jobs, one, two, three in zip(parts, parts, parts, parts, parts, strict=True)
        }
    )


def _sum(parts: Iterable[Manifest]) -> Manifest:
    states: dict[str, Count] = {}
    for part in parts:
        for state, count in part.states.items():
            before = states.get(state, Count(0, (0, 0, 0)))
            one, two, three = ((a + b) % _MODULUS for a, b in zip(before.digest, count.digest, strict=True))
            states[state] = Count(before.jobs + count.jobs, (one, two, three))
    return Manifest(states)


def pages_of(members: Sequence[bytes]) -> list[Sequence[bytes]]:
    """Return the members in pages."""
    return [members[start : start + PAGE_JOBS] for start in range(0, len(members), PAGE_JOBS)]
