"""A schema in one form, in which equal schemas are equal however they were made.

Owns: `Schema`, `Table` and their parts; `canonical`, which reads them from a database. Promises: what tells
nothing about the structure is not in it: AUTO_INCREMENT's next value, the order of indexes and constraints,
names that the server made up for foreign keys; neither are podwork's own tables (`podwork_...`) and what
migrations make on their way (`_podwork_...`). The order of columns is in it. Leaves to others: reading
(`mysql_tables`, `sqlite_tables`), comparing (`drift`). Views, triggers and routines are not looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

OWN_PREFIXES = ("podwork_", "_podwork_", "sqlite_")


class Column(msgspec.Struct, frozen=True):
    """A column. `default`: SQL, None for none. `extra`: auto_increment, on update, invisible."""

    name: str
    type: str
    nullable: bool
    default: str | None = None
    extra: str = ""
    collation: str = ""
    generated: str = ""
    comment: str = ""


class Part(msgspec.Struct, frozen=True):
    """A part of an index: a column or an expression. `length`: of a prefix."""

    of: str
    length: int | None = None
    descending: bool = False


class Index(msgspec.Struct, frozen=True):
    """An index; the primary key is the one named PRIMARY. `kind`: BTREE, FULLTEXT, ...; `note`: the rest."""

    name: str
    unique: bool
    parts: tuple[Part, ...]
    kind: str = "BTREE"
    ignored: bool = False
    note: str = ""


class ForeignKey(msgspec.Struct, frozen=True):
    """A foreign key; `name` is "" if the server made it up."""

    name: str
    columns: tuple[str, ...]
    table: str
    references: tuple[str, ...]
    on_delete: str
    on_update: str


class Check(msgspec.Struct, frozen=True):
    """A check constraint."""

    name: str
    clause: str


class Table(msgspec.Struct, frozen=True):
    """A table; `options` are what stands behind its definition: engine, collation, and the like."""

    name: str
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
    options: Mapping[str, str] = {}

    def column(self, name: str) -> Column | None:
        """Return a column by its name, in any case."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)


class Schema(msgspec.Struct, frozen=True):
    """The tables of a database, by name."""

    dialect: str
    tables: tuple[Table, ...]

    def table(self, name: str) -> Table | None:
        """Return a table by its name."""
        return next((table for table in self.tables if table.name == name), None)

    def with_tables(self, tables: Iterable[Table]) -> Schema:
        """Return a schema of these tables only, in order."""
        return Schema(self.dialect, tuple(sorted(tables, key=lambda table: table.name)))

    def encode(self) -> str:
        """Return it as JSON, always the same for the same schema."""
        return msgspec.json.encode(self, order="sorted").decode()

    @classmethod
    def decode(cls, text: str) -> Schema:
        """Return what `encode` wrote down."""
        return msgspec.json.decode(text, type=cls)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of `encode`, in hexadecimal digits."""
        return hashlib.sha256(self.encode().encode()).hexdigest()


def canonical(connection: Connection, only: Sequence[str] | None = None) -> Schema:
    """Return the schema of the connection's database, or of these of its tables; those missing are missing.

    Some queries in all, not some per table, except on SQLite.
    """
    # Here, because a worker reads a schema only when a migration ends, and SQLite's way needs the inspector.
    if connection.dialect.name == "sqlite":
        from podwork_migrations.fingerprint.sqlite_tables import read_tables  # noqa: PLC0415
    else:
        from podwork_migrations.fingerprint.mysql_tables import read_tables  # noqa: PLC0415
    dialect = "sqlite" if connection.dialect.name == "sqlite" else server_kind(connection)
    return Schema(dialect, ()).with_tables(read_tables(connection, only))


def is_own(name: str) -> bool:
    """Whether a table is podwork's, or SQLite's, and not the application's."""
    return name.startswith(OWN_PREFIXES)


def server_kind(connection: Connection) -> str:
    """Return `mariadb` or `mysql`."""
    dialect: Any = connection.dialect
    return "mariadb" if dialect.is_mariadb else "mysql"
