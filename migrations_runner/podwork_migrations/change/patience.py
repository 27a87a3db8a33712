"""For how long a session waits for locks.

Owns: `patient`. Promises: within the block no lock on a table or a row is waited for longer than the
budget, and values that do not fit are refused, not bent; afterwards the session is as it was. A lost
connection has nothing to restore.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from podwork.errors import PodworkError

_STRICT = "STRICT_ALL_TABLES"


@contextmanager
def patient(
    connection: Connection, seconds: int, session: Mapping[str, int] = MappingProxyType({})
) -> Iterator[None]:
    """Wait for locks so long and no longer; `session` are further variables."""
    wanted: dict[str, int | str] = {"lock_wait_timeout": seconds, "innodb_lock_wait_timeout": max(1, seconds)}
    wanted |= session
    before = _read(connection, [*wanted, "sql_mode"])
    wanted["sql_mode"] = ",".join(filter(None, [str(before["sql_mode"]), _STRICT]))
    _set(connection, wanted)
    try:
        yield
    finally:
        # One that was lost would be replaced by SQLAlchemy, and its session is gone anyway.
        if not connection.invalidated:
            with suppress(DBAPIError, PodworkError):
                _set(connection, before)


def _read(connection: Connection, names: list[str]) -> dict[str, int | str]:
    row = connection.exec_driver_sql(f"SELECT {', '.join(f'@@SESSION.{name}' for name in names)}").one()
    return dict(zip(names, row, strict=True))


def _set(connection: Connection, values: Mapping[str, int | str]) -> None:
    said = (
        f"{name} = {value!r}" if isinstance(value, str) else f"{name} = {int(value)}"
        for name, value in values.items()
    )
    connection.exec_driver_sql(f"SET SESSION {', SESSION '.join(said)}")
