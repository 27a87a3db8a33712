"""Tables as SQLite describes them.

Owns: `read_tables` of SQLite. Promises: a table that Alembic's batch mode made anew is what it was: types
are spelled as SQLAlchemy spells them, and defaults without parentheses around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Inspector, inspect

from podwork_migrations.fingerprint.canonical import Check, Column, ForeignKey, Index, Part, Table, is_own

Described = Mapping[str, Any]

_TEXTS = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
_AUTOINCREMENT = re.compile(r"\bAUTOINCREMENT\b", re.IGNORECASE)


def read_tables(connection: Connection, only: Sequence[str] | None) -> Iterator[Table]:
    """Yield the application's tables, or those named, whosever they are."""
    inspector = inspect(connection)
    inspector.clear_cache()  # it may be the connection's own, from before a change
    names = inspector.get_table_names()
    wanted = [name for name in names if (not is_own(name) if only is None else name in only)]
    texts = {row.name: row.sql for row in connection.exec_driver_sql(_TEXTS)}
    for name in wanted:
        yield _table(inspector, name, texts[name])


def _table(inspector: Inspector, name: str, sql: str) -> Table:
    constraints = inspector.get_unique_constraints(name)
    indexes = [
        *_primary_key(inspector, name),
        *(_index(found, found["name"]) for found in inspector.get_indexes(name)),
        *(_index({**found, "unique": True}, found["name"], "CONSTRAINT") for found in constraints),
    ]
    keys = [_foreign_key(found) for found in inspector.get_foreign_keys(name)]
    checks = [Check(found["name"] or "", found["sqltext"]) for found in inspector.get_check_constraints(name)]
    return Table(
        name,
        tuple(_column(inspector, found) for found in inspector.get_columns(name)),
        tuple(sorted(indexes, key=lambda index: (index.name, index.kind, [part.of for part in index.parts]))),
        tuple(sorted(keys, key=lambda key: (key.name, key.columns, key.table))),
        tuple(sorted(checks, key=lambda check: (check.name, check.clause))),
        _options(sql),
    )


def _options(sql: str) -> dict[str, str]:
    """Return what only the table's own text tells."""
    tail = sql.rpartition(")")[2].upper()
    found = {
        "autoincrement": _AUTOINCREMENT.search(sql) is not None,
        "without_rowid": "WITHOUT ROWID" in tail,
        "strict": "STRICT" in tail,
    }
    return {name: "yes" for name, there in found.items() if there}


def _column(inspector: Inspector, found: Described) -> Column:
    computed = found.get("computed")
    stored = " STORED" if computed and computed.get("persisted") else ""
    return Column(
        found["name"],
        found["type"].compile(dialect=inspector.dialect),
        bool(found["nullable"]),
        _default(found["default"]),
        generated=f"{computed['sqltext']}{stored}" if computed else "",
    )


def _default(written: str | None) -> str | None:
    while written and written.startswith("(") and written.endswith(")"):
        written = written[1:-1]
    return written.upper() if written and written.upper().startswith("CURRENT_") else written


def _primary_key(inspector: Inspector, table: str) -> Iterator[Index]:
    columns = inspector.get_pk_constraint(table)["constrained_columns"]
    if columns:
        yield Index("PRIMARY", True, tuple(Part(column) for column in columns))


def _index(found: Described, name: str | None, kind: str = "BTREE") -> Index:
    parts = found.get("expressions") or found["column_names"]
    where = found.get("dialect_options", {}).get("sqlite_where")
    return Index(
        name or "",
        bool(found["unique"]),
        tuple(Part(str(part)) for part in parts),
        kind,
        note="" if where is None else f"WHERE {where}",
    )


def _foreign_key(found: Described) -> ForeignKey:
    options = found.get("options", {})
    return ForeignKey(
        found["name"] or "",
        tuple(found["constrained_columns"]),
        found["referred_table"],
        tuple(found["referred_columns"]),
        options.get("ondelete", "NO ACTION").upper(),
        options.get("onupdate", "NO ACTION").upper(),
    )
