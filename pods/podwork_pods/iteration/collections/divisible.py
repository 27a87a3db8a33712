"""Collections whose remainder can be halved while a run is under way.

Owns: the protocol `Divisible`, which every collection of this package follows, beside
`podwork.iteration.collection.Collection`. A custom collection may leave it out: then its partitions are
those of the start.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from podwork.iteration.collection import Cursor, Slice


@runtime_checkable
class Divisible(Protocol):
    """A collection that says where to cut what is left of a slice."""

    def middle(self, connection: Any, slice: Slice, cursor: Cursor | None) -> Cursor | None:
        """Return a cursor behind `cursor` and inside of the slice; None: too little is left.

        What is left becomes two slices: (cursor, middle] and (middle, slice.upto].
        """
        ...
