"""A table's rows, along any of its unique keys.

Owns: `rows` and `Rows`. Promises: the key is checked against the database before the first row is read, and
is read along its own index. On MariaDB and MySQL that index is prescribed, unless there is a filter: an
optimizer that thinks otherwise would sort the rest of the table for every batch. What becomes of rows that
change meanwhile: see `keyset`. Leaves to others: the table and its key (`source`), the queries (`keyset`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, and_, select, text

from podwork.iteration.collection import Batch, Cursor, Range, Slice
from podwork_pods.iteration.collections.keyset import Keyset
from podwork_pods.iteration.collections.source import Source

Condition = ColumnElement[bool] | str


class Narrowing(NamedTuple):
    """Which rows of a table, by a condition on it as it is found.

    `is_filter`: few rows fit, so that another index than the key's may lead to them.
    """

    condition: Callable[[Table], ColumnElement[bool]]
    is_filter: bool


def rows(
    table: str | Table,
    key: str | Sequence[str] = ("id",),
    columns: Sequence[str] | None = None,
    where: Condition | None = None,
    open_ended: bool = False,
    lock: bool = False,
) -> Rows:
    """Return the rows of a table as a collection.

        rows("order_lines")
        rows("order_lines", key=("shop_id", "id"), where="shop_id = 330", columns=("id", "value"))

    Args:
        table: its name in the shard, whose columns are then asked of the database; or a SQLAlchemy table.
        key: columns that are unique together, without nulls, and first in an index in this order.
        columns: what an item has, by name: `item.value`; all columns if not said.
        where: which rows, as a SQLAlchemy condition, or as SQL that names no other table. Have an index lead
            to them in the order of the key, such as (shop_id, id) for the shop's rows by id; otherwise a
            batch looks at many rows for the few that it finds.
        open_ended: go on to rows that are added at the end meanwhile. Otherwise the end is the key that is
            greatest when the run starts.
        lock: a batch's rows are read under lock, so that nobody changes them between that and the commit.
            For work that computes new values from those it read. SQLite locks the whole shard anyway.

    Raises, when it is first read:
        InvalidCollection: there is no such table or column. InvalidKey: the key is not fit.
    """
    source = Source(table, (key,) if isinstance(key, str) else tuple(key))
    return Rows(source, columns, () if where is None else (where,), open_ended, lock)


class Rows:
    """See `rows`; a `RangeCollection`."""

    def __init__(
        self,
        source: Source,
        columns: Sequence[str] | None,
        conditions: tuple[Condition, ...],
        open_ended: bool,
        lock: bool,
        narrowings: tuple[Narrowing, ...] = (),
    ) -> None:
        self._source = source
        self._columns = columns
        self._conditions = conditions
        self._open_ended = open_ended
        self._lock = lock
        self._narrowings = narrowings
        self._prepared: Keyset | None = None

    @property
    def table_name(self) -> str:
        """The name of the table, as it was given."""
        return self._source.table_name

    def where(self, condition: Condition) -> Rows:
        """Return those of the rows that fit the condition, too; what is known of the table is shared."""
        conditions = (*self._conditions, condition)
        return Rows(self._source, self._columns, conditions, self._open_ended, self._lock, self._narrowings)

    def narrowed(self, narrowing: Narrowing) -> Rows:
        """Return those of the rows that fit a condition on the table as it is found; not for `within`."""
        narrowings = (*self._narrowings, narrowing)
        return Rows(self._source, self._columns, self._conditions, self._open_ended, self._lock, narrowings)

    def slices(self, connection: Connection, parts: int) -> list[Slice]:
        """Cut the rows into at most `parts` slices of about as many rows each, by quantiles of the key."""
        return self._keyset(connection).slices(connection, parts)

    def count(self, connection: Connection) -> int | None:
        """Return how many rows there are; of a large table an estimate, or None if there is a filter."""
        return self._keyset(connection).count(connection)

    def batch(self, connection: Connection, slice: Slice, cursor: Cursor | None, limit: int) -> Batch | None:
        """Return the next rows behind the cursor; None: the slice is exhausted."""
        return self._keyset(connection).batch(connection, slice, cursor, limit)

    def range(self, connection: Connection, slice: Slice, cursor: Cursor | None, limit: int) -> Range | None:
        """Return the keys of the next row and of the one `limit` rows on; None: the slice is exhausted."""
        return self._keyset(connection).range(connection, slice, cursor, limit)

    def middle(self, connection: Connection, slice: Slice, cursor: Cursor | None) -> Cursor | None:
        """Return where to halve what is left of a slice; None: less than two rows are left."""
        return self._keyset(connection).middle(connection, slice, cursor)

    def within(self, connection: Connection, lo: Cursor, hi: Cursor) -> ColumnElement[bool]:
        """Return the condition for a range's rows, filter included; also for keys of several columns.

            update(orders).where(self.collection().within(self.session.connection(), lo, hi))

        It names the key's columns without their table, so that it fits every statement on that table alone.
        """
        key = self._source.found(connection).key.bare()
        between = key.between(connection.dialect.name, lo, hi)
        return and_(between, *map(_clause, self._conditions))

    def _keyset(self, connection: Connection) -> Keyset:
        if self._prepared is None:
            self._prepared = self._prepare(connection)
        return self._prepared

    def _prepare(self, connection: Connection) -> Keyset:
        found = self._source.found(connection)
        statement = select(*found.columns(self._columns))
        if self._conditions:
            statement = statement.where(and_(*map(_clause, self._conditions)))
        for narrowing in self._narrowings:
            statement = statement.where(narrowing.condition(found.table))
        is_filtered = bool(self._conditions) or any(narrowing.is_filter for narrowing in self._narrowings)
        return Keyset(
            statement,
            found.key,
            connection.dialect,
            # A filter may have a better index than the key's: (shop_id), with the primary key appended.
            hinted=None if is_filtered else statement.with_hint(found.table, found.hint),
            open_ended=self._open_ended,
            lock=self._lock,
            filtered=is_filtered,
            vouched=True,
        )


def _clause(condition: Condition) -> ColumnElement[bool]:
    # In brackets: an OR in it would swallow the conditions beside it. A text may stand for a condition,
    # although SQLAlchemy's types do not say so.
    return text(f"({condition})") if isinstance(condition, str) else condition  # type: ignore[return-value]
