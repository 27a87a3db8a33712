"""Which keys a table has, as its database knows them, and what forbids others.

Owns: `TableFacts` (columns and indexes as they are in the database, whatever a `Table` declares) and the
checks of a key. Promises: a key that passes is unique, has no nulls, comes back from the driver as it is
compared, and lies in an index in its own order; so a page of it is one range of that index. Leaves to others:
reading the facts (`catalogue`), conditions (`keys`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from podwork_pods.iteration.collections.errors import InvalidKey

# MariaDB and MySQL: what is not compared as it is read, so that a cursor would stand at another place.
_UNFIT = {
    "float": "a float is read back rounded",
    "bit": "a bit is read as bytes and compared as a number",
    "enum": "an enum is ordered by position and compared as text",
    "set": "a set is ordered by position and compared as text",
    "time": "a negative time is written by the driver as another one",
    "timestamp": "a timestamp's hour occurs twice when clocks are put back; a datetime's does not",
}
_UNFIT_TYPE = re.compile(rf"({'|'.join(_UNFIT)})\b", re.IGNORECASE)


class ColumnFacts(NamedTuple):
    """A column: its type in the database's words."""

    type: str
    nullable: bool


class Index(NamedTuple):
    """An index; `ordered` are those of its leading columns by whose whole values it is ordered one way."""

    name: str
    columns: tuple[str, ...]
    ordered: tuple[str, ...]
    unique: bool


class TableFacts(NamedTuple):
    """A table: its columns by name in lower case, and its indexes, of which one may be the primary key."""

    name: str
    columns: dict[str, ColumnFacts]
    indexes: list[Index]
    primary: tuple[str, ...]
    """What the database appends to each of the other indexes; empty if it does not."""


def index_for(facts: TableFacts, key: Sequence[str]) -> Index:
    """Return the index that a key is read along.

    A longer key than a unique one is unique, too: (created, id) may be read along an index on (created),
    because InnoDB and SQLite append the primary key to it.

    Raises:
        InvalidKey: there is none, or the key is not fit otherwise.
    """
    names = tuple(name.lower() for name in key)
    check_columns(facts, names)
    if len(set(names)) < len(names):
        raise InvalidKey(facts.name, names, "a column is named twice")
    for name in names:
        if facts.columns[name].nullable:
            raise InvalidKey(facts.name, names, f"{name} may be null, and a null is behind no cursor")
    if not any(index.unique and set(index.columns) <= set(names) for index in facts.indexes):
        raise InvalidKey(facts.name, names, "it is not unique: rows with equal keys would be passed over")
    for index in facts.indexes:
        rest = tuple(name for name in facts.primary if name not in index.columns)
        whole = index.ordered + rest if index.ordered == index.columns else index.ordered
        if whole[: len(names)] == names:
            return index
    raise InvalidKey(facts.name, names, "no index begins with these columns in this order")


def check_columns(facts: TableFacts, key: Sequence[str]) -> None:
    """Pass if the columns exist and come back as they are compared. Raises InvalidKey."""
    if not key:
        raise InvalidKey(facts.name, (), "it has no column")
    for name in key:
        column = facts.columns.get(name.lower())
        if column is None:
            raise InvalidKey(facts.name, tuple(key), f"there is no column {name}")
        if unfit := _UNFIT_TYPE.match(column.type):
            raise InvalidKey(facts.name, tuple(key), f"{name}: {_UNFIT[unfit[1].lower()]}")
