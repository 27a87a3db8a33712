"""Copying a range of rows, so that nobody who writes the table notices.

Owns: `Chunks`, `CopyParams`. Promises: a row is copied under a shared lock, so that one which is deleted
meanwhile does not come back. The lock is never waited for: whoever waits could be part of a deadlock, and the
server would rather undo the application's small transaction than this large one. What a trigger has written
is left as it is. Nothing is ignored: a value that does not fit is an error of the run.

While somebody inserts into a table with AUTO_INCREMENT, the range is copied in small pieces: where
`innodb_autoinc_lock_mode` is not 2, INSERT ... SELECT holds the copy's counter until the statement ends, and
the triggers of the application's inserts wait for it. Leaves to others: which range (`job`).
"""

# ruff: noqa: S608 - names are quoted, values are parameters

from __future__ import annotations

import time
from functools import cached_property
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from podwork.iteration.collection import Cursor
from podwork_migrations.copy.keys import KeyText, literal, values
from podwork_migrations.copy.names import quoted
from podwork_migrations.copy.triggers import SQL_MODE
from podwork_pods.driver_errors import is_lock_timeout

PIECE_ROWS: Final = 250
LOCK_TRIES: Final = 10
LOCK_PAUSE_SECONDS: Final = 0.002
BUSY_BATCHES: Final = 20
"""For so many batches after an insert was seen the range is copied in pieces."""
_DUPLICATE: Final = 1062
_BUSY_ON_MYSQL: Final = 3572


class CopyParams(NamedTuple):
    """What is copied.

    Attributes:
        table, copy: their names. key: the shared key. table_index: the table's, by which it is read.
        pairs: of columns: [theirs, ours].
        counter: the copy's column that counts up, where its inserts wait for one another; "": none.
    """

    table: str
    copy: str
    key: list[str]
    table_index: str
    pairs: list[list[str]]
    counter: str = ""


class Chunks:
    """Copies ranges of one table. `is_mariadb`: which words the server knows."""

    def __init__(self, params: CopyParams, *, is_mariadb: bool) -> None:
        self._params = params
        self._is_mariadb = is_mariadb
        self._key = KeyText(params.key)
        self._table, self._copy = literal(quoted(params.table)), literal(quoted(params.copy))
        self._greatest: Any = None
        self._busy = 0

    def copy(self, connection: Connection, lo: Cursor, hi: Cursor) -> None:
        """Copy the rows between two keys, both included, that the copy does not have.

        Raises DBAPIError: what the server says, a lock that was not to be had included; roll back.
        """
        if not self._is_inserted_into(connection):
            self._piece(connection, lo, hi, ">=")
            return
        ends = self._ends(connection, lo, hi)
        for start, end, operator in zip([lo, *ends], [*ends, hi], [">=", *(">" for _ in ends)], strict=True):
            if start != end or operator == ">=":
                self._piece(connection, start, end, operator)

    def _piece(self, connection: Connection, start: Cursor, end: Cursor, operator: str) -> None:
        bounds = {**values("lo", start), **values("hi", end)}
        if connection.execute(self._occupied[operator], bounds).first() is None:
            try:
                self._insert(connection, self._all[operator], bounds)
                return
            except DBAPIError as error:
                if _code(error) != _DUPLICATE:
                    raise
                # A trigger was quicker, or it is a fault: the next statement tells.
        self._insert(connection, self._missing[operator], bounds)

    def _insert(self, connection: Connection, statement: Any, bounds: dict[str, Any]) -> None:
        for tries_left in reversed(range(LOCK_TRIES)):
            try:
                connection.execute(statement, bounds)
                return
            except DBAPIError as error:
                # The server undoes the statement alone, unless told otherwise; then the session says so.
                if not (is_lock_timeout(error) or _code(error) == _BUSY_ON_MYSQL) or not tries_left:
                    raise
            time.sleep(LOCK_PAUSE_SECONDS)

    def _is_inserted_into(self, connection: Connection) -> bool:
        if not self._params.counter:
            return False
        greatest = connection.execute(self._last_number).scalar()
        if self._greatest is not None and greatest != self._greatest:
            self._busy = BUSY_BATCHES
        self._greatest, self._busy = greatest, max(0, self._busy - 1)
        return self._busy > 0

    def _ends(self, connection: Connection, lo: Cursor, hi: Cursor) -> list[Cursor]:
        bounds = {**values("lo", lo), **values("hi", hi), "piece": PIECE_ROWS}
        return [tuple(row) for row in connection.execute(self._every, bounds)]

    @cached_property
    def _last_number(self) -> Any:
        return text(f"SELECT MAX({literal(quoted(self._params.counter))}) FROM {self._table}")

    @cached_property
    def _every(self) -> Any:
        key = self._key.listed()
        numbered = (
            f"SELECT {key}, ROW_NUMBER() OVER (ORDER BY {key}) AS podwork_number "
            f"FROM {self._table} FORCE INDEX ({literal(quoted(self._params.table_index))}) "
            f"WHERE {self._between('', '>=')}"
        )
        return text(
            f"SELECT {key} FROM ({numbered}) AS numbered WHERE podwork_number % :piece = 0 ORDER BY {key}"
        )

    @cached_property
    def _occupied(self) -> dict[str, Any]:
        return {
            operator: text(f"SELECT 1 FROM {self._copy} AS c WHERE {self._between('c', operator)} LIMIT 1")
            for operator in (">", ">=")
        }

    @cached_property
    def _all(self) -> dict[str, Any]:
        return {operator: self._statement("", "", operator) for operator in (">", ">=")}

    @cached_property
    def _missing(self) -> dict[str, Any]:
        join = f" LEFT JOIN {self._copy} AS c ON {self._key.equal('c', 't')}"
        absent = f" AND c.{literal(quoted(self._params.key[0]))} IS NULL"
        return {operator: self._statement(join, absent, operator) for operator in (">", ">=")}

    def _statement(self, join: str, absent: str, operator: str) -> Any:
        ours = ", ".join(literal(quoted(name)) for _, name in self._params.pairs)
        theirs = ", ".join(f"t.{literal(quoted(name))}" for name, _ in self._params.pairs)
        chosen = (
            f"{self._copy} ({ours}) SELECT {theirs} "
            f"FROM {self._table} AS t FORCE INDEX ({literal(quoted(self._params.table_index))}){join} "
            f"WHERE {self._between('t', operator)}{absent}"
        )
        if self._is_mariadb:
            # 0: no lock at all is waited for, in the table or in the copy.
            session = f"SET STATEMENT innodb_lock_wait_timeout = 0, sql_mode = '{SQL_MODE}' FOR"
            return text(f"{session} INSERT INTO {chosen} LOCK IN SHARE MODE")
        hint = f"/*+ SET_VAR(innodb_lock_wait_timeout = 1) SET_VAR(sql_mode = '{SQL_MODE}') */"
        return text(f"INSERT {hint} INTO {chosen} FOR SHARE OF t NOWAIT")

    def _between(self, alias: str, operator: str) -> str:
        return f"{self._key.bound(alias, operator, 'lo')} AND {self._key.bound(alias, '<=', 'hi')}"


def _code(error: DBAPIError) -> object:
    args = getattr(error.orig, "args", ())
    return args[0] if args else None
