"""The databases that the linter knows.

Owns: `Dialect`, `SERVERS`, `ALL`, `dialect_of`. Leaves to others: everything else about them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sqlalchemy import Connection


class Dialect(StrEnum):
    """A database, as far as its schema changes differ from the others'."""

    MARIADB = "mariadb"
    MYSQL = "mysql"
    SQLITE = "sqlite"

    @property
    def grammar(self) -> str:
        """The name of its grammar in sqlglot."""
        return "sqlite" if self is Dialect.SQLITE else "mysql"

    @property
    def label(self) -> str:
        """Its name, for people."""
        return {"mariadb": "MariaDB", "mysql": "MySQL", "sqlite": "SQLite"}[self.value]


SERVERS: Final = frozenset({Dialect.MARIADB, Dialect.MYSQL})
ALL: Final = frozenset(Dialect)


def dialect_of(connection: Connection) -> Dialect:
    """Return what the connection leads to."""
    if connection.dialect.name == "sqlite":
        return Dialect.SQLITE
    return Dialect.MARIADB if getattr(connection.dialect, "is_mariadb", False) else Dialect.MYSQL
