"""Keys: the columns that put rows in order, and what is asked of them in SQL.

Owns: `Key`, the comparisons that it makes, and `Place`, a cursor that is filled in when a statement is
executed. Promises: keys are compared by the database, never here, so that each column's own type and
collation decide; a cursor holds the values exactly as the driver gave them, and gives them back to it so. On
MariaDB and MySQL, which use no index for `(a, b) > (1, 2)`, it is written out as OR and AND; SQLite gets the
row values, because it would not use the index for the other. Leaves to others: whether the columns are unique
and indexed (`candidates`), statements (`keyset`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, column, literal, or_, tuple_, type_coerce
from sqlalchemy.types import UserDefinedType

from podwork.iteration.collection import Cursor
from podwork_pods.iteration.collections.errors import ForeignCursor

Compare = Callable[[Any, Any], Any]

_LABEL = "podwork_key_"


class AsTheDriverHasIt(UserDefinedType[Any]):
    """A value that SQLAlchemy neither converts on its way to the driver nor on its way back."""

    cache_ok = True


RAW = AsTheDriverHasIt()


class Place(str):
    """The name of a place for a cursor in a statement; `Key.filling` gives its values."""

    __slots__ = ()


Where = Cursor | Place
"""What keys are compared with: values, or a place for them."""


class Key:
    """The columns of a key, most significant first; `what` names the collection in errors."""

    def __init__(self, what: str, columns: Sequence[ColumnElement[Any]]) -> None:
        self.what = what
        self.columns = tuple(columns)
        self._raw = tuple(type_coerce(one, RAW) for one in columns)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, for people."""
        return tuple(str(getattr(one, "name", one)) for one in self.columns)

    def labelled(self) -> list[ColumnElement[Any]]:
        """Return the columns for a SELECT whose rows are cursors."""
        return [raw.label(f"{_LABEL}{number}") for number, raw in enumerate(self._raw)]

    def ascending(self) -> list[ColumnElement[Any]]:
        """Return what to order by."""
        return [one.asc() for one in self._raw]

    def descending(self) -> list[ColumnElement[Any]]:
        """Return what to order by, from the end."""
        return [one.desc() for one in self._raw]

    def filling(self, place: Place, cursor: Cursor) -> dict[str, Any]:
        """Return the values for a place. Raises ForeignCursor."""
        self._check(cursor)
        return {_parameter(place, number): value for number, value in enumerate(cursor)}

    def after(self, dialect: str, cursor: Where) -> ColumnElement[bool]:
        """Return the condition for rows behind the cursor."""
        return self._compare(dialect, cursor, operator.gt, operator.gt)

    def before(self, dialect: str, cursor: Where) -> ColumnElement[bool]:
        """Return the condition for rows in front of the cursor's."""
        return self._compare(dialect, cursor, operator.lt, operator.lt)

    def upto(self, dialect: str, cursor: Where) -> ColumnElement[bool]:
        """Return the condition for the cursor's row and those in front of it."""
        return self._compare(dialect, cursor, operator.lt, operator.le)

    def between(self, dialect: str, lo: Cursor, hi: Cursor) -> ColumnElement[bool]:
        """Return the condition for the rows of two cursors and those between them."""
        return and_(self._compare(dialect, lo, operator.gt, operator.ge), self.upto(dialect, hi))

    def bare(self) -> Key:
        """Return the key with columns that do not say of which table they are."""
        return Key(self.what, [column(name) for name in self.names])

    def _compare(self, dialect: str, cursor: Where, strict: Compare, last: Compare) -> ColumnElement[bool]:
        values = self._values(cursor)
        if dialect == "sqlite" and len(self) > 1:
            return _condition(last(tuple_(*self._raw), tuple_(*values)))
        clause = _condition(last(self._raw[-1], values[-1]))
        for raw, value in zip(self._raw[-2::-1], values[-2::-1], strict=True):
            clause = or_(strict(raw, value), and_(raw == value, clause))
        return clause

    def _values(self, cursor: Where) -> list[ColumnElement[Any]]:
        if isinstance(cursor, Place):
            return [bindparam(_parameter(cursor, number), type_=RAW) for number in range(len(self))]
        self._check(cursor)
        return [literal(value, RAW) for value in cursor]

    def _check(self, cursor: Cursor) -> None:
        if len(cursor) != len(self):
            raise ForeignCursor(self.what, cursor, f"the key is ({', '.join(self.names)})")


def _parameter(place: Place, number: int) -> str:
    return f"podwork_{place}_{number}"


def _condition(made: Any) -> ColumnElement[bool]:
    """Name the type of what an operator made."""
    condition: ColumnElement[bool] = made
    return condition
