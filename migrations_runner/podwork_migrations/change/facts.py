"""What is known of a table before it is changed.

Owns: `gather`. Promises: rows are counted up to the limit of a small table, because the server's estimates
may be old: a table that was filled a moment ago is estimated empty.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from podwork_migrations.change.rendering import quoted
from podwork_migrations.change.routes import Facts, Limits

_SIZE = """SELECT COALESCE(table_rows, 0), COALESCE(data_length, 0) + COALESCE(index_length, 0)
    FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = :table"""


def gather(connection: Connection, table: str, limits: Limits, kind: str, *, adds_unique: bool) -> Facts:
    """Return the facts; a table that is not there has no rows."""
    size = connection.execute(text(_SIZE), {"table": table}).first()
    if size is None:
        return Facts(0, 0, False, kind == "mariadb", adds_unique)
    return Facts(
        max(int(size[0]), _count(connection, table, limits.small_rows + 1)),
        int(size[1]),
        _has_replicas(connection) if limits.replicas is None else limits.replicas,
        kind == "mariadb",
        adds_unique,
    )


def _count(connection: Connection, table: str, most: int) -> int:
    query = f"SELECT COUNT(*) FROM (SELECT 1 FROM {quoted(table)} LIMIT {most}) AS some"  # noqa: S608 - quoted
    return int(connection.exec_driver_sql(query).scalar_one())


def _has_replicas(connection: Connection) -> bool:
    """Whether there may be replicas: who writes no binlog has none."""
    return bool(connection.exec_driver_sql("SELECT @@log_bin").scalar_one())
