"""Walking a table of a shop in chunks of a few thousand rows, by ranges of keys.

Owns: `Chunks`, `Chunk`. Promises: the chunks follow one another without a gap; each ends at a key (never
in the middle of rows that belong to one), which is compared by the server only. A table that is joined is
walked along the keys of the table that has the shop's number, for that one has an index by shop. How many
rows a chunk has follows their length. Leaves to others: from which state (`snapshot`), and to where
(`copying`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from podwork_pods.mover.rows.progress import Walked
from podwork_pods.mover.rows.reading import LongRow, Portion, Reader, TooMany
from podwork_pods.mover.rows.snapshot import Snapshot
from podwork_pods.mover.tables.table import MovedTable

CHUNK_BYTES: Final = 1 << 20
MOST_ROWS: Final = 5_000
FIRST_ROWS: Final = 1_000


class Chunk(NamedTuple):
    """Rows to be inserted; with `walked` they end a transaction, and that is stored with them."""

    values: bytes
    long: LongRow | None = None
    walked: Walked | None = None


class Chunks:
    """Walks one table over a session that stands in a snapshot."""

    def __init__(
        self, reader: Reader, snapshot: Snapshot, table: MovedTable, *, most_rows: int = MOST_ROWS
    ) -> None:
        self._reader = reader
        self._snapshot = snapshot
        self._table = table
        self._statements = reader.statements(table)
        self._most_rows = most_rows
        self._rows = min(FIRST_ROWS, most_rows)

    def behind(self, walked: Walked) -> Iterator[Chunk]:
        """Yield what lies behind what has been walked, to the table's end."""
        while not walked.is_whole:
            self._snapshot.renew_if_old()
            upto = self._reader.bound(self._table, walked.after, self._rows)
            condition = self._statements.between(walked.after, upto)
            try:
                portion = self._reader.portion(self._table, condition)
            except TooMany:
                if self._rows > 1:
                    self._rows = max(1, self._rows // 4)
                    continue
                # Many rows belong to one of the root: they go by their own keys, in one transaction.
                portions = self._reader.portions(self._table, self._reader.keys(self._table, condition))
            else:
                portions = iter([portion])
                self._fit(portion)
            count = length = long = 0
            for portion in portions:
                count, length = count + portion.rows, length + len(portion.values)
                long += portion.long
                yield Chunk(portion.values)
            for row in self._long_rows(condition) if long else ():
                length += row.length
                yield Chunk(b"", row)
            walked = Walked(upto or walked.after, upto is None, walked.rows + count, walked.bytes + length)
            yield Chunk(b"", None, walked)

    def _long_rows(self, condition: str) -> Iterator[LongRow]:
        for key in dict.fromkeys(self._reader.keys(self._table, condition, long=True)):
            yield from self._reader.long_rows(self._table, key)

    def _fit(self, portion: Portion) -> None:
        """Let the next chunk have about the bytes that it should have."""
        per_row = max(1, len(portion.values)) / max(1, portion.rows)
        wanted = int(CHUNK_BYTES / per_row)
        self._rows = max(1, min(self._most_rows, wanted, self._rows * 4))
