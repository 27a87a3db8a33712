"""Tables as MariaDB and MySQL describe them in information_schema.

Owns: `read_tables` of these servers. Promises: six queries, however many tables there are; defaults are SQL
on both, although MySQL stores the bare value. MySQL's forms are from its documentation: none ran here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, text

from podwork_migrations.fingerprint.canonical import (
    Check,
    Column,
    ForeignKey,
    Index,
    Part,
    Table,
    is_own,
    server_kind,
)

Row = Mapping[str, Any]
Rows = dict[str, list[Row]]

_TABLES = """SELECT * FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"""
_COLUMNS = """SELECT * FROM information_schema.columns
    WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"""
_INDEXES = """SELECT * FROM information_schema.statistics
    WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index"""
_FOREIGN_KEYS = """SELECT k.table_name, k.constraint_name, k.column_name, k.referenced_table_schema,
        k.table_schema, k.referenced_table_name, k.referenced_column_name, r.delete_rule, r.update_rule
    FROM information_schema.key_column_usage AS k
    JOIN information_schema.referential_constraints AS r
        ON r.constraint_schema = k.constraint_schema AND r.table_name = k.table_name
        AND r.constraint_name = k.constraint_name
    WHERE k.table_schema = DATABASE() AND k.referenced_table_name IS NOT NULL
    ORDER BY k.table_name, k.constraint_name, k.ordinal_position"""
_CHECKS = {
    "mariadb": """SELECT table_name, constraint_name, check_clause FROM information_schema.check_constraints
        WHERE constraint_schema = DATABASE()""",
    "mysql": """SELECT t.table_name, c.constraint_name, c.check_clause
        FROM information_schema.check_constraints AS c
        JOIN information_schema.table_constraints AS t
            ON t.constraint_schema = c.constraint_schema AND t.constraint_name = c.constraint_name
        WHERE c.constraint_schema = DATABASE()""",
}
_PARTITIONS = """SELECT DISTINCT table_name, partition_method, partition_expression,
        subpartition_method, subpartition_expression
    FROM information_schema.partitions
    WHERE table_schema = DATABASE() AND partition_method IS NOT NULL"""


def read_tables(connection: Connection, only: Sequence[str] | None) -> Iterator[Table]:
    """Yield the application's tables, or those named, whosever they are."""
    kind = server_kind(connection)
    columns = _by_table(connection, _COLUMNS, only)
    indexes = _by_table(connection, _INDEXES, only)
    foreign_keys = _by_table(connection, _FOREIGN_KEYS, only, "k.table_name")
    checks = _by_table(connection, _CHECKS[kind], only, "t.table_name" if kind == "mysql" else "table_name")
    partitions = _by_table(connection, _PARTITIONS, only)
    for name, (row,) in _by_table(connection, _TABLES, only).items():
        if only is None and is_own(name):
            continue
        yield Table(
            name,
            tuple(_column(found, kind) for found in columns[name]),
            _indexes(indexes[name]),
            _foreign_keys(name, foreign_keys[name]),
            tuple(sorted((_check(found) for found in checks[name]), key=lambda check: check.name)),
            _options(row, partitions[name]),
        )


def _by_table(
    connection: Connection, query: str, only: Sequence[str] | None, column: str = "table_name"
) -> Rows:
    head, order, tail = query.partition("ORDER BY")
    statement = text(query)
    values: dict[str, object] = {}
    if only is not None:
        condition = f"{head.rstrip()} AND {column} IN :only {order}{tail}"
        statement = text(condition).bindparams(bindparam("only", expanding=True))
        values["only"] = list(only) or [""]
    found: Rows = defaultdict(list)
    for row in connection.execute(statement, values).mappings():
        lowered = {key.lower(): value for key, value in row.items()}  # MySQL 8 has them in capitals
        found[lowered["table_name"]].append(lowered)
    return found


def _column(row: Row, kind: str) -> Column:
    extra = str(row["extra"]).lower()
    return Column(
        row["column_name"],
        _text(row["column_type"]),
        row["is_nullable"] == "YES",
        _default(row, extra, kind),
        " ".join(extra.replace("default_generated", "").split()),
        row["collation_name"] or "",
        _text(row["generation_expression"]),
        row["column_comment"],
    )


def _default(row: Row, extra: str, kind: str) -> str | None:
    """Return the default as SQL: MariaDB writes it so, MySQL tells what is an expression apart."""
    default = row["column_default"]
    if default is None:
        # MySQL does not tell a default of NULL from none; a column that may be NULL has it.
        return (
            "NULL" if kind == "mysql" and row["is_nullable"] == "YES" and "generated" not in extra else None
        )
    if kind == "mariadb":
        return _text(default)
    if "default_generated" in extra:
        return f"({_text(default)})"
    return "'" + _text(default).replace("'", "''") + "'"


def _indexes(rows: list[Row]) -> tuple[Index, ...]:
    by_name: Rows = defaultdict(list)
    for row in rows:
        by_name[row["index_name"]].append(row)
    return tuple(_index(name, by_name[name]) for name in sorted(by_name))


def _index(name: str, rows: list[Row]) -> Index:
    first = rows[0]
    return Index(
        name,
        not int(first["non_unique"]),
        tuple(
            Part(
                row["column_name"] or f"({row['expression']})",
                None if row["sub_part"] is None else int(row["sub_part"]),
                row["collation"] == "D",
            )
            for row in rows
        ),
        first["index_type"],
        first.get("ignored") == "YES" or first.get("is_visible") == "NO",
        first["index_comment"],
    )


def _foreign_keys(table: str, rows: list[Row]) -> tuple[ForeignKey, ...]:
    by_name: Rows = defaultdict(list)
    for row in rows:
        by_name[row["constraint_name"]].append(row)
    keys = [_foreign_key(table, name, found) for name, found in by_name.items()]
    return tuple(sorted(keys, key=lambda key: (key.name, key.columns, key.table)))


def _foreign_key(table: str, name: str, rows: list[Row]) -> ForeignKey:
    first = rows[0]
    referenced = first["referenced_table_name"]
    if first["referenced_table_schema"] != first["table_schema"]:
        referenced = f"{first['referenced_table_schema']}.{referenced}"
    return ForeignKey(
        "" if re.fullmatch(rf"{re.escape(table)}_ibfk_\d+", name) else name,
        tuple(row["column_name"] for row in rows),
        referenced,
        tuple(row["referenced_column_name"] for row in rows),
        first["delete_rule"].replace("NO ACTION", "RESTRICT"),  # one and the same to InnoDB
        first["update_rule"].replace("NO ACTION", "RESTRICT"),
    )


def _check(row: Row) -> Check:
    return Check(row["constraint_name"], _text(row["check_clause"]))


def _options(row: Row, partitions: list[Row]) -> dict[str, str]:
    # Said once, whether it was written or is the server's default.
    rest = [
        word for word in sorted(str(row["create_options"] or "").split())
        if not word.lower().startswith(("row_format=", "partitioned"))
    ]  # fmt: skip
    options = {
        "engine": row["engine"] or "",
        "collation": row["table_collation"] or "",
        "row_format": (row["row_format"] or "").upper(),
        "comment": row["table_comment"],
        "create_options": " ".join(rest),
        "partitions": ", ".join(_partition(partition) for partition in partitions),
    }
    return {name: value for name, value in options.items() if value}


def _partition(row: Row) -> str:
    levels = [
        f"{row[f'{level}_method']} ({_text(row[f'{level}_expression'])})"
        for level in ("partition", "subpartition")
        if row[f"{level}_method"]
    ]
    return " ".join(levels)


def _text(value: object) -> str:
    """Return text: MySQL gives some of these columns as bytes."""
    if value is None:
        return ""
    return value.decode() if isinstance(value, bytes) else str(value)
