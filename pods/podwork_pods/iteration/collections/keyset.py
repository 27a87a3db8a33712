"""Walks a statement along a key: slices, batches, ranges.

Owns: `Keyset`, every query of `rows` and `select`. Promises: a page is the rows behind a cursor, in the
order of the key, inside a slice; nothing is skipped by an offset that moves. How slices are cut: by quantiles
of the key, for which the key's index is walked once (`LIMIT 1 OFFSET n` from the cut before). How many rows
there are is counted up to `COUNTED_ROWS`; above it the database's estimate is taken (MariaDB, MySQL; of a
filtered statement it says nothing, so that one is counted all the same). A wrong estimate makes slices of
unequal size, never a gap. Leaves to others: whether the key is fit (`candidates`).

Rows that change while a run is under way:

| row | what becomes of it |
| inserted behind the cursor, inside the slice | done |
| inserted in front of the cursor | not done by this run |
| inserted behind the greatest key of the start | not done; with `open_ended` done |
| deleted before its turn | not done; a cursor's own row may be deleted, too |
| its key changed from in front of the cursor to behind it | done again |
| its key changed from behind the cursor to in front of it | not done |
| it no longer fits the filter when its turn comes | not done |
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Integer,
    bindparam,
    func,
    literal_column,
    select,
)

from podwork.iteration.collection import Batch, Cursor, Range, Slice
from podwork_pods.iteration.collections.errors import InvalidKey
from podwork_pods.iteration.collections.explain import estimated_rows
from podwork_pods.iteration.collections.keys import Key, Place
from podwork_pods.iteration.collections.pages import ROWS, Pages, Statement
from podwork_pods.iteration.collections.slices import EMPTY, contiguous, start_of
from podwork_pods.iteration.prepared import Prepared

COUNTED_ROWS = 1_000_000
"""Up to so many rows are counted; above, the database's estimate has to do."""

_START: Final = Place("start")
_UPTO: Final = Place("upto")
_LAST: Final = "podwork_last"


class Keyset:
    """A statement and its key, for one kind of database.

    Args:
        statement: what to read; the database may choose how, for counting.
        key: what orders the rows.
        dialect: of the database.
        hinted: the same statement with the key's index prescribed, for reading.
        open_ended: rows added at the end while a run is under way belong to it.
        lock: a batch's rows are locked until its transaction ends.
        filtered: the statement does not read a whole table.
        vouched: the key is known to be unique.
    """

    def __init__(
        self,
        statement: Statement,
        key: Key,
        dialect: Dialect,
        *,
        hinted: Statement | None = None,
        open_ended: bool = False,
        lock: bool = False,
        filtered: bool = True,
        vouched: bool = False,
    ) -> None:
        self._statement = statement
        self._hinted = statement if hinted is None else hinted
        self._key = key
        self._dialect = dialect.name
        self._open_ended = open_ended
        self._lock = lock
        self._filtered = filtered
        self._vouched = vouched
        self._pages = Pages(statement, key, dialect, vouched=vouched)
        self._made: dict[tuple[object, bool, bool], Any] = {}

    def slices(self, connection: Connection, parts: int) -> list[Slice]:
        """Cut the rows into at most `parts` slices of about as many rows each."""
        greatest = self._first(connection, self._keys().order_by(*self._key.descending()))
        if greatest is None:
            return [Slice(None, None) if self._open_ended else EMPTY]
        cuts = self._cuts(connection, greatest, parts) if parts > 1 else []
        return contiguous(None, cuts, None if self._open_ended else greatest)

    def count(self, connection: Connection) -> int | None:
        """Return how many rows there are; above `COUNTED_ROWS` an estimate, or None if there is a filter."""
        estimate = self._large(connection)
        if estimate is None:
            return self._counted(connection, self._keys(self._statement))
        return None if self._filtered else estimate

    def batch(self, connection: Connection, slice: Slice, cursor: Cursor | None, limit: int) -> Batch | None:
        """Return the next rows; None: the slice is exhausted."""
        if slice == EMPTY:
            return None
        page, values = self._prepared(self._make_page, slice, cursor)
        return self._pages.read(connection, page, values, limit)

    def range(self, connection: Connection, slice: Slice, cursor: Cursor | None, limit: int) -> Range | None:
        """Return the first and the last key of the next rows; None: the slice is exhausted."""
        if slice == EMPTY:
            return None
        if self._vouched and (whole := self._whole_range(connection, slice, cursor, limit)) is not None:
            return whole
        if len(self._key) > 1:
            page, values = self._prepared(self._make_keys, slice, cursor)
            keys = [tuple(row) for row in connection.execute(page, {**values, ROWS: limit})]
            self._refuse_nulls(any(None in key for key in keys))
            return Range(keys[0], keys[-1], len(keys)) if keys else None
        # One column has its extremes found by the database, so that a large range is not a large answer.
        ends, values = self._prepared(self._make_extremes, slice, cursor)
        lo, hi, keyed, found = connection.execute(ends, {**values, ROWS: limit}).one()
        self._refuse_nulls(keyed < found)
        return Range((lo,), (hi,), found) if found else None

    def within(self, lo: Cursor, hi: Cursor) -> ColumnElement[bool]:
        """Return the condition for the rows of a range, both ends included."""
        return self._key.between(self._dialect, lo, hi)

    def middle(self, connection: Connection, slice: Slice, cursor: Cursor | None) -> Cursor | None:
        """Return the key that halves what is left of a slice; None: less than two rows are left.

        Of more than `COUNTED_ROWS` rows the first `COUNTED_ROWS` are looked at.
        """
        if slice == EMPTY:
            return None
        rest = self._keys().order_by(*self._key.ascending())
        if (start := start_of(slice, cursor)) is not None:
            rest = rest.where(self._key.after(self._dialect, start))
        if slice.upto is not None:
            rest = rest.where(self._key.upto(self._dialect, slice.upto))
        rows = self._counted(connection, rest.limit(COUNTED_ROWS))
        return self._first(connection, rest, rows // 2 - 1) if rows > 1 else None

    def _whole_range(
        self, connection: Connection, part: Slice, cursor: Cursor | None, limit: int
    ) -> Range | None:
        """Return the range of exactly `limit` rows; None: there are not so many.

        One statement, so that both ends are of one moment: rows come and go between two.
        """
        ends, values = self._prepared(self._make_ends, part, cursor)
        found = ends.execute(connection, {**values, _LAST: limit - 1}).all()
        if len(self._key) == 1:
            [(lo, hi)] = found
            return None if hi is None else Range((lo,), (hi,), limit)
        keys = {row[0]: tuple(row[1:]) for row in found}
        return Range(keys[0], keys[1], limit) if 1 in keys else None

    def _refuse_nulls(self, are_there: bool) -> None:
        if are_there:
            raise InvalidKey(self._key.what, self._key.names, "a row's is null, which is behind no cursor")

    def _cuts(self, connection: Connection, greatest: Cursor, parts: int) -> list[Cursor]:
        estimate = None if self._filtered else self._large(connection)
        total = self._counted(connection, self._keys(self._statement)) if estimate is None else estimate
        cuts: list[Cursor] = []
        # In front of the greatest key: the last slice is never empty, however wrong an estimate is.
        walk = self._keys().where(self._key.before(self._dialect, greatest)).order_by(*self._key.ascending())
        for start, end in pairwise(total * part // parts for part in range(parts)):
            if end > start:
                rest = walk.where(self._key.after(self._dialect, cuts[-1])) if cuts else walk
                cut = self._first(connection, rest, end - start - 1)
                if cut is None:
                    break
                cuts.append(cut)
        return cuts

    def _large(self, connection: Connection) -> int | None:
        """Return the estimate of how many rows are looked at, if it is too many to count them."""
        estimate = estimated_rows(connection, self._keys(self._statement))
        return estimate if estimate is not None and estimate > COUNTED_ROWS else None

    # Statements for what is behind a cursor are made once, with places for its values: making one, and the
    # key under which SQLAlchemy remembers its text, costs more than the database takes to answer it.

    def _prepared(
        self, make: Callable[[bool, bool], Any], part: Slice, cursor: Cursor | None
    ) -> tuple[Any, dict[str, Any]]:
        """Return the statement that `make` makes for slices with such ends, and what is to be filled in."""
        start = start_of(part, cursor)
        which = (make.__name__, start is not None, part.upto is not None)
        made = self._made.get(which)
        if made is None:
            made = self._made[which] = make(*which[1:])
        values = {} if start is None else self._key.filling(_START, start)
        if part.upto is not None:
            values |= self._key.filling(_UPTO, part.upto)
        return made, values

    def _make_page(self, has_start: bool, has_upto: bool) -> Statement:
        page = self._inside(self._hinted, has_start, has_upto)
        return self._pages.page(page.with_for_update() if self._lock else page)

    def _make_keys(self, has_start: bool, has_upto: bool) -> Statement:
        rest = self._inside(self._keys(), has_start, has_upto)
        return rest.limit(bindparam(ROWS, type_=Integer))

    def _make_extremes(self, has_start: bool, has_upto: bool) -> Any:
        (column,) = self._make_keys(has_start, has_upto).subquery("page").c
        return select(func.min(column), func.max(column), func.count(column), func.count())

    def _make_ends(self, has_start: bool, has_upto: bool) -> Any:
        rest = self._inside(self._keys(), has_start, has_upto)
        first, last = rest.limit(1), rest.limit(1).offset(bindparam(_LAST, type_=Integer))
        if len(self._key) == 1:
            return Prepared(select(first.scalar_subquery(), last.scalar_subquery()))
        of_first, of_last = (
            select(literal_column(number), *end.subquery(f"end_{number}").c)
            for number, end in (("0", first), ("1", last))
        )
        return Prepared(of_first.union_all(of_last))

    def _inside(self, statement: Statement, has_start: bool, has_upto: bool) -> Statement:
        if has_start:
            statement = statement.where(self._key.after(self._dialect, _START))
        if has_upto:
            statement = statement.where(self._key.upto(self._dialect, _UPTO))
        return statement.order_by(*self._key.ascending())

    def _keys(self, statement: Statement | None = None) -> Statement:
        statement = self._hinted if statement is None else statement
        keys: Any = statement.with_only_columns(*self._key.labelled(), maintain_column_froms=True)
        chosen: Statement = keys
        return chosen

    def _first(self, connection: Connection, ordered: Statement, offset: int = 0) -> Cursor | None:
        row = connection.execute(ordered.limit(1).offset(offset)).first()
        return None if row is None else tuple(row)

    def _counted(self, connection: Connection, statement: Statement) -> int:
        return connection.execute(
            select(func.count()).select_from(statement.subquery("counted"))
        ).scalar_one()
