"""Reading a shop's rows at the source as the text that the target inserts.

Owns: `Reader`, `Portion`, `LongRow`. Promises: nothing that is read is parsed here, so its price is the
server's; a portion that the server has cut is never taken for whole (`TooMany`). Leaves to others: which
rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.errors import RowsUnreadable
from podwork_pods.mover.rows.literals import Key
from podwork_pods.mover.rows.session import RowSession
from podwork_pods.mover.rows.statements import Statements
from podwork_pods.mover.tables.table import ColumnFact, MovedTable

KEYS_IN_A_STATEMENT: Final = 500


class TooMany(Exception):
    """Says that so many rows are too long for one statement: ask for fewer."""


class LongRow(NamedTuple):
    """A row with long values, by column: the text of a literal, or the bytes of a long value (None: NULL)."""

    values: tuple[tuple[ColumnFact, bytes | None, bool], ...]

    @property
    def length(self) -> int:
        """Its length in bytes."""
        return sum(len(value or b"") for _, value, _ in self.values)


class Portion(NamedTuple):
    """Rows: `rows` of them, `values` of those that are not long as they stand behind VALUES."""

    rows: int
    values: bytes
    long: int = 0


class Reader:
    """Reads rows of the passage's shop over one session, which gives bytes."""

    def __init__(self, session: RowSession, passage: Passage, *, locked: bool) -> None:
        self.session = session
        self._passage = passage
        self._locked = locked
        self._statements: dict[str, Statements] = {}

    def statements(self, table: MovedTable) -> Statements:
        """Return the statements on a table."""
        if table.name not in self._statements:
            self._statements[table.name] = Statements(table, self._passage)
        return self._statements[table.name]

    def bound(self, table: MovedTable, after: Key | None, rows: int) -> Key | None:
        """Return the key of the root's row that many rows behind; None: there are fewer."""
        found = self.session.rows(self.statements(table).bound(after, rows))
        return _key(found[0]) if found else None

    def portion(self, table: MovedTable, condition: str) -> Portion:
        """Return the rows. Raises TooMany: they do not fit one statement."""
        statement = self.statements(table).read(condition, locked=self._locked)
        [(count, long, values)] = self.session.rows(statement)
        if self.session.warnings:
            raise TooMany(self.session.what_it_said()[0][1])
        return Portion(int(count), values or b"", int(long))

    def portions(self, table: MovedTable, keys: Iterable[Key]) -> Iterator[Portion]:
        """Yield the rows with these keys, in as many portions as it takes.

        Raises RowsUnreadable: those with one key do not fit one statement.
        """
        for some in in_parts(keys):
            yield from self._halved(table, some)

    def keys(self, table: MovedTable, condition: str, *, long: bool = False) -> list[Key]:
        """Return the keys of the rows, or of the long ones among them."""
        statement = self.statements(table).keys(condition, locked=self._locked, long=long)
        return [_key(row) for row in self.session.rows(statement)]

    def some_keys(self, table: MovedTable, condition: str, rows: int) -> list[Key]:
        """Return the keys of up to so many of the rows."""
        return [_key(row) for row in self.session.rows(self.statements(table).some_keys(condition, rows))]

    def children(self, table: MovedTable, child: MovedTable, keys: list[Key]) -> list[Key]:
        """Return the keys of the child's rows that belong to these rows of the shop."""
        statement = self.statements(table).children(child, keys, locked=self._locked)
        return [_key(row) for row in self.session.rows(statement)]

    def _halved(self, table: MovedTable, keys: list[Key]) -> Iterator[Portion]:
        try:
            yield self.portion(table, self.statements(table).keyed(keys))
        except TooMany as error:
            if len(keys) == 1:
                raise RowsUnreadable(table.name, str(error)) from None
            middle = len(keys) // 2
            yield from self._halved(table, keys[:middle])
            yield from self._halved(table, keys[middle:])

    def long_rows(self, table: MovedTable, key: Key) -> list[LongRow]:
        """Return the long rows with the key: one, or several of a table whose rows are grouped.

        Raises RowsUnreadable: the server gives a value only in part.
        """
        statements = self.statements(table)
        found = self.session.rows(statements.read_long(statements.keyed([key]), locked=self._locked))
        if self.session.warnings:
            raise RowsUnreadable(table.name, self.session.what_it_said()[0][1])
        return [_long_row(table, statements, row) for row in found]


def in_parts(keys: Iterable[Key], size: int = KEYS_IN_A_STATEMENT) -> list[list[Key]]:
    """Return the keys, each once, in lists that a statement can hold."""
    whole = list(dict.fromkeys(keys))
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def _key(row: tuple[Any, ...]) -> Key:
    return tuple(part.decode() if isinstance(part, bytes) else str(part) for part in row)


def _long_row(table: MovedTable, statements: Statements, row: tuple[Any, ...]) -> LongRow:
    return LongRow(
        tuple(
            (column, value, column in statements.long_columns)
            for column, value in zip(table.columns, row, strict=True)
        )
    )
