"""Reading keys out of the rows of a binlog, and nothing else.

Owns: `Plan`. Promises: of each image only the shop's number and the key's columns are decoded, and their
bytes are taken as they are: text is not decoded, and what the library of the stream makes of zero dates or
sets does not matter. A row that was changed gives its key before and after. Leaves to others: whose the
keys are (`watch`).

The forms of values are those of row events of version 1 and 2: numbers are little-endian, decimals and
times big-endian; lengths stand before what has no fixed one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from pymysqlreplication.constants import FIELD_TYPE

from podwork_pods.mover.rows import literals
from podwork_pods.mover.rows.literals import Key
from podwork_pods.mover.tables.table import ColumnFact, MovedTable

_FIXED: Final = {
    FIELD_TYPE.TINY: 1,
    FIELD_TYPE.SHORT: 2,
    FIELD_TYPE.INT24: 3,
    FIELD_TYPE.LONG: 4,
    FIELD_TYPE.LONGLONG: 8,
    FIELD_TYPE.FLOAT: 4,
    FIELD_TYPE.DOUBLE: 8,
    FIELD_TYPE.YEAR: 1,
    FIELD_TYPE.DATE: 3,
    FIELD_TYPE.NEWDATE: 3,
    FIELD_TYPE.TIME: 3,
    FIELD_TYPE.TIMESTAMP: 4,
    FIELD_TYPE.DATETIME: 8,
}
_WITH_FRACTION: Final = {FIELD_TYPE.TIMESTAMP2: 4, FIELD_TYPE.DATETIME2: 5, FIELD_TYPE.TIME2: 3}
_INTEGERS: Final = frozenset(
    {FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG}
)
_WITH_LENGTH: Final = frozenset({FIELD_TYPE.BLOB, FIELD_TYPE.GEOMETRY, FIELD_TYPE.JSON})
_TEXTS: Final = frozenset({FIELD_TYPE.VARCHAR, FIELD_TYPE.STRING, FIELD_TYPE.VAR_STRING})
_DIGITS_BYTES: Final = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)


class Unfit(Exception):
    """Says what a log lacks, or has, so that keys cannot be read from it."""


class Touched(NamedTuple):
    """A key that an image names; `shop_id` is None where the row does not say whose it is."""

    shop_id: int | None
    key: Key


class _Field(NamedTuple):
    """A column of an image: `size` bytes, or, if `prefix`, that many bytes of a length before it."""

    size: int
    prefix: int
    literal: Callable[[bytes], str] | None


class Plan:
    """How to read the keys of one table from its images in the log.

    Raises Unfit: the log does not name its columns, or a column is of a form that is not known.
    """

    def __init__(self, table: MovedTable, columns: Sequence[Any]) -> None:
        names = [column.name for column in columns]
        if not all(names):
            raise Unfit("rows whose columns have no names (binlog_row_metadata is not FULL)")
        wanted = [*table.key, *([table.shop_column] if table.shop_column else [])]
        missing = [name for name in wanted if name not in names]
        if missing:
            raise Unfit(f"rows of {table.name} without {missing[0]}")
        self._fields = [
            _field(table.column(column.name) if column.name in wanted else None, column) for column in columns
        ]
        self._key = [names.index(name) for name in table.key]
        self._shop = names.index(table.shop_column) if table.shop_column else None
        self._table = table.name

    def touched(self, body: bytes, bitmaps: Sequence[bytes]) -> Iterator[Touched]:
        """Yield the keys of an event: `bitmaps` say for each image of a row which columns it has."""
        present = [self._present(bitmap) for bitmap in bitmaps]
        at = 0
        while at < len(body):
            for columns in present:
                found, at = self._image(body, at, columns)
                shop = None if self._shop is None else int(found[self._shop])
                yield Touched(shop, tuple([found[place] for place in self._key]))

    def _present(self, bitmap: bytes) -> list[int]:
        present = [place for place in range(len(self._fields)) if bitmap[place >> 3] >> (place & 7) & 1]
        needed = {*self._key, *([] if self._shop is None else [self._shop])}
        if not needed <= set(present):
            raise Unfit(f"rows of {self._table} without their keys (binlog_row_image is not FULL)")
        return present

    def _image(self, body: bytes, at: int, present: list[int]) -> tuple[dict[int, str], int]:
        nulls = int.from_bytes(body[at : at + (len(present) + 7) // 8], "little")
        at += (len(present) + 7) // 8
        found: dict[int, str] = {}
        fields = self._fields
        for bit, place in enumerate(present):
            if nulls >> bit & 1:
                continue
            size, prefix, literal = fields[place]
            if prefix:
                size = int.from_bytes(body[at : at + prefix], "little")
                at += prefix
            if literal is not None:
                found[place] = literal(body[at : at + size])
            at += size
        return found, at


def _field(wanted: ColumnFact | None, column: Any) -> _Field:
    size, prefix = _form(column)
    return _Field(size, prefix, None if wanted is None else _literal(wanted, column))


def _form(column: Any) -> tuple[int, int]:  # noqa: PLR0911 - one for each form
    kind = column.type
    if kind in _FIXED:
        return _FIXED[kind], 0
    if kind in _WITH_FRACTION:
        return _WITH_FRACTION[kind] + (column.fsp + 1) // 2, 0
    if kind in _TEXTS:
        return 0, 2 if column.max_length > 255 else 1
    if kind in _WITH_LENGTH:
        return 0, column.length_size
    if kind in (FIELD_TYPE.ENUM, FIELD_TYPE.SET):
        return column.size, 0
    if kind == FIELD_TYPE.BIT:
        return column.bytes, 0
    if kind == FIELD_TYPE.NEWDECIMAL:
        return sum(_decimal_sizes(column)), 0
    raise Unfit(f"a column of a form that is not known ({kind})")


def _literal(fact: ColumnFact, column: Any) -> Callable[[bytes], str]:
    kind = column.type
    if kind in _INTEGERS:
        signed = not fact.unsigned
        return lambda stored: str(int.from_bytes(stored, "little", signed=signed))
    if kind in _TEXTS or kind == FIELD_TYPE.BLOB:
        return lambda stored: literals.text_literal(fact, stored)
    if kind == FIELD_TYPE.NEWDECIMAL:
        return lambda stored: _decimal(stored, column)
    if kind in _CALENDAR:
        return _CALENDAR[kind]
    raise Unfit(f"a key's column {fact.name} of the type {fact.declared}")


def _year(stored: bytes) -> str:
    return str(1900 + stored[0] if stored[0] else 0)


def _date(stored: bytes) -> str:
    packed = int.from_bytes(stored, "little")
    return f"'{packed >> 9:04d}-{packed >> 5 & 15:02d}-{packed & 31:02d}'"


def _datetime(stored: bytes) -> str:
    packed = int.from_bytes(stored[:5], "big") - (1 << 39)
    months, rest = packed >> 22, packed & ((1 << 22) - 1)
    day, hour, minute, second = rest >> 17, rest >> 12 & 31, rest >> 6 & 63, rest & 63
    fraction = stored[5:]
    micros = int.from_bytes(fraction, "big") * 100 ** (3 - len(fraction)) if fraction else 0
    date = f"{months // 13:04d}-{months % 13:02d}-{day:02d}"
    return f"'{date} {hour:02d}:{minute:02d}:{second:02d}.{micros:06d}'"


def _decimal_sizes(column: Any) -> list[int]:
    """Return the bytes of each group of up to nine digits, of the whole part and of the fraction."""
    whole, fraction = column.precision - column.decimals, column.decimals
    nines = [4] * (whole // 9) + [4] * (fraction // 9)
    return [_DIGITS_BYTES[whole % 9], *nines, _DIGITS_BYTES[fraction % 9]]


def _decimal(stored: bytes, column: Any) -> str:
    whole, fraction = column.precision - column.decimals, column.decimals
    digits = [whole % 9, *[9] * (whole // 9), *[9] * (fraction // 9), fraction % 9]
    negative = not stored[0] & 0x80
    plain = bytes([stored[0] ^ 0x80, *stored[1:]])
    if negative:
        plain = bytes(byte ^ 0xFF for byte in plain)
    text, at = "", 0
    for size, count in zip(_decimal_sizes(column), digits, strict=True):
        text += f"{int.from_bytes(plain[at : at + size], 'big'):0{count}d}" if count else ""
        at += size
    return f"{'-' * negative}{text[:whole] or '0'}.{text[whole:] or '0'}"


def packed_bitmaps(event: Any) -> list[bytes]:
    """Return which columns the images of each of an event's rows have: one image, or before and after."""
    second = getattr(event, "columns_present_bitmap2", None)
    return [event.columns_present_bitmap, *([second] if second is not None else [])]


_CALENDAR: Final = {
    FIELD_TYPE.YEAR: _year,
    FIELD_TYPE.DATE: _date,
    FIELD_TYPE.NEWDATE: _date,
    FIELD_TYPE.DATETIME2: _datetime,
}
