"""Lists of jobs, a page at a time.

Owns: pages and cursors. A cursor is the place behind the last job of a page and the digest of the filter: it
stays good for as long as somebody cares to keep it, costs Redis nothing, and is refused by another list.
Promises: what `podwork.inspection.walk` promises; a page looks at no more jobs than it is told to. Leaves to
others: the order of jobs (`walk`), what fits (`filters`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Final

import msgspec

from podwork.errors import PodworkError
from podwork.inspection.filters import Filter, Matcher
from podwork.inspection.reading import Found, job_state
from podwork.inspection.states import JobState, Page
from podwork.inspection.walk import Place, Step, walk
from podwork.store import Store

MOST_LOOKED_AT: Final = 10_000
"""How many jobs one page looks at, by default: some tenths of a second."""


class InvalidCursor(PodworkError):
    """Raised when a cursor is none, or belongs to another list."""

    def __init__(self, why: str) -> None:
        super().__init__(f"this cursor {why}", "take it whole from the page before, with the same filter")


def page(
    store: Store,
    wanted: Filter,
    cursor: str | None = None,
    limit: int = 50,
    most_looked_at: int = MOST_LOOKED_AT,
) -> Page:
    """Return the next jobs that fit.

    Raises:
        InvalidFilter, InvalidCursor, StoreUnavailable: there is no page.
    """
    jobs: list[JobState] = []
    behind: Place | None = None
    looked_at = 0
    for step, found in fitting(store, wanted, place_of(cursor, wanted)):
        looked_at += 1
        if found is not None and len(jobs) == limit:
            return Page(jobs, _cursor(behind, wanted), looked_at)
        if found is not None:
            jobs.append(job_state(found))
        # Behind the last job of the page, or behind all that was looked at in vain.
        if found is not None or len(jobs) < limit:
            behind = step.place
        if looked_at >= most_looked_at:
            return Page(jobs, _cursor(behind, wanted), looked_at)
    return Page(jobs, None, looked_at)


def fitting(store: Store, wanted: Filter, after: Place | None = None) -> Iterator[tuple[Step, Found | None]]:
    """Go through everything that has to be looked at, in the order of lists; with the job if it fits."""
    wanted.check()
    matcher = Matcher(wanted)
    states = wanted.wanted_states
    if after is not None:
        states = states[states.index(after.state) :]
    for state in states:
        for step in walk(store, state, after, queue=wanted.queue or "", shop=wanted.shop or ""):
            found = step.found
            fits = found is not None and matcher.fits(found.id, found.stored)
            yield step, found if fits else None


def place_of(cursor: str | None, wanted: Filter) -> Place | None:
    """Return the place that a cursor names. Raises InvalidCursor."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        digest, place = msgspec.json.decode(text, type=tuple[str, Place])
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise InvalidCursor("cannot be read") from None
    if digest != wanted.digest or place.state not in wanted.wanted_states:
        raise InvalidCursor("belongs to another list")
    return place


def _cursor(place: Place | None, wanted: Filter) -> str | None:
    if place is None:
        return None
    return base64.urlsafe_b64encode(msgspec.json.encode((wanted.digest, place))).decode().rstrip("=")
