"""A connection of the mover's own to a shard, in a session that changes no value on its way.

Owns: `RowSession`. Promises: texts are passed as bytes, times without a zone, zero and impossible dates as
they are; foreign keys and checks are not asked, for the rows have passed them at the source; the
connection is not the pool's, and is closed after use. A server that is lost is ShardUnavailable. Leaves to
others: what is said over it.
"""

from __future__ import annotations

from typing import Any, Final

import pymysql
from sqlalchemy import Engine

LONGEST_STATEMENT: Final = 1 << 30
# Not strict: an ENUM's place 0 and impossible dates must pass. What a server has to say about a value is
# a warning then, and each one is looked at (`writing`).
_PINNED: Final = (
    "SET NAMES binary",
    "SET SESSION time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', "
    "foreign_key_checks = 0, unique_checks = 1, max_error_count = 65535",
)
_PINNED_ON_MARIADB: Final = "SET SESSION check_constraint_checks = 0, in_predicate_conversion_threshold = 0"
_LOST: Final = frozenset({0, 2006, 2013, 2014, 2055})


class RowSession:
    """One pinned connection. `as_bytes`: every value that is read comes as bytes, or None."""

    def __init__(self, engine: Engine, *, as_bytes: bool = False) -> None:
        self.connection = engine.connect()
        self.connection.detach()
        driver: Any = self.connection.connection.dbapi_connection
        self._driver = driver
        self.is_mariadb = bool(getattr(engine.dialect, "is_mariadb", False))
        if as_bytes:
            driver.use_unicode = False
            driver.decoders = {}
        self.warnings = 0
        for statement in _PINNED:
            self.run(statement)
        if self.is_mariadb:
            self.run(_PINNED_ON_MARIADB)

    def rows(self, statement: str | bytes) -> list[tuple[Any, ...]]:
        """Run it and return its rows. `warnings` then says how many things the server had to say."""
        with self._executed(statement) as cursor:
            return list(cursor.fetchall())

    def run(self, statement: str | bytes) -> int:
        """Run it and return how many rows it has changed."""
        with self._executed(statement) as cursor:
            return int(cursor.rowcount)

    def longest_statement(self) -> int:
        """Return how long a statement this server takes, in bytes."""
        [(found,)] = self.rows("SELECT @@max_allowed_packet")
        return int(found)

    def set_longest_result(self, length: int) -> None:
        """Set how long a text the server may put together from many rows, in bytes."""
        self.run(f"SET SESSION group_concat_max_len = {length}")

    def what_it_said(self) -> list[tuple[int, str]]:
        """Return the warnings of the last statement: (code, text)."""
        return [(int(code), _text(text)) for _, code, text in self.rows("SHOW WARNINGS")]

    def wait_for_locks(self, seconds: int) -> None:
        """Set how long a lock is waited for."""
        self.run(f"SET SESSION innodb_lock_wait_timeout = {seconds}")

    def commit(self) -> None:
        """Commit; raises ShardUnavailable if nobody knows whether it did."""
        self.run("COMMIT")

    def rollback(self) -> None:
        """Undo what was not committed."""
        self.run("ROLLBACK")

    def close(self) -> None:
        """Close the connection, which undoes what was not committed."""
        self.connection.close()

    def _executed(self, statement: str | bytes) -> Any:
        cursor = self._driver.cursor()
        try:
            cursor.execute(statement if isinstance(statement, bytes) else statement.encode())
        except (pymysql.OperationalError, pymysql.InterfaceError) as error:
            cursor.close()
            if error.args and error.args[0] in _LOST:
                self.connection.exec_driver_sql("DO 0")  # says so in our words, and drops the connection
            raise
        except BaseException:
            cursor.close()
            raise
        self.warnings = cursor.warning_count
        return cursor


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
