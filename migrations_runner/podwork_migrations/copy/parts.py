"""Where a table is cut, so that several jobs may work on it at once.

Owns: `KeyWalk`, which finds a key by how many rows lie in front of it, and `CopiedRows`, what a copy reads.
How many rows there are is what the server estimates: counting them, as `rows` does, reads the whole table
before the first row is copied. Promises: parts follow one another without a gap, wherever they are cut; a
wrong estimate makes them unequal, and whoever is done with the smaller one takes half of what is left of the
other. Leaves to others: batches of a part (`rows`, `verify`).
"""

# ruff: noqa: S608 - names are quoted, values are parameters

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from sqlalchemy import Connection, text

from podwork.iteration.collection import Batch, Cursor, Range, Slice
from podwork_migrations.copy.keys import KeyText, literal, values
from podwork_migrations.copy.names import quoted
from podwork_pods.iteration.collections import rows
from podwork_pods.iteration.collections.slices import EMPTY, contiguous

_ESTIMATE: Final = text(
    "SELECT table_rows FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = :name"
)


class KeyWalk:
    """Walks a table along the index of a key."""

    def __init__(self, table: str, key: list[str], index: str) -> None:
        self._name = table
        self._key = KeyText(key)
        self._table = f"{literal(quoted(table))} FORCE INDEX ({literal(quoted(index))})"

    def estimate(self, connection: Connection) -> int | None:
        """Return how many rows the server takes the table to have."""
        found = connection.execute(_ESTIMATE, {"name": self._name}).scalar()
        return None if found is None else int(found)

    def after(
        self, connection: Connection, start: Cursor | None, upto: Cursor | None, skipped: int
    ) -> Cursor | None:
        """Return the key of the row so many rows behind the next one, not behind `upto`; None: there is none.

        `start`, `upto` None: from the first row, to the last.
        """
        bounds = {**values("after", start or ()), **values("upto", upto or ()), "skipped": skipped}
        row = connection.execute(self._nth[start is not None, upto is not None], bounds).first()
        return None if row is None else tuple(row)

    def cuts(self, connection: Connection, parts: int, upto: Cursor | None = None) -> list[Cursor]:
        """Return where to cut for so many parts of about as many rows each; fewer if there are few rows."""
        found: list[Cursor] = []
        skipped = (self.estimate(connection) or 0) // parts - 1
        while skipped >= 0 and len(found) < parts - 1:
            cut = self.after(connection, found[-1] if found else None, upto, skipped)
            if cut is None or cut == upto:
                break
            found.append(cut)
        return found

    @cached_property
    def _nth(self) -> dict[tuple[bool, bool], Any]:
        either = (False, True)
        return {(start, upto): self._make_nth(start, upto) for start in either for upto in either}

    def _make_nth(self, has_start: bool, has_upto: bool) -> Any:
        conditions = [self._key.bound("", ">", "after")] if has_start else []
        conditions += [self._key.bound("", "<=", "upto")] if has_upto else []
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        listed = self._key.listed()
        return text(f"SELECT {listed} FROM {self._table}{where} ORDER BY {listed} LIMIT 1 OFFSET :skipped")


class CopiedRows:
    """The rows of a table up to the last one at the start, along a key; a `RangeCollection`."""

    def __init__(self, table: str, key: list[str], index: str) -> None:
        self._rows = rows(table, key=key)
        self._walk = KeyWalk(table, key, index)

    def slices(self, connection: Connection, parts: int) -> list[Slice]:
        """Return slices of about as many rows each."""
        [whole] = self._rows.slices(connection, 1)
        if whole == EMPTY:
            return [whole]
        return contiguous(None, self._walk.cuts(connection, parts, whole.upto), whole.upto)

    def count(self, connection: Connection) -> int | None:
        """Return the server's estimate of the table's rows."""
        return self._walk.estimate(connection)

    def batch(self, connection: Connection, slice: Slice, cursor: Cursor | None, limit: int) -> Batch | None:  # noqa: A002
        """Return the next rows; see `rows`."""
        return self._rows.batch(connection, slice, cursor, limit)

    def range(self, connection: Connection, slice: Slice, cursor: Cursor | None, limit: int) -> Range | None:  # noqa: A002
        """Return the first and the last key of the next rows; see `rows`."""
        return self._rows.range(connection, slice, cursor, limit)

    def middle(self, connection: Connection, slice: Slice, cursor: Cursor | None) -> Cursor | None:  # noqa: A002
        """Return where to halve what is left of a slice; see `rows`."""
        return self._rows.middle(connection, slice, cursor)
