"""Reads from a database what its tables are.

Owns: the few statements that ask MariaDB, MySQL and SQLite for a table's columns and indexes. Promises: the
answer is as it stands in the database now, with what decides about a key and SQLAlchemy's reflection leaves
out: prefixes, directions, kinds and ignored indexes. Leaves to others: the judgement (`candidates`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby, takewhile
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from podwork_pods.driver_errors import is_missing_table
from podwork_pods.iteration.collections.candidates import ColumnFacts, Index, TableFacts
from podwork_pods.iteration.collections.errors import InvalidCollection

_ROWID = "rowid"


def facts_of(connection: Connection, table: Table) -> TableFacts:
    """Return what the database knows of the table. Raises InvalidCollection: it has no such table."""
    read = _of_sqlite if connection.dialect.name == "sqlite" else _of_mysql
    facts = read(connection, table)
    if not facts.columns:
        raise missing(table.fullname)
    return facts


def missing(name: str) -> InvalidCollection:
    """Return the error for a table that is not there."""
    return InvalidCollection(f"there is no table {name} in this shard", "mend its name, or make it first")


def _of_mysql(connection: Connection, table: Table) -> TableFacts:
    name = connection.dialect.identifier_preparer.format_table(table)
    try:
        columns = _rows(connection, f"SHOW COLUMNS FROM {name}")
        parts = _rows(connection, f"SHOW INDEX FROM {name}")
    except DBAPIError as error:
        if is_missing_table(error):
            raise missing(table.fullname) from None
        raise
    by_index = groupby(parts, key=lambda part: part["key_name"])
    indexes = [
        index for name, group in by_index if (index := _mysql_index(str(name), list(group))) is not None
    ]
    return TableFacts(
        table.fullname,
        {row["field"].lower(): ColumnFacts(row["type"], row["null"] == "YES") for row in columns},
        indexes,
        next((index.columns for index in indexes if index.name == "PRIMARY"), ()),
    )


def _mysql_index(name: str, parts: list[Mapping[str, Any]]) -> Index | None:
    if parts[0].get("ignored") == "YES" or parts[0].get("visible") == "NO":
        return None  # FORCE INDEX would not find it
    direction = parts[0]["collation"]
    ordered = takewhile(
        lambda part: (
            part["index_type"] == "BTREE"
            and part["column_name"] is not None
            and part["sub_part"] is None
            and part["collation"] == direction
        ),
        parts,
    )
    # An expression gets a name that no column has: what is unique by it is not unique by columns.
    columns = tuple((part["column_name"] or f"({part['expression']})").lower() for part in parts)
    return Index(
        name, columns, tuple(part["column_name"].lower() for part in ordered), not parts[0]["non_unique"]
    )


def _of_sqlite(connection: Connection, table: Table) -> TableFacts:
    schema, name = table.schema or "main", table.name
    columns = _rows(connection, "SELECT * FROM pragma_table_info(?, ?)", (name, schema))
    primary = [row for row in columns if row["pk"]]
    # Such a column is the row's number itself: it is never null, whatever the table says, and has no index.
    rowid = primary[0]["name"] if len(primary) == 1 and primary[0]["type"].upper() == "INTEGER" else None
    listed = _rows(connection, "SELECT * FROM pragma_index_list(?, ?)", (name, schema))
    # A partial index does not hold every row.
    indexes = [_sqlite_index(connection, schema, row) for row in listed if not row["partial"]]
    appended: tuple[str, ...] = ()
    if rowid is not None:
        appended = (rowid.lower(),)
        indexes.insert(0, Index(_ROWID, appended, appended, unique=True))
    return TableFacts(
        table.fullname,
        {
            row["name"].lower(): ColumnFacts("", not row["notnull"] and row["name"] != rowid)
            for row in columns
        },
        indexes,
        appended,
    )


def _sqlite_index(connection: Connection, schema: str, listed: Mapping[str, Any]) -> Index:
    rows = _rows(connection, "SELECT * FROM pragma_index_xinfo(?, ?)", (listed["name"], schema))
    parts = [row for row in rows if row["key"]]
    ordered = takewhile(lambda part: part["name"] is not None and part["desc"] == parts[0]["desc"], parts)
    columns = tuple((part["name"] or "(expression)").lower() for part in parts)
    return Index(
        listed["name"], columns, tuple(part["name"].lower() for part in ordered), bool(listed["unique"])
    )


def _rows(connection: Connection, sql: str, parameters: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    found: Iterable[Mapping[Any, Any]] = connection.exec_driver_sql(sql, parameters).mappings()
    return [{str(name).lower(): value for name, value in row.items()} for row in found]
