"""Values on their way from one shard to another, so that they mean the same there.

Owns: `canonical_session`, `carried`. Promises: within `canonical_session` the words of a value do not depend
on the session's time zone and modes; what `carried` reads compares equal to its column when it is given back
as a parameter, whatever the driver makes of the type. Leaves to others: comparing whole rows (`digests`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection

from podwork_pods.mover.tables.table import ColumnFact

_AS_TEXT: Final = frozenset({"time", "timestamp", "date", "datetime", "year", "uuid", "inet4", "inet6"})

_READ = "SELECT @@SESSION.time_zone, @@SESSION.sql_mode"
_SET = "SET SESSION time_zone = %s, sql_mode = %s"


@contextmanager
def canonical_session(*connections: Connection) -> Iterator[None]:
    """Let values be written the same on all of these: times in UTC, no modes; as they were, afterwards."""
    before: list[tuple[Connection, tuple[str, str]]] = []
    try:
        for connection in connections:
            if connection.dialect.name != "sqlite":
                row = connection.exec_driver_sql(_READ).one()
                before.append((connection, (row[0], row[1])))
                connection.exec_driver_sql(_SET, ("+00:00", ""))
        yield
    finally:
        for connection, (zone, mode) in before:
            if not connection.invalidated:
                connection.exec_driver_sql(_SET, (zone, mode))


def carried(column: ColumnFact, name: str) -> str:
    """Return the expression to read `name` (quoted, of that column) by."""
    if column.type == "bit":
        return f"CAST({name} AS UNSIGNED)"
    if column.type == "float":
        return f"({name} + 0E0)"
    if column.type in _AS_TEXT and column.declared:
        return f"CAST({name} AS CHAR)"
    return name
