"""Whether a table and its copy hold the same, seen in one snapshot.

Owns: `Comparison`, `CompareParams`, `Spans`, the collection along which they are compared, and `CopyDiffers`.
The triggers make both tables equal in every snapshot, below the place that is copied: so one statement that
counts and sums up a range of both (a statement reads one snapshot) finds every difference, without a lock,
while the application writes. Promises: ranges follow one another without a gap, from before the first to
behind the last row of either table, so that a row is found too that only the copy has. A sum is BIT_XOR of
each row's CRC32 times `ODD`: without the factor two rows with the same change, such as a counter that both
missed, would undo each other, for CRC32 and XOR are linear. FLOAT that became DOUBLE is left out: the same
number has another text. Leaves to others: the run (`job`).
"""

# ruff: noqa: S608 - names are quoted, values are parameters

from __future__ import annotations

from functools import cached_property
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text

from podwork.errors import PodworkError
from podwork.iteration.collection import Batch, Cursor, Range, Slice
from podwork_migrations.copy.columns import Pairs
from podwork_migrations.copy.keys import KeyText, literal, values
from podwork_migrations.copy.names import quoted
from podwork_migrations.copy.parts import KeyWalk
from podwork_migrations.copy.table import Column
from podwork_pods.iteration.collections.slices import contiguous, start_of

ODD: Final = 2_654_435_761
"""Times 32 bits it fits into 64, and carries: no change of a row changes its product in one way only."""

_TEXTS: Final = frozenset({"char", "varchar", "tinytext", "text", "enum", "set"})
_LONG: Final = frozenset({"mediumtext", "longtext", "mediumblob", "longblob", "blob", "json", "geometry"})
_WIDER: Final = (
    (frozenset({"decimal"}), "CAST({name} AS {type})"),
    (frozenset({"datetime", "timestamp"}), "CAST({name} AS DATETIME(6))"),
    (frozenset({"time"}), "CAST({name} AS TIME(6))"),
    (frozenset({"varbinary", "tinyblob"}), "CRC32({name})"),
)
"""How values are compared whose type has become another one, by its kind; the rest as numbers."""


class CopyDiffers(PodworkError):
    """Raised when a copy does not hold what its table holds."""

    def __init__(self, table: str, copy: str, span: str, seen: str) -> None:
        self.table = table
        self.copy = copy
        self.span = span
        super().__init__(
            f"{table} and {copy} differ {span}: {seen}",
            "the copy is given up; if it happens again, tell podwork's developers: this must not be",
        )


class CompareParams(NamedTuple):
    """What is compared: names, the key with both indexes, and `expressions`, each as [theirs, ours]."""

    table: str
    copy: str
    key: list[str]
    table_index: str
    copy_index: str
    pairs: list[list[str]]


def expressions(pairs: Pairs) -> list[list[str]]:
    """Return what is compared of a row: which values are null, then the values that both tables have."""
    nulls, found = [], []
    for theirs, ours in pairs.shared:
        if theirs.kind == "float" and ours.kind == "double":
            continue
        both = [_value(theirs, theirs, ours), _value(ours, theirs, ours)]
        # What is never null need not be asked for every row: that was a third of a comparison's time.
        if theirs.is_nullable or ours.is_nullable:
            nulls.append([f"ISNULL({one})" for one in both])
        found.append(both)
    return [*nulls, *found]


class Comparison:
    """Compares spans of two tables."""

    def __init__(self, params: CompareParams) -> None:
        self._params = params
        self._key = KeyText(params.key)

    def check(self, connection: Connection, after: Cursor | None, upto: Cursor | None) -> None:
        """Pass if both hold the same behind one key and up to another; None: from or to the end.

        Raises CopyDiffers.
        """
        bounds = {**values("after", after or ()), **values("upto", upto or ())}
        theirs, ours = connection.execute(self._statement(after is not None, upto is not None), bounds).one()
        if theirs != ours:
            start, end = "the beginning" if after is None else after, "the end" if upto is None else upto
            seen = f"rows and sum are {theirs} and {ours}"
            raise CopyDiffers(self._params.table, self._params.copy, f"behind {start} up to {end}", seen)

    def _statement(self, has_after: bool, has_upto: bool) -> Any:
        params = self._params
        theirs = self._sum(
            params.table, params.table_index, [one for one, _ in params.pairs], has_after, has_upto
        )
        ours = self._sum(
            params.copy, params.copy_index, [two for _, two in params.pairs], has_after, has_upto
        )
        return text(f"SELECT ({theirs}), ({ours})")

    def _sum(self, table: str, index: str, columns: list[str], has_after: bool, has_upto: bool) -> str:
        row = f"CRC32(CONCAT_WS('#', {', '.join(columns)})) * {ODD}"
        where = [self._key.bound("", ">", "after")] if has_after else []
        where += [self._key.bound("", "<=", "upto")] if has_upto else []
        return (
            f"SELECT CONCAT(COUNT(*), ' ', COALESCE(BIT_XOR({literal(row)}), 0)) "
            f"FROM {literal(quoted(table))} FORCE INDEX ({literal(quoted(index))}) "
            f"WHERE {' AND '.join(where) or 'TRUE'}"
        )


class Spans:
    """The keys of both tables as spans that follow one another; a `RangeCollection`.

    A span is what lies behind `lo` and not behind `hi`; a `lo` without values is the beginning.
    """

    def __init__(self, params: CompareParams) -> None:
        self._params = params
        self._key = KeyText(params.key)
        self._walk = KeyWalk(params.table, params.key, params.table_index)

    def slices(self, connection: Connection, parts: int) -> list[Slice]:
        """Return slices of about as many rows each; the last one ends behind whatever row comes last."""
        return contiguous(None, self._walk.cuts(connection, parts), None)

    def count(self, connection: Connection) -> int | None:
        """Return the server's estimate of the table's rows."""
        return self._walk.estimate(connection)

    def batch(self, connection: Connection, slice: Slice, cursor: Cursor | None, limit: int) -> Batch | None:  # noqa: A002
        """Return the next span as the only item."""
        span = self.range(connection, slice, cursor, limit)
        return None if span is None else Batch([span], span.hi)

    def range(self, connection: Connection, slice: Slice, cursor: Cursor | None, limit: int) -> Range | None:  # noqa: A002
        """Return the next span of about `limit` rows; None: nothing of the slice is left."""
        start = start_of(slice, cursor)
        if start is not None and start == slice.upto:
            return None
        if (end := self._walk.after(connection, start, slice.upto, limit - 1)) is not None:
            return Range(start or (), end, limit)
        if (end := slice.upto) is None:
            row = connection.execute(self._last[start is not None], values("after", start or ())).first()
            end = None if row is None else tuple(row)
        return None if end is None else Range(start or (), end, max(1, limit // 2))

    @cached_property
    def _last(self) -> dict[bool, Any]:
        return {has: self._make_last(has) for has in (False, True)}

    def _make_last(self, has_start: bool) -> Any:
        params, key = self._params, self._key
        ends = " UNION ALL ".join(
            f"(SELECT {key.listed()} FROM {self._from(table, index, has_start)} "
            f"ORDER BY {key.descending()} LIMIT 1)"
            for table, index in ((params.table, params.table_index), (params.copy, params.copy_index))
        )
        return text(f"SELECT {key.listed()} FROM ({ends}) AS ends ORDER BY {key.descending()} LIMIT 1")

    def _from(self, table: str, index: str, has_start: bool) -> str:
        where = f" WHERE {self._key.bound('', '>', 'after')}" if has_start else ""
        return f"{literal(quoted(table))} FORCE INDEX ({literal(quoted(index))}){where}"


def _value(column: Column, theirs: Column, ours: Column) -> str:
    """Return the column as both tables have it: by the type that it has in the copy."""
    name = quoted(column.name)
    if {theirs.kind, ours.kind} & _LONG:
        return f"CRC32({_in_one_charset(name, theirs, ours)})"
    if column.kind in _TEXTS:
        return f"CAST({_in_one_charset(name, theirs, ours)} AS BINARY)"
    if theirs.type == ours.type and column.kind != "bit":
        return name
    for kinds, written in _WIDER:
        if ours.kind in kinds:
            return written.format(name=name, type=ours.type.partition(" ")[0])
    return f"{name} + 0"


def _in_one_charset(name: str, theirs: Column, ours: Column) -> str:
    return name if theirs.charset == ours.charset else f"CONVERT({name} USING utf8mb4)"
