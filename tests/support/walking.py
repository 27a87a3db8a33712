"""Walks collections as the engine does, for tests: slice by slice, batch by batch, cursors by way of text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from podwork.iteration.collection import Batch, Collection, Cursor, Range, RangeCollection, Slice
from podwork.iteration.cursor import decode, encode


def through_text(cursor: Cursor | None) -> Cursor | None:
    """Return the cursor as it comes back from the shard."""
    return None if cursor is None else decode(encode(cursor))


def stored(part: Slice) -> Slice:
    """Return the slice as it comes back from the shard."""
    return Slice(through_text(part.after), through_text(part.upto))


def batches(
    collection: Collection, connection: Any, part: Slice, limit: int, cursor: Cursor | None = None
) -> Iterator[Batch]:
    """Yield the batches of a slice from a cursor on."""
    part = stored(part)
    while (batch := collection.batch(connection, part, cursor, limit)) is not None:
        assert 1 <= len(batch.items) <= limit
        assert batch.last != cursor, "a batch moves on"
        yield batch
        cursor = through_text(batch.last)


def walked(collection: Collection, connection: Any, parts: int = 1, limit: int = 3) -> list[list[Any]]:
    """Return the items of each slice, in order."""
    slices = collection.slices(connection, parts)
    assert 1 <= len(slices) <= max(parts, 1)
    assert slices[0].after is None or slices[0].upto == ()
    assert all(one.upto == other.after for one, other in pairwise(slices))
    return [
        [item for batch in batches(collection, connection, part, limit) for item in batch.items]
        for part in slices
    ]


def ranges(collection: RangeCollection, connection: Any, part: Slice, limit: int) -> Iterator[Range]:
    """Yield the ranges of a slice."""
    part, cursor = stored(part), None
    while (found := collection.range(connection, part, cursor, limit)) is not None:
        yield found
        cursor = through_text(found.hi)
