"""The rows of any SELECT, along columns that identify them.

Owns: `select` and `Selected`. Promises: the statement is read page by page behind the key's last values;
equal keys that meet in a page, and keys that are null, end the run with an error and pass over nothing.
What becomes of rows that change meanwhile: see `keyset`. Leaves to others: the queries (`keyset`); to the
author, that the key identifies a row of the result and that an index leads along it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ColumnElement, Connection, Label, Table

from podwork.iteration.collection import Batch, Cursor, Range, Slice
from podwork_pods.iteration.collections import catalogue
from podwork_pods.iteration.collections.candidates import check_columns
from podwork_pods.iteration.collections.errors import InvalidCollection
from podwork_pods.iteration.collections.keys import Key
from podwork_pods.iteration.collections.keyset import Keyset
from podwork_pods.iteration.collections.pages import Statement

KeyColumn = str | ColumnElement[Any]

_WHAT = "select"


def select(
    statement: sa.Select[Any],
    key: KeyColumn | Sequence[KeyColumn] = ("id",),
    open_ended: bool = False,
    lock: bool = False,
) -> Selected:
    """Return the rows of a SELECT as a collection.

        lines, orders = ...
        select(
            sa.select(lines, orders.c.placed).join(orders).where(orders.c.placed < today),
            key=lines.c.id,
        )

    Args:
        statement: a SELECT without order and limit: joins, filters and groups by the key are welcome. What
            its conditions refer to should not change while a run is under way.
        key: columns that identify a row of the result, as columns, or by the names of selected ones.
        open_ended, lock: as for `rows`.

    Raises:
        InvalidCollection: the statement has an order or a limit, or no such column.
        InvalidKey, when it is read: keys are equal, null, or of a type that is not compared as it is read.
    """
    columns = (key,) if isinstance(key, str) or not isinstance(key, Sequence) else key
    return Selected(statement, columns, open_ended, lock)


class Selected:
    """See `select`; a `RangeCollection`."""

    def __init__(
        self,
        statement: sa.Select[Any],
        key: Sequence[KeyColumn],
        open_ended: bool,
        lock: bool,
    ) -> None:
        checked: Any = statement
        _refuse_order_and_limit(checked)
        self._statement: Statement = checked
        self._key = Key(_WHAT, [_resolved(checked, column) for column in key])
        self._open_ended = open_ended
        self._lock = lock
        self._prepared: Keyset | None = None

    def slices(self, connection: Connection, parts: int) -> list[Slice]:
        """Cut the rows into at most `parts` slices of about as many rows each, by quantiles of the key."""
        return self._keyset(connection).slices(connection, parts)

    def count(self, connection: Connection) -> int | None:
        """Return how many rows there are; None: the database would have to look at too many."""
        return self._keyset(connection).count(connection)

    def batch(self, connection: Connection, slice: Slice, cursor: Cursor | None, limit: int) -> Batch | None:
        """Return the next rows behind the cursor; None: the slice is exhausted."""
        return self._keyset(connection).batch(connection, slice, cursor, limit)

    def range(self, connection: Connection, slice: Slice, cursor: Cursor | None, limit: int) -> Range | None:
        """Return the key of the next row and of the one `limit` rows on; None: the slice is exhausted."""
        return self._keyset(connection).range(connection, slice, cursor, limit)

    def middle(self, connection: Connection, slice: Slice, cursor: Cursor | None) -> Cursor | None:
        """Return where to halve what is left of a slice; None: it is not worth it."""
        return self._keyset(connection).middle(connection, slice, cursor)

    def within(self, connection: Connection, lo: Cursor, hi: Cursor) -> ColumnElement[bool]:
        """Return the condition for a range's rows, for keys that BETWEEN cannot say: of several columns."""
        return self._keyset(connection).within(lo, hi)

    def _keyset(self, connection: Connection) -> Keyset:
        if self._prepared is None:
            for column in self._key.columns:
                if isinstance(column, Column) and isinstance(column.table, Table):
                    check_columns(catalogue.facts_of(connection, column.table), (column.name,))
            self._prepared = Keyset(
                self._statement,
                self._key,
                connection.dialect,
                open_ended=self._open_ended,
                lock=self._lock,
            )
        return self._prepared


def _refuse_order_and_limit(statement: Any) -> None:
    if not isinstance(statement, sa.Select):
        raise InvalidCollection(f"a {type(statement).__name__} cannot be iterated", "give a plain SELECT")
    made = statement
    if made._order_by_clauses or any(
        clause is not None for clause in (made._limit_clause, made._offset_clause, made._fetch_clause)
    ):
        raise InvalidCollection(
            "the SELECT has an order or a limit", "leave both out: batches are read along the key"
        )


def _resolved(statement: sa.Select[Any], column: KeyColumn) -> ColumnElement[Any]:
    """Return the column itself, also if it was given by name, by an attribute of a model, or labelled."""
    found: Any = column
    if isinstance(column, str):
        found = statement.selected_columns.get(column)
        if found is None:
            raise InvalidCollection(f"the SELECT has no column {column}", "select it, or give the column")
    elif hasattr(column, "__clause_element__"):
        found = column.__clause_element__()
    return found.element if isinstance(found, Label) else found
