"""What an iteration job works through, as the engine sees it, and as an application may write its own.

Owns: `Cursor`, `Slice`, `Batch`, `Range`, and the protocols `Collection` and `RangeCollection`. The engine
cuts a collection into slices once, when a run begins, and makes a partition of each. Then it asks for batch
after batch of a partition, each in a transaction of its own, and stores `last` or `hi` together with the
work. What the next batch is depends on nothing but the slice and the cursor: another process goes on from
them.

What a collection promises:

- *Slices are contiguous.* Each begins after the place where the one before it ends, so that every item lies
  in exactly one of them, also one that is added later. The end of the last one decides what becomes of items
  that are added behind it: a place leaves them out, `None` takes them in.
- *A batch moves on.* Its cursor lies behind the one it was asked from, and never behind the slice's end.
  Items come in the order of their cursors, at most as many as asked for. Fewer of them, or none at all, may
  come before the end too (a filter that few rows pass): the cursor alone is the step. Only `None` says that
  the slice is done.
- *A cursor is a position, not a count.* It is the key of an item, so that items that come and go elsewhere do
  not move it; the item itself may be gone when the next batch is asked for. It holds what `podwork.iteration.
  cursor` can write.
- *Keys are compared where they live*: by the database and its collation, never in Python.

Leaves to others: the collections that come with podwork (`podwork_pods.iteration.collections`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

Cursor: TypeAlias = tuple[Any, ...]
"""The values of the key of the last item done, most significant first; `None` instead: nothing done yet."""


class Slice(NamedTuple):
    """What lies behind `after` and not behind `upto`.

    `after` None: from the beginning. `upto` None: to the end, whatever is added.
    """

    after: Cursor | None
    upto: Cursor | None


class Batch(NamedTuple):
    """Items, perhaps none of them, and the cursor up to which they were looked for.

    `items` is what `each_batch()` is given at once and `each()` one by one.
    """

    items: Sequence[Any]
    last: Cursor


class Range(NamedTuple):
    """Keys from `lo` to `hi`, both included and both there, and how many rows they hold."""

    lo: Cursor
    hi: Cursor
    rows: int


@runtime_checkable
class Collection(Protocol):
    """What can be worked through in slices, from any cursor.

    `connection` is the transaction in which the batch is worked on, so that a batch sees the rows as its
    writes do. A collection that lies elsewhere (a file, a list) does not use it.
    """

    def slices(self, connection: Any, parts: int) -> list[Slice]:
        """Return contiguous slices, at least one and about as many as `parts`, of about equal size.

        Asked once in a run, before any of them is begun. A collection that cannot be cut returns one.
        """
        ...

    def count(self, connection: Any) -> int | None:
        """Return how many items there are, for the progress; None when it cannot be known cheaply."""
        ...

    def batch(
        self,
        connection: Any,
        slice: Slice,  # noqa: A002 - the builtin is of no use here, and it is the slice
        cursor: Cursor | None,
        limit: int,
    ) -> Batch | None:
        """Return the items behind the cursor, at most `limit`; None: the slice holds no more.

        `cursor` None: from the slice's beginning.
        """
        ...


@runtime_checkable
class RangeCollection(Collection, Protocol):
    """A collection that can name a batch by its first and last key, without reading what lies between."""

    def range(
        self,
        connection: Any,
        slice: Slice,  # noqa: A002 - as above
        cursor: Cursor | None,
        limit: int,
    ) -> Range | None:
        """Return the keys of the first `limit` rows behind the cursor; None: the slice holds no more."""
        ...
