"""Files of CSV and of JSON lines as collections.

Owns: `csv_lines`, `json_lines`, and where a record of theirs begins and ends. Promises: a field of a CSV file
may hold line breaks, and no slice is cut inside of one; for that the file is read once when it is cut. Lines
that are empty are no records. A record that cannot be read ends the run with an error that names its byte.
Leaves to others: cursors and slices (`files`).
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from podwork_pods.iteration.collections.errors import InvalidCollection, UnreadableRecord
from podwork_pods.iteration.collections.files import Record, RecordFile, behind_mark


def csv_lines(
    path: str | os.PathLike[str],
    columns: Sequence[str] | None = None,
    *,
    delimiter: str = ",",
    quotechar: str = '"',
    encoding: str = "utf-8",
) -> CsvLines:
    """Return the records of a CSV file as a collection of dictionaries of texts.

    Args:
        path: the file. columns: the fields' names; if not said, the first record names them.
        delimiter, quotechar: as in the module `csv`.
        encoding: one in which a line break is one byte: UTF-8, Latin-1, Windows-1252 and the like.

    Raises:
        InvalidCollection: the encoding cannot be used, or, when it is read, the file or the names cannot.
        UnreadableRecord, when it is read: a record is broken, or has another number of fields than names.
    """
    return CsvLines(path, columns, encoding, {"delimiter": delimiter, "quotechar": quotechar, "strict": True})


def json_lines(path: str | os.PathLike[str]) -> JsonLines:
    """Return the lines of a file, each a JSON value in UTF-8, as a collection of these values.

    Raises, when it is read:
        InvalidCollection: the file cannot be read. UnreadableRecord: a line is no JSON.
    """
    return JsonLines(path)


class CsvLines(RecordFile):
    """See `csv_lines`; a `Collection`."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        columns: Sequence[str] | None,
        encoding: str,
        form: dict[str, Any],
    ) -> None:
        super().__init__(path)
        try:
            is_usable = "\n".encode(encoding) == b"\n"
        except LookupError:
            is_usable = False
        if not is_usable:
            raise InvalidCollection(
                f"{path}: the encoding {encoding} has no line breaks of one byte",
                "convert the file to UTF-8",
            )
        self._columns = columns
        self._encoding = encoding
        self._form = form

    def _first(self, file: BinaryIO) -> int:
        return behind_mark(file) if self._columns is not None else self._header(file)[1]

    def _records(self, file: BinaryIO, start: int) -> Iterator[Record]:
        names = self._header(file)[0] if self._columns is None else self._columns
        for fields, begin, end in self._fields(file, start):
            if len(fields) != len(names):
                raise UnreadableRecord(
                    str(self._path), begin, f"it has {len(fields)} fields, there are {len(names)} names"
                )
            yield Record(dict(zip(names, fields, strict=True)), begin, end)

    def _cuts(self, file: BinaryIO, start: int, targets: list[int]) -> Iterator[int]:
        ends = (end for *_, end in self._fields(file, start))
        end = start
        for target in targets:
            while end < target:
                reached = next(ends, None)
                if reached is None:
                    return
                end = reached
            yield end

    def _header(self, file: BinaryIO) -> tuple[list[str], int]:
        """Return the names in the first record, and the byte behind it."""
        start = behind_mark(file)
        names, _, end = next(self._fields(file, start), ([], start, start))
        if len(set(names)) < len(names):
            raise InvalidCollection(
                f"{self._path}: the first record names a column twice", "give the names as columns=(...)"
            )
        return names, end

    def _fields(self, file: BinaryIO, start: int) -> Iterator[tuple[list[str], int, int]]:
        """Yield each record's fields, the byte at which it begins and the one behind it."""
        feed = _Feed(file, start, self._encoding)
        reader = csv.reader(feed, **self._form)
        while True:
            begin = feed.offset
            # The reader asks for no more lines than its record has: what was fed is where the record ends.
            try:
                fields = next(reader, None)
            except (csv.Error, UnicodeDecodeError) as error:
                raise UnreadableRecord(str(self._path), begin, str(error)) from None
            if fields is None:
                return
            if fields:
                yield fields, begin, feed.offset


class _Feed(Iterator[str]):
    """A file's lines as texts; `offset` is the byte behind those that were taken."""

    def __init__(self, file: BinaryIO, start: int, encoding: str) -> None:
        file.seek(start)
        self._file = file
        self._encoding = encoding
        self.offset = start

    def __next__(self) -> str:
        line = self._file.readline()
        if not line:
            raise StopIteration
        self.offset += len(line)
        return line.decode(self._encoding)


class JsonLines(RecordFile):
    """See `json_lines`; a `Collection`."""

    def _first(self, file: BinaryIO) -> int:
        return behind_mark(file)

    def _records(self, file: BinaryIO, start: int) -> Iterator[Record]:
        file.seek(start)
        end = start
        for line in file:
            before, end = end, end + len(line)
            if line.isspace():
                continue
            try:
                yield Record(json.loads(line.decode("utf-8")), before, end)
            except ValueError as error:  # of JSON and of UTF-8 alike
                raise UnreadableRecord(str(self._path), before, str(error)) from None

    def _cuts(self, file: BinaryIO, start: int, targets: list[int]) -> Iterator[int]:
        for target in targets:
            # From the byte before: a line that ends exactly there is not to be followed by a whole one.
            file.seek(max(target - 1, start))
            file.readline()
            yield file.tell()
