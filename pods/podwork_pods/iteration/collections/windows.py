"""A span of time as a collection of windows.

Owns: `windows`, `Windows` and `Window`. Promises: windows that lie beside one another and cover the span from
`start` to `end` once; the last may be shorter. The end is the one that `collection()` said when the run
started, so that it may say "now". The cursor is the end of the last window done: a step that is changed in
the middle of a run neither leaves a gap nor repeats a moment. Leaves to the author: rows whose time changes
from one window into another, or that are inserted with a time that has passed, which no window sees again.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from podwork.iteration.collection import Batch, Cursor, Slice
from podwork_pods.iteration.collections.errors import InvalidCollection
from podwork_pods.iteration.collections.slices import EMPTY, contiguous, start_of


class Window(NamedTuple):
    """From `start` up to, not including, `end`."""

    start: Any
    end: Any


def windows(start: date, end: date, step: timedelta) -> Windows:
    """Return the span as a collection of windows, each `step` long.

        windows(datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC), timedelta(hours=1))

    Args:
        start, end: two dates, or two datetimes; with a zone they are taken to UTC, where an hour is an hour.
        step: above zero; of dates, whole days.

    Raises:
        InvalidCollection: they do not go together.
    """
    return Windows(start, end, step)


class Windows:
    """See `windows`; a `Collection`."""

    def __init__(self, start: date, end: date, step: timedelta) -> None:
        if isinstance(start, datetime) != isinstance(end, datetime):
            raise _refused("one end is a date and the other a datetime")
        if isinstance(start, datetime) and isinstance(end, datetime):
            if (start.tzinfo is None) != (end.tzinfo is None):
                raise _refused("one end has a time zone and the other has none")
            start, end = _in_utc(start), _in_utc(end)
        elif step % timedelta(days=1):
            raise _refused("windows of dates have whole days")
        if step <= timedelta(0):
            raise _refused("a window has to be longer than nothing")
        # One type from here on: both ends are dates or both are datetimes, which compare among themselves.
        self._start: Any = start
        self._end: Any = end
        self._step = step

    def slices(self, connection: Any, parts: int) -> list[Slice]:
        """Cut the span between windows into at most `parts` slices of about as many windows each."""
        windows = self._between(self._start, self._end)
        if not windows:
            return [EMPTY]
        cuts = sorted({windows * part // parts for part in range(1, parts)} - {0, windows})
        return contiguous(None, [(self._start + cut * self._step,) for cut in cuts], (self._end,))

    def count(self, connection: Any) -> int:
        """Return how many windows there are."""
        return self._between(self._start, self._end)

    def batch(self, connection: Any, slice: Slice, cursor: Cursor | None, limit: int) -> Batch | None:
        """Return the next windows; None: the slice is exhausted."""
        start, end = self._rest(slice, cursor)
        found: list[Window] = []
        while start < end and len(found) < limit:
            window = Window(start, min(start + self._step, end))
            found.append(window)
            start = window.end
        return Batch(found, (start,)) if found else None

    def middle(self, connection: Any, slice: Slice, cursor: Cursor | None) -> Cursor | None:
        """Return where to halve what is left of a slice; None: less than two windows are left."""
        start, end = self._rest(slice, cursor)
        windows = self._between(start, end)
        return (start + windows // 2 * self._step,) if windows > 1 else None

    def _rest(self, part: Slice, cursor: Cursor | None) -> tuple[Any, Any]:
        if part == EMPTY:
            return self._start, self._start
        done = start_of(part, cursor)
        return self._start if done is None else done[0], self._end if part.upto is None else part.upto[0]

    def _between(self, start: Any, end: Any) -> int:
        return int(max(-((start - end) // self._step), 0))


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is None else moment.astimezone(UTC)


def _refused(why: str) -> InvalidCollection:
    return InvalidCollection(f"windows of time: {why}", "mend the start, the end or the step")
