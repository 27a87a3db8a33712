"""A file of records as a collection, whatever a record is.

Owns: `RecordFile`. Promises: a cursor is the byte behind the last record done, so that going on costs
nothing, however large the file is; slices are cut between records; the end is the file's end when the run
started. Leaves to others: where a record begins and ends (`lines`). Leaves to the author: every worker of the
run finds the same file under the path, and nobody changes it meanwhile. What is appended is not done; a
record of which only the beginning was written at the start is read as a whole when its turn comes. A change
in front of the cursor moves the records behind it: what is then no record is an error, what happens to be one
is done. A file that has become shorter than the cursor is an error.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from podwork.iteration.collection import Batch, Cursor, Slice
from podwork_pods.iteration.collections.errors import ForeignCursor, InvalidCollection
from podwork_pods.iteration.collections.slices import EMPTY, contiguous, start_of

COUNTED_BYTES = 1 << 30
"""The records of a file up to this size are counted, for which it is read once."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Record(NamedTuple):
    """A record, the byte at which it begins and the one behind it."""

    item: Any
    start: int
    end: int


class RecordFile(ABC):
    """A file of records; a `Collection`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    @abstractmethod
    def _records(self, file: BinaryIO, start: int) -> Iterator[Record]:
        """Read records from a byte on at which one begins, to the end of the file."""

    @abstractmethod
    def _first(self, file: BinaryIO) -> int:
        """Return the byte at which the first record begins."""

    @abstractmethod
    def _cuts(self, file: BinaryIO, start: int, targets: list[int]) -> Iterator[int]:
        """Yield the first end of a record at or behind each of the ascending bytes; `start` is one, too."""

    def slices(self, connection: Any, parts: int) -> list[Slice]:
        """Cut the file between records into at most `parts` slices of about as many bytes each."""
        with self._open() as file:
            size, first = _size(file), self._first(file)
            if first >= size:
                return [EMPTY]
            targets = [first + (size - first) * part // parts for part in range(1, parts)]
            ends = self._cuts(file, first, targets) if targets else iter(())
            cuts = sorted({end for end in ends if first < end < size})
        return contiguous(None, [(cut,) for cut in cuts], (size,))

    def count(self, connection: Any) -> int | None:
        """Return how many records there are; None: the file is too large to be read for that."""
        with self._open() as file:
            if _size(file) > COUNTED_BYTES:
                return None
            return sum(1 for _ in self._records(file, self._first(file)))

    def batch(self, connection: Any, slice: Slice, cursor: Cursor | None, limit: int) -> Batch | None:
        """Return the next records; None: the slice is exhausted."""
        if slice == EMPTY:
            return None
        with self._open() as file:
            start, end = self._rest(file, slice, cursor)
            records = list(islice(self._upto(file, start, end), limit))
        return Batch([record.item for record in records], (min(records[-1].end, end),)) if records else None

    def middle(self, connection: Any, slice: Slice, cursor: Cursor | None) -> Cursor | None:
        """Return where to halve what is left of a slice; None: one record is left, or none."""
        if slice == EMPTY:
            return None
        with self._open() as file:
            start, end = self._rest(file, slice, cursor)
            if start >= end:
                return None
            cut = next(self._cuts(file, start, [start + (end - start) // 2]), end)
        return (cut,) if start < cut < end else None

    def _upto(self, file: BinaryIO, start: int, end: int) -> Iterator[Record]:
        """Yield the records that begin in front of a byte."""
        if start >= end:
            return
        for record in self._records(file, start):
            if record.start >= end:  # nothing but empty lines was left in front of it
                return
            yield record
            if record.end >= end:
                return

    def _rest(self, file: BinaryIO, part: Slice, cursor: Cursor | None) -> tuple[int, int]:
        done = start_of(part, cursor)
        start = self._first(file) if done is None else int(done[0])
        size = _size(file)
        if done is not None and start > size:
            raise ForeignCursor(str(self._path), done, f"the file has only {size} bytes")
        return start, size if part.upto is None else int(part.upto[0])

    def _open(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise InvalidCollection(
                f"the file {self._path} cannot be read: {error.strerror}",
                "put it where every worker of the pod can read it",
            ) from None


def behind_mark(file: BinaryIO) -> int:
    """Return the first byte behind the mark that some programs write in front of UTF-8."""
    file.seek(0)
    return len(BYTE_ORDER_MARK) if file.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK else 0


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
