"""A table whose rows travel with a shop: which columns, along which key, and which rows are the shop's.

Owns: `MovedTable` and `ColumnFact`, and the SQL that tells a shop's rows. Promises: `of_shop` names each row
of the shop and no row of another, has one placeholder, and quotes every name. Leaves to others: reading them
from a database (`catalogue`), their order (`order`), reading and writing rows (`mover.rows`).
"""

# ruff: noqa: S608 - names are quoted, values are parameters

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class ColumnFact(NamedTuple):
    """A stored column, as its database describes it.

    `type`: its base type in lower case (`decimal`, `varchar`; on SQLite as it was declared). `declared`: the
    whole type (`decimal(10,2) unsigned`). `charset` and `collation` are "" for what is not text. `binary`:
    the driver gives bytes (blobs, bits, geometry).
    """

    name: str
    type: str
    declared: str = ""
    charset: str = ""
    collation: str = ""
    unsigned: bool = False
    binary: bool = False
    nullable: bool = False


class Rewrite(StrEnum):
    """What a column gets at the target instead of the source's value; such columns are not compared."""

    EPOCH = "epoch"
    """The shop's epoch at the target: the passage's epoch and one."""
    POD = "pod"
    """The number of the leg's target pod."""
    ON_THE_WAY = "on the way"
    """-1: what relays and rebuilds pass over."""


@dataclass(frozen=True)
class MovedTable:
    """A table of the shop's rows in one dialect, `mysql` (MariaDB too) or `sqlite`.

    Either `shop_column` holds the shop's number, or `parent` says through which table's rows, by the columns
    of `link` (own, the parent's), a row is the shop's.

    `columns` are those that are read and written, in order; generated ones are left out, and so are numbers
    that the target gives itself. `key` is what is walked and what changed rows are known by. `rank`: parents
    have lower ones. `grouped`: several rows may have one key; they are read, deleted and inserted as one.
    `rewritten`: columns (of `columns`) that get another value at the target. `unchecked`: why foreign keys
    have to be unchecked in sessions that write it, "" if they need not.
    """

    name: str
    columns: tuple[ColumnFact, ...]
    key: tuple[str, ...]
    shop_column: str | None = None
    parent: MovedTable | None = None
    link: tuple[tuple[str, str], ...] = ()
    rank: int = 0
    grouped: bool = False
    rewritten: tuple[tuple[str, Rewrite], ...] = ()
    unchecked: str = ""
    dialect: str = "mysql"

    @property
    def through(self) -> str | None:
        """The name of the table through whose rows its own are the shop's; None: it has the shop's number."""
        return None if self.parent is None else self.parent.name

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns that are read and written, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def placeholder(self) -> str:
        """How the dialect's driver writes the place of a value."""
        return "?" if self.dialect == "sqlite" else "%s"

    def column(self, name: str) -> ColumnFact:
        """Return a column by its name. Raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def quote(self, name: str) -> str:
        """Return a name as it stands in a statement that is run with values (PyMySQL wants % doubled)."""
        if self.dialect == "sqlite":
            return '"' + name.replace('"', '""') + '"'
        return "`" + name.replace("`", "``").replace("%", "%%") + "`"

    def of_shop(self, alias: str) -> str:
        """Return the condition that a row of `alias` (an unquoted name) is the shop's; one placeholder.

        For a statement without an alias, such as DELETE, give the table's own name.
        """
        return self._of_shop(alias, 1)

    def _of_shop(self, alias: str, depth: int) -> str:
        if self.parent is None:
            return f"{self.quote(alias)}.{self.quote(self.shop_column or '')} = {self.placeholder}"
        above = f"_above_{depth}"
        pairs = " AND ".join(
            f"{self.quote(above)}.{self.quote(theirs)} = {self.quote(alias)}.{self.quote(own)}"
            for own, theirs in self.link
        )
        return (
            f"EXISTS (SELECT 1 FROM {self.quote(self.parent.name)} AS {self.quote(above)} "
            f"WHERE {pairs} AND {self.parent._of_shop(above, depth + 1)})"
        )
