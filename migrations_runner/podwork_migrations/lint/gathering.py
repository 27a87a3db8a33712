"""What a shard knows of the tables that a migration is about.

Owns: `gather_facts`, `facts_for`. Promises: it only reads, and no count reads more than a given number of a
table's rows: a count that stopped there says so. Leaves to others: reading structure
(`podwork_migrations.fingerprint.canonical`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from podwork_migrations.change import room
from podwork_migrations.change.routes import Limits
from podwork_migrations.fingerprint import canonical as schema
from podwork_migrations.lint.changes import AddIndex, AlterColumn, Change, Write
from podwork_migrations.lint.column import INTEGERS, ColumnType, integer_range
from podwork_migrations.lint.dialect import Dialect, dialect_of
from podwork_migrations.lint.facts import ColumnFacts, Count, IndexFacts, TableFacts
from podwork_migrations.lint.reading.columns import read_type
from podwork_migrations.lint.reading.steps import read_steps
from podwork_migrations.lint.recorded import Recorded

READ_ROWS: Final = 1_000_000
"""So many rows a count reads at most; about half a second on a shard's usual disk."""

_TABLE = """SELECT table_rows, auto_increment, table_collation FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = :table"""
_TRIGGERS = """SELECT trigger_name FROM information_schema.triggers
    WHERE event_object_schema = DATABASE() AND event_object_table = :table ORDER BY 1"""
_REFERRING = """SELECT DISTINCT table_name FROM information_schema.key_column_usage
    WHERE referenced_table_schema = DATABASE() AND referenced_table_name = :table ORDER BY 1"""


def facts_for(
    connection: Connection,
    operations: Sequence[Recorded],
    *,
    read_rows: int = READ_ROWS,
    limits: Limits | None = None,
) -> dict[str, TableFacts]:
    """Return the facts of every table that the operations touch, with what rules need counted."""
    steps = read_steps(operations, dialect_of(connection))
    changes = [change for step in steps for change in step.changes]
    tables = {change.table for change in changes if change.table}
    tables |= {name for change in changes if isinstance(change, Write) for name in change.sources}
    found = (
        gather_facts(
            connection,
            table,
            nulls=_tightened(changes, table),
            duplicates=_made_unique(changes, table),
            read_rows=read_rows,
            limits=limits,
        )
        for table in sorted(tables)
    )
    return {facts.name: facts for facts in found if facts is not None}


def gather_facts(
    connection: Connection,
    table: str,
    *,
    nulls: Iterable[str] = (),
    duplicates: Iterable[tuple[str, ...]] = (),
    read_rows: int = READ_ROWS,
    limits: Limits | None = None,
) -> TableFacts | None:
    """Return what is known of a table; None: there is none.

    Args:
        connection: to the shard.
        table: its name.
        nulls: columns whose NULLs are counted.
        duplicates: lists of columns whose equal values are counted.
        read_rows: the most rows that each count reads.
        limits: up to what a table is small, and whether there are replicas.
    """
    found = schema.canonical(connection, [table]).table(table)
    if found is None:
        return None
    columns = {column.name: _column(column) for column in found.columns}
    limits = limits or Limits()
    counting = _Counting(connection, table, read_rows, limits.small_rows)
    has = {name.lower() for name in columns}
    is_sqlite = dialect_of(connection) is Dialect.SQLITE
    own = _of_sqlite(connection, table) if is_sqlite else _of_server(connection, found, counting, limits)
    return TableFacts(
        name=table,
        row_format=found.options.get("row_format"),
        engine=found.options.get("engine"),
        columns=columns,
        indexes=tuple(_index(index) for index in found.indexes if index.name != "PRIMARY"),
        primary=next(
            (tuple(part.of for part in one.parts) for one in found.indexes if one.name == "PRIMARY"), ()
        ),
        references=tuple(sorted({key.table for key in found.foreign_keys})),
        nulls={name: counting.nulls(name) for name in nulls if name.lower() in has},
        duplicates={
            names: counting.duplicates(names)
            for names in duplicates
            if {name.lower() for name in names} <= has
        },
        limits=limits,
        **own,
    )


class _Counting:
    """Counts among the first rows of a table; a row more is read to know whether these are all."""

    def __init__(self, connection: Connection, table: str, read_rows: int, small_rows: int) -> None:
        self._connection = connection
        self._quote = connection.dialect.identifier_preparer.quote_identifier
        self._table = self._quote(table)
        self._read_rows = read_rows
        self._most_counted = small_rows + 1

    def rows(self, estimate: int) -> int:
        """Return the estimate, or more: a table that was filled a moment ago is estimated empty."""
        query = f"SELECT COUNT(*) FROM (SELECT 1 FROM {self._table} LIMIT {self._most_counted}) AS first_rows"  # noqa: S608
        return max(estimate, int(self._connection.exec_driver_sql(query).scalar_one()))

    def nulls(self, column: str) -> Count:
        name = self._quote(column)
        return self._count(
            f"SELECT COUNT(*), COALESCE(SUM({name} IS NULL), 0) FROM {self._first(name)}"  # noqa: S608 - quoted
        )

    def duplicates(self, columns: Sequence[str]) -> Count:
        names = [self._quote(column) for column in columns]
        listed, known = ", ".join(names), " AND ".join(f"{name} IS NOT NULL" for name in names)
        query = (
            f"SELECT COALESCE(SUM(n), 0), COALESCE(SUM(k AND n > 1), 0) FROM (SELECT COUNT(*) AS n, "  # noqa: S608
            f"MIN({known}) AS k FROM {self._first(listed)} GROUP BY {listed}) AS counted"
        )
        return self._count(query)

    def _first(self, columns: str) -> str:
        return f"(SELECT {columns} FROM {self._table} LIMIT {self._read_rows + 1}) AS first_rows"  # noqa: S608

    def _count(self, query: str) -> Count:
        read, number = self._connection.exec_driver_sql(query).one()
        return Count(int(number), whole=int(read) <= self._read_rows)


def _of_server(
    connection: Connection, found: schema.Table, counting: _Counting, limits: Limits
) -> dict[str, Any]:
    if _variable(connection, "information_schema_stats_expiry") is not None:  # MySQL 8 keeps them for a day
        connection.exec_driver_sql("SET SESSION information_schema_stats_expiry = 0")
    rows, next_number, collation = connection.execute(text(_TABLE), {"table": found.name}).one()
    numbered = next((column for column in found.columns if "auto_increment" in column.extra), None)
    return {
        "rows": counting.rows(int(rows or 0)),
        "charset": str(collation).partition("_")[0] if collation else None,
        "referenced_by": _names(connection, _REFERRING, found.name),
        "triggers": _names(connection, _TRIGGERS, found.name),
        "auto_increment": numbered.name if numbered else None,
        "key_used": _used(read_type(numbered.type), next_number) if numbered else None,
        "replicas": _replicas(connection) if limits.replicas is None else int(limits.replicas),
        "bytes": room.size_bytes(connection, found.name),
        "free_bytes": room.free_bytes(connection),
        "binlog_format": _variable(connection, "binlog_format"),
        "replica_triggers": _variable(connection, "slave_run_triggers_for_rbr"),
    }


def _of_sqlite(connection: Connection, table: str) -> dict[str, Any]:
    quoted = connection.dialect.identifier_preparer.quote_identifier(table)
    query = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table COLLATE NOCASE"
    return {
        "rows": int(connection.exec_driver_sql(f"SELECT COUNT(*) FROM {quoted}").scalar_one()),  # noqa: S608
        "triggers": _names(connection, query, table),
    }


def _names(connection: Connection, query: str, table: str) -> tuple[str, ...]:
    """Return the application's; an online copy's own are gone before another one begins."""
    names = (str(name) for name in connection.execute(text(query), {"table": table}).scalars())
    return tuple(name for name in names if not schema.is_own(name))


def _variable(connection: Connection, name: str) -> str | None:
    row = connection.execute(text("SHOW GLOBAL VARIABLES LIKE :name"), {"name": name}).first()
    return None if row is None else str(row[1])


def _replicas(connection: Connection) -> int | None:
    """Return how many servers follow: none without a binlog; None where that may not be asked."""
    if _variable(connection, "log_bin") == "OFF":
        return 0
    query = "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%%'"
    try:
        return int(connection.exec_driver_sql(query).scalar_one()) or None
    except DBAPIError:
        return None


def _used(type_: ColumnType, next_number: int | None) -> float | None:
    if next_number is None or type_.base not in INTEGERS:
        return None
    return max(0, int(next_number) - 1) / integer_range(type_)[1]


def _column(found: schema.Column) -> ColumnFacts:
    charset = found.collation.partition("_")[0] or None
    type_ = read_type(found.type)._replace(charset=charset, collation=found.collation or None)
    has_default = found.default is not None and found.default.upper() != "NULL"
    return ColumnFacts(type_, found.nullable, bool(found.generated), has_default)


def _index(found: schema.Index) -> IndexFacts:
    columns = tuple(None if part.length or part.of.startswith("(") else part.of for part in found.parts)
    return IndexFacts(found.name, columns, found.unique, found.ignored)


def _tightened(changes: Iterable[Change], table: str) -> Collection[str]:
    return {
        change.column
        for change in changes
        if isinstance(change, AlterColumn) and change.table == table and change.nullable is False
    }


def _made_unique(changes: Iterable[Change], table: str) -> Collection[tuple[str, ...]]:
    unique = (
        change.columns
        for change in changes
        if isinstance(change, AddIndex) and change.unique and change.table == table
    )
    return {tuple(name for name in columns if name) for columns in unique if None not in columns}
