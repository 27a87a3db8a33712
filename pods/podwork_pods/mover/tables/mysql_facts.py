"""Tables as MariaDB and MySQL describe them in information_schema.

Owns: `read_facts` of these servers. Promises: six queries, however many tables there are. MySQL's forms are
from its documentation: none ran here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection

from podwork_pods.iteration.throttles.server_status import is_mariadb
from podwork_pods.mover.tables.facts import Column, ForeignKey, Index, Part, ShardFacts, TableFact
from podwork_pods.mover.tables.table import ColumnFact

Row = Mapping[str, Any]
Rows = Mapping[str, list[Row]]

_TABLES: Final = "SELECT * FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name"
_COLUMNS: Final = """SELECT * FROM information_schema.columns
    WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"""
_INDEXES: Final = """SELECT * FROM information_schema.statistics
    WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index"""
_FOREIGN_KEYS: Final = """SELECT k.table_name, k.constraint_name, k.column_name, k.table_schema,
        k.referenced_table_schema, k.referenced_table_name, k.referenced_column_name,
        r.delete_rule, r.update_rule
    FROM information_schema.key_column_usage AS k
    JOIN information_schema.referential_constraints AS r
        ON r.constraint_schema = k.constraint_schema AND r.table_name = k.table_name
        AND r.constraint_name = k.constraint_name
    WHERE k.table_schema = DATABASE() AND k.referenced_table_name IS NOT NULL
    ORDER BY k.table_name, k.constraint_name, k.ordinal_position"""
_TRIGGERS: Final = """SELECT event_object_table AS table_name, trigger_name FROM information_schema.triggers
    WHERE trigger_schema = DATABASE() ORDER BY trigger_name"""
_CHECKS: Final = {
    True: """SELECT table_name, check_clause FROM information_schema.check_constraints
        WHERE constraint_schema = DATABASE()""",
    False: """SELECT t.table_name, c.check_clause
        FROM information_schema.check_constraints AS c
        JOIN information_schema.table_constraints AS t
            ON t.constraint_schema = c.constraint_schema AND t.constraint_name = c.constraint_name
        WHERE c.constraint_schema = DATABASE() AND t.enforced = 'YES'""",
}
_BYTES: Final = frozenset(
    {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "vector"}
    | {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"}
    | {"geometrycollection", "geomcollection"}
)


def read_facts(connection: Connection) -> ShardFacts:
    """Return what the connection's database holds."""
    columns, indexes = _by_table(connection, _COLUMNS), _by_table(connection, _INDEXES)
    foreign_keys, triggers = _by_table(connection, _FOREIGN_KEYS), _by_table(connection, _TRIGGERS)
    checks = _by_table(connection, _CHECKS[is_mariadb(connection)])
    tables = {
        name: TableFact(
            name,
            row["table_type"],
            row["engine"] or "",
            tuple(_column(found) for found in columns[name]),
            _indexes(indexes[name]),
            _foreign_keys(foreign_keys[name]),
            tuple(_text(found["trigger_name"]) for found in triggers[name]),
            tuple(sorted(_text(found["check_clause"]) for found in checks[name])),
            int(row["avg_row_length"] or 0),
        )
        for name, (row,) in _by_table(connection, _TABLES).items()
    }
    return ShardFacts("mysql", tables)


def _by_table(connection: Connection, query: str) -> Rows:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in connection.exec_driver_sql(query).mappings():
        lowered = {key.lower(): value for key, value in row.items()}  # MySQL 8 has them in capitals
        found[lowered["table_name"]].append(lowered)
    return found


def _column(row: Row) -> Column:
    kind, declared = _text(row["data_type"]).lower(), _text(row["column_type"])
    fact = ColumnFact(
        row["column_name"],
        kind,
        declared,
        row["character_set_name"] or "",
        row["collation_name"] or "",
        "unsigned" in declared,
        kind in _BYTES,
        row["is_nullable"] == "YES",
    )
    return Column(fact, _text(row["generation_expression"]), "auto_increment" in str(row["extra"]).lower())


def _indexes(rows: list[Row]) -> tuple[Index, ...]:
    by_name: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_name[row["index_name"]].append(row)
    return tuple(_index(name, found) for name, found in by_name.items())


def _index(name: str, rows: list[Row]) -> Index:
    ignored = rows[0].get("ignored") == "YES" or rows[0].get("is_visible") == "NO"
    parts = tuple(
        Part(
            row["column_name"] or "",
            _text(row.get("expression")),
            None if row["sub_part"] is None else int(row["sub_part"]),
            row["collation"] == "D",
        )
        for row in rows
    )
    ordered = rows[0]["index_type"] == "BTREE" and not ignored
    return Index(name, not int(rows[0]["non_unique"]), parts, ordered)


def _foreign_keys(rows: list[Row]) -> tuple[ForeignKey, ...]:
    by_name: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_name[row["constraint_name"]].append(row)
    return tuple(_foreign_key(name, found) for name, found in by_name.items())


def _foreign_key(name: str, rows: list[Row]) -> ForeignKey:
    first = rows[0]
    referenced = first["referenced_table_name"]
    if first["referenced_table_schema"] != first["table_schema"]:
        referenced = f"{first['referenced_table_schema']}.{referenced}"
    return ForeignKey(
        name,
        tuple(row["column_name"] for row in rows),
        referenced,
        tuple(row["referenced_column_name"] for row in rows),
        first["delete_rule"],
        first["update_rule"],
    )


def _text(value: object) -> str:
    """Return text: MySQL gives some of these columns as bytes."""
    if value is None:
        return ""
    return value.decode() if isinstance(value, bytes) else str(value)
