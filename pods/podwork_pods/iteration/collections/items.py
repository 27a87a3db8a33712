"""A Python sequence as a collection.

Owns: `items` and `Items`. Promises: each item of the sequence as it was when the run started, once, in order;
what is appended later is not done. Leaves to the author: `collection()` gives the same sequence every time,
in the same order. A cursor is a place in it: an item inserted or deleted in front of that place moves what
follows, so that items are done again or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from podwork.iteration.collection import Batch, Cursor, Slice
from podwork_pods.iteration.collections.slices import EMPTY, contiguous, start_of


def items(sequence: Sequence[Any]) -> Items:
    """Return the items of a sequence as a collection; the cursor is the number of the last one done."""
    return Items(sequence)


class Items:
    """See `items`; a `Collection`."""

    def __init__(self, sequence: Sequence[Any]) -> None:
        self._sequence = sequence

    def slices(self, connection: Any, parts: int) -> list[Slice]:
        """Cut the sequence into at most `parts` slices of as many items each, give or take one."""
        length = len(self._sequence)
        if not length:
            return [EMPTY]
        cuts = sorted({length * part // parts for part in range(1, parts)} - {0, length})
        return contiguous(None, [(cut - 1,) for cut in cuts], (length - 1,))

    def count(self, connection: Any) -> int:
        """Return how many items there are."""
        return len(self._sequence)

    def batch(self, connection: Any, slice: Slice, cursor: Cursor | None, limit: int) -> Batch | None:
        """Return the next items; None: the slice is exhausted."""
        start, end = self._rest(slice, cursor)
        taken = self._sequence[start : min(start + limit, end)]
        return Batch(taken, (start + len(taken) - 1,)) if taken else None

    def middle(self, connection: Any, slice: Slice, cursor: Cursor | None) -> Cursor | None:
        """Return where to halve what is left of a slice; None: less than two items are left."""
        start, end = self._rest(slice, cursor)
        return ((start + end) // 2 - 1,) if end - start > 1 else None

    def _rest(self, part: Slice, cursor: Cursor | None) -> tuple[int, int]:
        """Return which items are left: from the first up to, not including, the second."""
        if part == EMPTY:
            return 0, 0
        done = start_of(part, cursor)
        end = len(self._sequence)
        if part.upto is not None:
            end = min(part.upto[0] + 1, end)
        return 0 if done is None else done[0] + 1, end
