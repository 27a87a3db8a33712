"""What a shard's tables are, as its database describes them.

Owns: `ShardFacts`, `TableFact` and their parts. Promises: they hold what decides which rows a table takes,
how they are found and what happens beside when they are written; nothing is judged here. Leaves to others:
reading (`mysql_facts`, `sqlite_facts`), judging (`blockers`), composing (`catalogue`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from podwork_pods.mover.tables.table import ColumnFact

PLAIN: Final = "BASE TABLE"


class Column(NamedTuple):
    """A column. `generated`: its expression, "" if its values are stored as they are written."""

    fact: ColumnFact
    generated: str = ""
    counts_up: bool = False


class Part(NamedTuple):
    """A part of an index: a column, or an expression; of a column perhaps only the first `length` places."""

    column: str
    expression: str = ""
    length: int | None = None
    descending: bool = False


class Index(NamedTuple):
    """An index; `ordered`: it is one by which rows can be read in order."""

    name: str
    unique: bool
    parts: tuple[Part, ...]
    ordered: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its parts; "" for an expression."""
        return tuple(part.column for part in self.parts)

    @property
    def is_plain(self) -> bool:
        """Whether each part is a whole column."""
        return all(part.column and part.length is None for part in self.parts)


class ForeignKey(NamedTuple):
    """A foreign key; `table` has its database in front if it is another one."""

    name: str
    columns: tuple[str, ...]
    table: str
    references: tuple[str, ...]
    on_delete: str
    on_update: str

    @property
    def changes_rows(self) -> bool:
        """Whether the database changes rows by it by itself."""
        return not {self.on_delete, self.on_update} <= {"RESTRICT", "NO ACTION", ""}


class TableFact(NamedTuple):
    """A table, or what else has a table's name: a view, a sequence."""

    name: str
    kind: str
    engine: str
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...]
    foreign_keys: tuple[ForeignKey, ...]
    triggers: tuple[str, ...]
    checks: tuple[str, ...] = ()
    average_row_bytes: int = 0

    def column(self, name: str) -> Column | None:
        """Return a column by its name, in any case."""
        return next((one for one in self.columns if one.fact.name.lower() == name.lower()), None)

    def is_unique(self, columns: set[str]) -> bool:
        """Whether no two rows agree in all of these columns, by an index of the table."""
        wanted = {name.lower() for name in columns}
        return any(
            index.unique and index.is_plain and {name.lower() for name in index.columns} <= wanted
            for index in self.indexes
        )


class ShardFacts(NamedTuple):
    """The tables of one shard by name; `dialect` is `mysql` or `sqlite`."""

    dialect: str
    tables: Mapping[str, TableFact]

    @property
    def plain(self) -> tuple[TableFact, ...]:
        """The tables that hold rows by themselves, no views."""
        return tuple(table for table in self.tables.values() if table.kind != "VIEW")
