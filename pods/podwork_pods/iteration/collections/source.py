"""A table as it is found in a database, and the key that it is read along.

Owns: `Source` and `Found`. Promises: what is found was checked, once, against the database itself. Leaves to
others: what is read (`rows`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, MetaData, Table, select
from sqlalchemy.exc import NoSuchTableError

from podwork_pods.engines import reflecting
from podwork_pods.iteration.collections import catalogue
from podwork_pods.iteration.collections.candidates import index_for
from podwork_pods.iteration.collections.errors import InvalidCollection, InvalidKey
from podwork_pods.iteration.collections.explain import sorts
from podwork_pods.iteration.collections.keys import Key


class Found(NamedTuple):
    """A table of one database; `hint` prescribes the key's index where the database takes such words."""

    table: Table
    key: Key
    hint: str

    def columns(self, names: Sequence[str] | None) -> Iterable[ColumnElement[Any]]:
        """Return these columns, or all. Raises InvalidCollection: there is no such."""
        return self.table.c if names is None else [_column(self.table, name) for name in names]


class Source:
    """A table, by name or as SQLAlchemy knows it, and the columns of its key."""

    def __init__(self, table: str | Table, key: tuple[str, ...]) -> None:
        self._table = table
        self._key = key
        self._found: Found | None = None

    @property
    def table_name(self) -> str:
        """The table's name, as it was given."""
        return self._table.name if isinstance(self._table, Table) else self._table

    def found(self, connection: Connection) -> Found:
        """Return the table as it is in this database. Raises InvalidCollection, InvalidKey."""
        if self._found is None:
            self._found = self._find(connection)
        return self._found

    def _find(self, connection: Connection) -> Found:
        table = _described(connection, self._table)
        index = index_for(catalogue.facts_of(connection, table), self._key)
        columns = [_column(table, name) for name in self._key]
        # An index may have another collation than its column; then it is neither in order nor unique by it.
        if connection.dialect.name == "sqlite" and sorts(connection, select(*columns).order_by(*columns)):
            raise InvalidKey(table.fullname, self._key, "its index has another collation than its columns")
        # Doubled, because SQLAlchemy puts the table's name into a hint with the operator %.
        name = connection.dialect.identifier_preparer.quote_identifier(index.name).replace("%", "%%")
        return Found(table, Key(table.fullname, columns), f"FORCE INDEX ({name})")


def _described(connection: Connection, table: str | Table) -> Table:
    if isinstance(table, Table):
        return table
    try:
        with reflecting(connection):
            return Table(table, MetaData(), autoload_with=connection, resolve_fks=False)
    except NoSuchTableError:
        raise catalogue.missing(table) from None


def _column(table: Table, name: str) -> ColumnElement[Any]:
    for column in table.c:
        if column.name.lower() == name.lower():
            return column
    raise InvalidCollection(f"{table.fullname} has no column {name}", "mend what the collection names")
