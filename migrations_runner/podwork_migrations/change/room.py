"""Whether the shard's disk has room for a table once more.

Owns: `free_bytes`, `size_bytes`, `shortage`. MariaDB's plugin `disks` says what is free (INSTALL SONAME
'disks'; its table shows nothing to a user without the FILE privilege); MySQL has nothing like it, and where
nobody says it None is returned, never a guess. Leaves to others: what follows (`ways`, the linter).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from podwork_migrations.fingerprint.canonical import server_kind

MARGIN: Final = 1.2
"""A copy is filled in another order than the table was, keys have other types, and writers go on."""

_DISKS: Final = "SELECT path, available FROM information_schema.disks"  # in KiB
_SIZE: Final = text(
    "SELECT COALESCE(data_length, 0) + COALESCE(index_length, 0) FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_name = :table"
)


def free_bytes(connection: Connection) -> int | None:
    """Return what is free where the server's data lie; None: the server does not say."""
    if connection.dialect.name == "sqlite" or server_kind(connection) != "mariadb":
        return None
    folder = str(connection.exec_driver_sql("SELECT @@datadir").scalar_one())
    try:
        mounted = [(str(path), int(kib)) for path, kib in connection.exec_driver_sql(_DISKS)]
    except DBAPIError:  # no such table: the plugin is not there
        return None
    above = [(len(path), kib) for path, kib in mounted if _is_within(folder, path)]
    return max(above)[1] << 10 if above else None


def size_bytes(connection: Connection, table: str) -> int | None:
    """Return the size of a table with its indexes, as the server estimates; None: it is not there."""
    found = connection.execute(_SIZE, {"table": table}).scalar()
    return None if found is None else int(found)


def shortage(size: int | None, free: int | None) -> str:
    """Return what is lacking for a copy of a table of this size; "": nothing, or nobody knows."""
    if size is None or free is None or size * MARGIN <= free:
        return ""
    return f"its copy needs about {mib(size * MARGIN)} MiB, and {mib(free)} MiB are free"


def mib(number: float) -> int:
    """Return bytes in MiB, for people."""
    return round(number) >> 20


def _is_within(folder: str, path: str) -> bool:
    return path == "/" or f"{folder.rstrip('/')}/".startswith(f"{path.rstrip('/')}/")
