"""Writing a shop's rows at the target.

Owns: `Writer`. Promises: every transaction begins with the fence, held in a state that allows the work and
under the passage's own mover; a row never takes another one's place (`Clash`); only rows of the shop are
deleted; a value that the server would change is an error. Leaves to others: what is written, and when it
is committed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import pymysql

from podwork.errors import PodworkError
from podwork.points import reach
from podwork_pods.fence import FenceState, ShardFence
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows import literals
from podwork_pods.mover.rows.errors import ValueChanged
from podwork_pods.mover.rows.literals import Key
from podwork_pods.mover.rows.reading import LongRow, in_parts
from podwork_pods.mover.rows.session import RowSession
from podwork_pods.mover.rows.statements import Statements
from podwork_pods.mover.tables.table import MovedTable

_DUPLICATE: Final = 1062
_TRUNCATED: Final = 1265


class Clash(Exception):
    """Says that a row is in the way of one that was to be inserted; the server's words say which."""


class Writer:
    """Writes rows of the passage's shop over one session. `states`: of the fence, under which it may."""

    def __init__(
        self, session: RowSession, fence: ShardFence, passage: Passage, states: Collection[FenceState]
    ) -> None:
        self.session = session
        self._fence = fence
        self._passage = passage
        self._states = states
        self._piece = max(1 << 10, session.longest_statement() // 4)

    def begin(self) -> None:
        """Begin a transaction. Raises FenceConflict, FenceBusy: not under this fence."""
        self.session.run("START TRANSACTION")
        passage = self._passage
        try:
            self._fence.hold_to_fill(self.session.connection, passage.shop_id, self._states, passage.mover)
        except PodworkError:
            self.session.rollback()  # or the lock on the fence would stay
            raise
        reach("rows.held")

    def insert(self, table: MovedTable, values: bytes) -> None:
        """Insert rows, given as they stand behind VALUES. Raises Clash, ValueChanged."""
        if values:
            self._insert(table, Statements(table, self._passage).insert().encode() + values)

    def insert_long(self, table: MovedTable, row: LongRow) -> None:
        """Insert a row whose values may be longer than a statement: they go ahead, in pieces."""
        parts: list[bytes] = []
        for number, (column, value, is_long) in enumerate(row.values):
            if is_long and value is not None:
                variable = f"@podwork_{number}"
                self._send_ahead(variable, value)
                parts.append(literals.given(column, variable).encode())
            else:
                parts.append(b"NULL" if value is None else value)
        statement = Statements(table, self._passage).insert().encode()
        self._insert(table, statement + b"(" + b",".join(parts) + b")")

    def delete(self, table: MovedTable, keys: Iterable[Key]) -> int:
        """Delete the shop's rows with these keys; return how many there were."""
        statements, deleted = Statements(table, self._passage), 0
        for some in in_parts(keys):
            deleted += self.session.run(statements.delete(some))
        return deleted

    def commit(self) -> None:
        """Commit what was written."""
        reach("rows.committing")
        self.session.commit()
        reach("rows.committed")

    def _insert(self, table: MovedTable, statement: bytes) -> None:
        try:
            self.session.run(statement)
        except pymysql.IntegrityError as error:
            if error.args[0] != _DUPLICATE:
                raise
            raise Clash(f"{table.name}: {error.args[1]}") from None
        if self.session.warnings:
            _look_at(table, self.session.what_it_said())

    def _send_ahead(self, variable: str, value: bytes) -> None:
        for start in range(0, max(1, len(value)), self._piece):
            piece = b"'" + _escaped(value[start : start + self._piece]) + b"'"
            name = variable.encode()
            self.session.run(
                b"SET %s = " % name + (piece if not start else b"CONCAT(%s, %s)" % (name, piece))
            )
            if self.session.warnings:
                raise ValueChanged(variable, self.session.what_it_said()[0][1])


def _escaped(value: bytes) -> bytes:
    for byte in (b"\\", b"'"):
        value = value.replace(byte, b"\\" + byte)
    return value.replace(b"\0", b"\\0").replace(b"\x1a", b"\\Z")


def _look_at(table: MovedTable, warnings: list[tuple[int, str]]) -> None:
    """Let pass what is said of an ENUM's place 0, for it is kept; of another value nothing may be said."""
    enums = [f"'{column.name}'" for column in table.columns if column.type == "enum"]
    for code, text in warnings:
        if code != _TRUNCATED or not any(name in text for name in enums):
            raise ValueChanged(table.name, text)
