"""A collection inside of each item of another: the shops of a pod, and the rows of each.

Owns: `nested`, `Nested` and the form of its cursors. Promises: inner items in the order of the outer ones,
each inner collection with the end that it had when the run came to its outer item. Slices are cut between
outer items. What becomes of outer items that change meanwhile: one inserted behind the place of the run is
done; one inserted in front of it is not; one deleted while its inner items are under way has the rest of them
left out. Inner items: as their collection says. Leaves to others: the two collections.

A cursor is flat: the lengths of its three pieces (-1: there is none), then the pieces themselves.

| piece | |
| `done` | the outer cursor behind which the run stands |
| `at` | the outer cursor of the item whose inner items are under way; none: between outer items |
| `upto`, `inner` | where that item's inner collection ends, and the last inner item done |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from podwork.iteration.collection import Batch, Collection, Cursor, Slice
from podwork_pods.iteration.collections.divisible import Divisible
from podwork_pods.iteration.collections.errors import ForeignCursor
from podwork_pods.iteration.collections.slices import EMPTY, start_of

_LENGTHS = 3


class Pair(NamedTuple):
    """An inner item, and the outer one that it belongs to."""

    outer: Any
    inner: Any


class Place(NamedTuple):
    """A cursor's meaning; see the module."""

    done: Cursor | None = None
    at: Cursor | None = None
    upto: Cursor | None = None
    inner: Cursor | None = None


def nested(outer: Collection, inner: Callable[[Any], Collection]) -> Nested:
    """Return the inner items of all outer items as one collection of pairs.

        orders = rows("orders", key=("shop_id", "id"))
        nested(
            rows("podwork_fence", key="shop_id", where="state = 'open'"),
            lambda shop: orders.where(column("shop_id") == shop.shop_id),
        )

    A batch goes on from one outer item to the next until it is full: let the outer collection leave out
    items without inner ones, if there are many of them.
    """
    return Nested(outer, inner)


class Nested:
    """See `nested`; a `Collection`."""

    def __init__(self, outer: Collection, inner: Callable[[Any], Collection]) -> None:
        self._outer = outer
        self._inner = inner

    def slices(self, connection: Any, parts: int) -> list[Slice]:
        """Cut as the outer collection cuts, between outer items."""
        return [
            part if part == EMPTY else Slice(_between(part.after), _between(part.upto))
            for part in self._outer.slices(connection, parts)
        ]

    def count(self, connection: Any) -> int | None:
        """Return None: every outer item would have to be looked into."""
        return None

    def batch(self, connection: Any, slice: Slice, cursor: Cursor | None, limit: int) -> Batch | None:
        """Return the next pairs, of one or more outer items; None: the slice is exhausted."""
        if slice == EMPTY:
            return None
        place, outer = _bounds(slice, cursor)
        pairs: list[Pair] = []
        while len(pairs) < limit:
            found = self._enter(connection, outer, place)
            if found is None:
                break
            item, place = found
            if place.at is not None:
                place = self._take(connection, item, place, pairs, limit)
        return Batch(pairs, write(place)) if pairs else None

    def middle(self, connection: Any, slice: Slice, cursor: Cursor | None) -> Cursor | None:
        """Return where to halve the outer items behind the one that is under way; None: too few are left."""
        if slice == EMPTY or not isinstance(self._outer, Divisible):
            return None
        place, outer = _bounds(slice, cursor)
        return _between(self._outer.middle(connection, outer, place.done if place.at is None else place.at))

    def _enter(self, connection: Any, outer: Slice, place: Place) -> tuple[Any, Place] | None:
        """Return the outer item that is under way, or the next; None: there is no other."""
        if place.at is not None:
            under_way = self._again(connection, place.done, place.at)
            if under_way is not None:
                return under_way.items[0], place
            place = Place(done=place.at)  # it was deleted
        following = self._outer.batch(connection, outer, place.done, 1)
        if following is None:
            return None
        (item,) = following.items
        whole = self._inner(item).slices(connection, 1)[-1]
        if whole == EMPTY:
            return item, Place(done=following.last)
        return item, Place(place.done, following.last, whole.upto)

    def _again(self, connection: Any, done: Cursor | None, at: Cursor) -> Batch | None:
        """Read an outer item once more; what was inserted in front of it meanwhile is passed over."""
        while (found := self._outer.batch(connection, Slice(None, at), done, 1)) is not None:
            if found.last == at:
                return found
            done = found.last
        return None

    def _take(self, connection: Any, item: Any, place: Place, pairs: list[Pair], limit: int) -> Place:
        """Add the item's next pairs until there are enough; return the place behind them."""
        inner, whole = self._inner(item), Slice(None, place.upto)
        while len(pairs) < limit:
            found = inner.batch(connection, whole, place.inner, limit - len(pairs))
            if found is None:
                return Place(done=place.at)
            pairs += [Pair(item, each) for each in found.items]
            place = place._replace(inner=found.last)
        return place


def write(place: Place) -> Cursor:
    """Return the place as a flat cursor."""
    pieces = (place.done, place.at, place.upto)
    lengths = tuple(-1 if piece is None else len(piece) for piece in pieces)
    return lengths + tuple(value for piece in (*pieces, place.inner) for value in piece or ())


def read(cursor: Cursor) -> Place:
    """Return what a flat cursor means. Raises ForeignCursor."""
    lengths, values = cursor[:_LENGTHS], list(cursor[_LENGTHS:])
    if len(lengths) < _LENGTHS or not all(isinstance(length, int) for length in lengths):
        raise ForeignCursor("nested", cursor, "it does not begin with the lengths of its pieces")
    pieces: list[Cursor | None] = []
    for length in lengths:
        if length > len(values):
            raise ForeignCursor("nested", cursor, "its pieces are shorter than it says")
        pieces.append(None if length < 0 else tuple(values[:length]))
        del values[: max(length, 0)]
    done, at, upto = pieces
    return Place(done, at, upto, tuple(values) or None)


def _between(outer: Cursor | None) -> Cursor | None:
    return None if outer is None else write(Place(done=outer))


def _bounds(part: Slice, cursor: Cursor | None) -> tuple[Place, Slice]:
    """Return the place to go on from, and the slice of the outer collection."""
    start = start_of(part, cursor)
    end = Place() if part.upto is None else read(part.upto)
    if end.at is not None:
        raise ForeignCursor("nested", part.upto or (), "a slice ends between outer items")
    return Place() if start is None else read(start), Slice(None, end.done)
