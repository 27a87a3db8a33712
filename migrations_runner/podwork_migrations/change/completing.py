"""What MODIFY COLUMN would forget.

Owns: `complete`, `unmeant`. MariaDB's and MySQL's MODIFY says a column anew: what it leaves out is lost,
its default, NOT NULL, its comment. Alembic puts in what the migration gives as `existing_...`. Promises:
what it does not give is taken from the shard's own column, so that a change changes what it names and no
more; and what would be lost all the same, such as a column's collation, is found and refused. On SQLite
Alembic reads the table itself.
"""

from __future__ import annotations

import copy
from typing import Any

from alembic.operations import ops
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import NoSuchTableError

from podwork_migrations.fingerprint.canonical import Column, Table
from podwork_pods.engines import reflecting


def complete(given: ops.MigrateOperation, connection: Connection) -> ops.MigrateOperation:
    """Return the operation with what it leaves out of a column that it changes."""
    if not isinstance(given, ops.AlterColumnOp):
        return given
    op = copy.copy(given)
    op.kw = dict(given.kw)
    found = _column(connection, op.table_name, op.column_name)
    if found is None:
        return op  # the server says so better
    if op.existing_type is None:
        op.existing_type = found["type"]
    if op.existing_nullable is None:
        op.existing_nullable = found["nullable"]
    if op.existing_server_default is False:
        default = found["default"]
        # Plain text: as the server writes it, quotes and all.
        op.existing_server_default = None if default is None else text(default.replace(":", "\\:"))
    if op.existing_comment is None:
        op.existing_comment = found.get("comment")
    if found.get("autoincrement") is True:
        op.kw.setdefault("existing_autoincrement", True)
    return op


def _column(connection: Connection, table: str, column: str) -> dict[str, Any] | None:
    try:
        with reflecting(connection):
            columns = inspect(connection).get_columns(table)
    except NoSuchTableError:
        return None
    return next((dict(found) for found in columns if found["name"].lower() == column.lower()), None)


def unmeant(op: ops.AlterColumnOp, before: Table, after: Table) -> list[str]:
    """Return what the operation would change of its column and does not name."""
    old = before.column(op.column_name)
    new = after.column(op.modify_name or op.column_name)
    if old is None or new is None:
        return []
    collation = getattr(op.modify_type, "collation", None) or getattr(op.modify_type, "charset", None)
    named = {
        "nullable": op.modify_nullable is not None,
        "default": op.modify_server_default is not False or op.modify_nullable is not None,
        "comment": op.modify_comment is not False,
        # A change between text and something else has none on one side.
        "collation": bool(collation) or not (old.collation and new.collation),
        "extra": "autoincrement" in op.kw or op.modify_server_default is not False,
        "type": op.modify_type is not None,
        "generated": False,
    }
    return [
        f"{name} from {_of(old, name)!r} to {_of(new, name)!r}"
        for name, is_named in named.items()
        if not is_named and _of(old, name) != _of(new, name)
    ]


def _of(column: Column, name: str) -> object:
    return getattr(column, name)
