"""How the parts of a collection lie beside one another.

Owns: `EMPTY`, `contiguous`, `start_of`. Promises: what `contiguous` makes covers everything once: each slice
begins after the place where the one before it ends. Leaves to others: where to cut (each collection).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from podwork.iteration.collection import Cursor, Slice

EMPTY = Slice((), ())
"""Holds nothing, whatever is added later: the only slice of a collection that was empty at the start."""


def contiguous(first: Cursor | None, cuts: Sequence[Cursor], last: Cursor | None) -> list[Slice]:
    """Return the slices between `first` and `last`, cut after each of the ascending cursors."""
    return [Slice(after, upto) for after, upto in pairwise([first, *cuts, last])]


def start_of(part: Slice, cursor: Cursor | None) -> Cursor | None:
    """Return the cursor to go on from; None: from the beginning."""
    return part.after if cursor is None else cursor
