"""Tables as SQLite describes them.

Owns: `read_facts` of SQLite. Promises: a generated column is told apart, and a rowid that has a name is an
index like others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection

from podwork_pods.mover.tables.facts import PLAIN, Column, ForeignKey, Index, Part, ShardFacts, TableFact
from podwork_pods.mover.tables.table import ColumnFact

Row = Mapping[str, Any]

_NAMES: Final = """SELECT name, type, sql FROM sqlite_master
    WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"""
_TRIGGERS: Final = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? ORDER BY name"
_CHECK: Final = re.compile(r"\bCHECK\s*\(", re.IGNORECASE)
_AUTOINCREMENT: Final = re.compile(r"\bAUTOINCREMENT\b", re.IGNORECASE)
_HIDDEN_GENERATED: Final = (2, 3)


def read_facts(connection: Connection) -> ShardFacts:
    """Return what the connection's database holds."""
    found = _rows(connection, _NAMES)
    return ShardFacts("sqlite", {row["name"]: _table(connection, row) for row in found})


def _table(connection: Connection, row: Row) -> TableFact:
    name = row["name"]
    columns = _rows(connection, "SELECT * FROM pragma_table_xinfo(?)", (name,))
    if row["type"] == "view":
        return TableFact(name, "VIEW", "", tuple(_column(one, False, None) for one in columns), (), (), ())
    primary = sorted((one for one in columns if one["pk"]), key=lambda one: one["pk"])
    # Such a column is the row's number itself: it is never null, whatever the table says, and has no index.
    rowid = primary[0]["name"] if len(primary) == 1 and primary[0]["type"].upper() == "INTEGER" else None
    counts = _AUTOINCREMENT.search(row["sql"]) is not None
    listed = _rows(connection, "SELECT * FROM pragma_index_list(?)", (name,))
    # A partial index does not hold every row.
    indexes = [_index(connection, one) for one in listed if not one["partial"]]
    if rowid is not None:
        indexes.insert(0, Index("rowid", True, (Part(rowid),)))
    triggers = tuple(one["name"] for one in _rows(connection, _TRIGGERS, (name,)))
    return TableFact(
        name,
        PLAIN,
        "SQLite",
        tuple(_column(one, counts, rowid) for one in columns),
        tuple(indexes),
        _foreign_keys(connection, name),
        triggers,
        # The database does not list them: a table with any has its whole text compared.
        (" ".join(row["sql"].split()),) if _CHECK.search(row["sql"]) else (),
    )


def _column(row: Row, counts: bool, rowid: str | None) -> Column:
    is_rowid = row["name"] == rowid
    declared = row["type"].lower()
    fact = ColumnFact(
        row["name"],
        declared.partition("(")[0].strip(),
        declared,
        binary="blob" in declared,
        nullable=not row["notnull"] and not is_rowid,
    )
    return Column(fact, "generated" if row["hidden"] in _HIDDEN_GENERATED else "", counts and is_rowid)


def _index(connection: Connection, listed: Row) -> Index:
    rows = _rows(connection, "SELECT * FROM pragma_index_xinfo(?)", (listed["name"],))
    parts = tuple(
        Part(row["name"] or "", "" if row["name"] else "expression", None, bool(row["desc"]))
        for row in rows
        if row["key"]
    )
    # The database gives those of constraints a name with a number, which says nothing.
    made_up = "PRIMARY" if listed["origin"] == "pk" else f"({', '.join(part.column for part in parts)})"
    name = listed["name"] if listed["origin"] == "c" else made_up
    return Index(name, bool(listed["unique"]), parts)


def _foreign_keys(connection: Connection, name: str) -> tuple[ForeignKey, ...]:
    by_number: dict[int, list[Row]] = {}
    for row in _rows(connection, "SELECT * FROM pragma_foreign_key_list(?) ORDER BY id, seq", (name,)):
        by_number.setdefault(row["id"], []).append(row)
    return tuple(_foreign_key(connection, rows) for rows in by_number.values())


def _foreign_key(connection: Connection, rows: list[Row]) -> ForeignKey:
    first = rows[0]
    columns = tuple(row["from"] for row in rows)
    references = tuple(row["to"] for row in rows)
    if None in references:  # the primary key is meant
        query = "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk"
        references = tuple(row["name"] for row in _rows(connection, query, (first["table"],)))
    name = f"{first['table']} ({', '.join(columns)})"
    return ForeignKey(name, columns, first["table"], references, first["on_delete"], first["on_update"])


def _rows(connection: Connection, sql: str, parameters: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    found = connection.exec_driver_sql(sql, parameters).mappings()
    return [{str(name).lower(): value for name, value in row.items()} for row in found]
