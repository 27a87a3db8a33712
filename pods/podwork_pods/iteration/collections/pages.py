"""The rows of a statement, page by page along a key.

Owns: `Pages`: what a page's query reads, and how a cursor is taken from its rows; `ROWS`, the place for the
number of rows in a statement. Promises: an item
has the columns of the statement and no others; the cursor holds the key's values as the driver gave them,
also where SQLAlchemy converts the item's. Leaves to others: where a page begins and ends (`keyset`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Dialect, Integer, Select, bindparam

from podwork.iteration.collection import Batch, Cursor
from podwork_pods.iteration.collections.errors import InvalidKey
from podwork_pods.iteration.collections.keys import Key

Statement = Select[*tuple[Any, ...]]

ROWS: Final = "podwork_rows"


class Pages:
    """Reads pages of a statement.

    Args:
        statement: what to read, without an order. key: what orders it. dialect: whose values they are.
        vouched: the key is known to be unique; if not, equal keys side by side are refused.
    """

    def __init__(self, statement: Statement, key: Key, dialect: Dialect, *, vouched: bool) -> None:
        self._key = key
        self._vouched = vouched
        self._width = len(statement.selected_columns)
        self._extra: list[ColumnElement[Any]] = []
        self._positions: list[int] = []
        selected = list(statement.selected_columns)
        for column, label in zip(key.columns, key.labelled(), strict=True):
            position = next((n for n, other in enumerate(selected) if other is column), None)
            if position is None or _converts(column, dialect):
                position = self._width + len(self._extra)
                self._extra.append(label)
            self._positions.append(position)

    def page(self, statement: Statement) -> Statement:
        """Return the query for the first rows of the statement, which is in order."""
        return statement.add_columns(*self._extra).limit(bindparam(ROWS, type_=Integer))

    def read(
        self, connection: Connection, page: Statement, values: dict[str, Any], limit: int
    ) -> Batch | None:
        """Return the first `limit` rows of a page; None: it has none.

        Raises:
            InvalidKey: two rows have the same key, or one has none.
        """
        asked = limit if self._vouched else limit + 1  # one more: an equal key behind the page's end
        result = connection.execute(page, {**values, ROWS: asked})
        if not self._extra:
            items: Sequence[Any] = result.all()
            whole = items
        else:
            frozen = result.freeze()
            whole = frozen().all()
            items = frozen().columns(*range(self._width)).all()
        if not items:
            return None
        if not self._vouched:
            self._check([self._cursor(row) for row in whole])
            items, whole = items[:limit], whole[:limit]
        return Batch(items, self._cursor(whole[-1]))

    def _cursor(self, row: Sequence[Any]) -> Cursor:
        return tuple(row[position] for position in self._positions)

    def _check(self, cursors: list[Cursor]) -> None:
        for cursor in cursors:
            if None in cursor:
                raise InvalidKey(self._key.what, self._key.names, f"a row's is {cursor!r}")
        for cursor, following in pairwise(cursors):
            if cursor == following:
                raise InvalidKey(self._key.what, self._key.names, f"{cursor!r} occurs twice")


def _converts(column: ColumnElement[Any], dialect: Dialect) -> bool:
    """Whether SQLAlchemy gives other values of the column than the driver does."""
    return column.type.dialect_impl(dialect).result_processor(dialect, None) is not None
