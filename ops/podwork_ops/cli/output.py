"""Where a command's results go: tables or JSON on standard output, messages on standard error.

Owns: how values, ages and durations are written, and the shape of JSON (one document, keys in snake_case, a
list under the noun's name). Promises: nothing but results on standard output. Leaves to others: the look of
tables (`tables`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its header, the row's key, how a value is written; `wide`: may be folded."""

    header: str
    key: str
    write: Callable[[Any], str] | None = None
    right: bool = False
    wide: bool = False

    def text(self, row: Row) -> str | None:
        """Return the row's value as it is written; None: there is none."""
        value = row.get(self.key)
        if value is None or value == "" or (isinstance(value, Mapping | list) and not value):
            return None
        return self.write(value) if self.write else _plain(value)


class Output:
    """Writes one command's result in the format that was asked for."""

    def __init__(
        self, format_: str = "table", stdout: TextIO | None = None, stderr: TextIO | None = None
    ) -> None:
        self.json = format_ == "json"
        self.stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr

    def rows(self, noun: str, rows: Sequence[Row], columns: Sequence[Column], empty: str = "") -> None:
        """Write a list: a table with one line per row, or `{noun: [...]}`."""
        if self.json:
            self.document({noun: list(rows)})
        elif rows:
            from podwork_ops.cli import tables  # noqa: PLC0415 - rich, which a worker must not carry

            self.write(tables.of_rows(rows, columns, self.stdout))
        else:
            self.message(empty or f"no {noun.replace('_', ' ')}")

    def record(self, row: Row, columns: Sequence[Column]) -> None:
        """Write one thing: a line per field, or an object with every key of the row."""
        if self.json:
            self.document(row)
            return
        from podwork_ops.cli import tables  # noqa: PLC0415 - rich, which a worker must not carry

        self.write(tables.of_record(row, columns, self.stdout))

    def document(self, document: Any) -> None:
        """Write one JSON document."""
        self.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")

    def write(self, text: str) -> None:
        """Write text as it is to standard output."""
        self.stdout.write(text)
        self.stdout.flush()

    def message(self, text: str) -> None:
        """Say something to the person at the terminal: never part of the data."""
        self._stderr.write(text + "\n")
        self._stderr.flush()


def age(seconds: float) -> str:
    """Write a length of time in one unit, as kubectl writes ages: 0.4s, 12s, 5m, 3h, 2d."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f}s"
    for limit, unit_seconds, unit in ((120, 1, "s"), (7200, 60, "m"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit_seconds:.0f}{unit}"
    return f"{seconds / 86_400:.0f}d"


def span(seconds: float) -> str:
    """Write a length of time exactly, as options take it: 1h, 1m30s, 500ms."""
    milliseconds, parts = round(seconds * 1000), []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        number, milliseconds = divmod(milliseconds, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def left(seconds: float | None) -> str:
    """Write how much of a time is left: 28m; None: it has no end."""
    return "until lifted" if seconds is None else age(seconds)


def moment(seconds: float) -> str:
    """Write seconds since 1970 as JSON carries moments: 2026-11-24T13:45:14.000+00:00."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def mebibytes(number: float) -> str:
    """Write bytes as a process's memory is spoken of: 57M."""
    return f"{number / 1024 / 1024:.0f}M"


def size_in_bytes(number: float) -> str:
    """Write a number of bytes in one unit: 812, 30K, 1.2M, 4.0G."""
    if number < 1024:
        return f"{number:.0f}"
    for unit in "KMGT":
        number /= 1024
        if number < 1024 or unit == "T":
            break
    return f"{number:.0f}{unit}" if number >= 10 else f"{number:.1f}{unit}"


def count(number: float) -> str:
    """Write a number with thousands separated."""
    return f"{number:,}"


def plural(number: int, noun: str, many: str = "") -> str:
    """Write a number of things: 1 shop, 1,469 shops; `many` where that is no `s` more."""
    return f"{number:,} {noun if number == 1 else many or f'{noun}s'}"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{key}={item}" for key, item in sorted(value.items()))
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(str(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
