"""What is known of a table when a migration of it is judged.

Owns: `TableFacts` and its parts. Promises: what is not known is None or absent, never a guess. Leaves to
others: gathering (`gathering`), judging (`rules`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from podwork_migrations.change.routes import Limits
from podwork_migrations.lint.column import ColumnType

_LIMITS: Final = Limits()
_FLOATS: Final = ("float", "double", "real")


class Count(NamedTuple):
    """Rows that were counted. `whole`: in all of the table, not only in its beginning."""

    number: int
    whole: bool = True


class ColumnFacts(NamedTuple):
    """A column as it is. `has_default`: one other than NULL."""

    type: ColumnType
    nullable: bool = True
    generated: bool = False
    has_default: bool = False


class IndexFacts(NamedTuple):
    """An index as it is. `ignored`: the optimizer does not use it (MariaDB IGNORED, MySQL INVISIBLE)."""

    name: str
    columns: tuple[str | None, ...]
    unique: bool = False
    ignored: bool = False


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """A table as it is in a shard.

    `rows`: counted where they are few, else as the server estimates. `nulls`: by column, rows in which it is
    NULL. `duplicates`: by columns, values that occur more than once. `references`: tables that its foreign
    keys lead to. `referenced_by`: tables whose foreign keys lead here. `key_used`: which part of its
    AUTO_INCREMENT column's numbers is used up, from 0 to 1. `replicas`: how many servers follow this one.
    `binlog_format`, `replica_triggers`: what the server says of them (`slave_run_triggers_for_rbr`).
    `bytes`: with its indexes. `free_bytes`: on the shard's disk. `limits`: up to what a table is small.
    """

    name: str
    rows: int | None = None
    engine: str | None = None
    row_format: str | None = None
    charset: str | None = None
    columns: Mapping[str, ColumnFacts] = field(default_factory=dict)
    indexes: tuple[IndexFacts, ...] | None = None
    primary: tuple[str, ...] | None = None
    references: tuple[str, ...] = ()
    referenced_by: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    key_used: float | None = None
    auto_increment: str | None = None
    nulls: Mapping[str, Count] = field(default_factory=dict)
    duplicates: Mapping[tuple[str, ...], Count] = field(default_factory=dict)
    replicas: int | None = None
    binlog_format: str | None = None
    replica_triggers: str | None = None
    bytes: int | None = None
    free_bytes: int | None = None
    limits: Limits = _LIMITS

    @property
    def is_small(self) -> bool:
        """Whether it is known to have few rows."""
        return self.rows is not None and self.rows <= self.limits.small_rows

    @property
    def keys(self) -> list[tuple[str, ...]]:
        """The columns of its primary key and of its unique indexes over whole columns."""
        unique = [index.columns for index in self.indexes or () if index.unique]
        whole = [tuple(name for name in columns if name) for columns in unique if None not in columns]
        return ([self.primary] if self.primary else []) + whole

    def usable_keys(self) -> list[tuple[str, ...]]:
        """Return the keys along which rows can be copied: no NULL, not generated, no floating point."""
        return [key for key in self.keys if not any(self._unusable(name) for name in key)]

    def _unusable(self, name: str) -> bool:
        column = self.columns.get(name)
        return column is not None and (column.nullable or column.generated or column.type.base in _FLOATS)

    def fixes_a_row(self, columns: Iterable[str]) -> bool:
        """Return whether values for these columns leave one row a combination."""
        named = {name.lower() for name in columns}
        return any({name.lower() for name in key} <= named for key in self.keys)

    def index(self, name: str) -> IndexFacts | None:
        """Return the index of that name."""
        return next((index for index in self.indexes or () if index.name.lower() == name.lower()), None)

    def is_indexed(self, column: str) -> bool:
        """Return whether an index may have the column; one over an expression or a beginning may."""
        if self.indexes is None or self.primary is None:
            return True
        parts = [*self.primary, *(name for index in self.indexes for name in index.columns)]
        return any(name is None or name.lower() == column.lower() for name in parts)
