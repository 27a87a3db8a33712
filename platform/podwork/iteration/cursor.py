"""Cursors as text: how a position is kept in the shard, and read back exactly.

Owns: `encode` and `decode`. Promises: what is read back is equal to what was written and of the same type, so
that a key is compared by the database as the value that it gave; one cursor has one text, which may stand in
an idempotency key; the text is ASCII, whatever the column's character set. What has no order (None, NaN) and
what is not known by its exact type is refused when it is written, before anything rests on it. No message
shows a value: a key may be somebody's name.

A cursor is a JSON list. Text, true, false and whole numbers of 64 bits stand in it as they are; everything
else is an object with one member, named for the type:

    [330, "2026-11-24", {"date": "2026-11-24"}, {"decimal": "12.50"}, {"bytes": "AAEC"}]

Leaves to others: `None` instead of a cursor (nothing done yet), which is a null in the shard.
"""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from podwork.errors import UnusableCursor
from podwork.iteration.collection import Cursor

_PLAIN: Final = (str, bool)
_SMALL: Final = range(-(2**63), 2**63)
_MICROSECOND: Final = timedelta(microseconds=1)


def _bytes_text(value: bytes) -> str:
    return b64encode(value).decode()


def _text_bytes(text: str) -> bytes:
    return b64decode(text, validate=True)


# Python refuses to read or write more than 4,300 decimal digits, and any number of hexadecimal ones.
def _int_text(value: int) -> str:
    return format(value, "x")


def _text_int(text: str) -> int:
    return int(text, 16)


def _timedelta_text(value: timedelta) -> str:
    return str(value // _MICROSECOND)


def _text_timedelta(text: str) -> timedelta:
    return int(text) * _MICROSECOND


class _Tagged(NamedTuple):
    """How values of one type are written and read."""

    kind: type
    tag: str
    write: Callable[[Any], str]
    read: Callable[[str], Any]


_TAGGED: Final = (
    _Tagged(int, "int", _int_text, _text_int),
    _Tagged(float, "float", repr, float),  # the shortest text that reads back as the same number
    _Tagged(Decimal, "decimal", str, Decimal),
    _Tagged(bytes, "bytes", _bytes_text, _text_bytes),
    # A zone becomes its offset at that moment: the moment is the same.
    _Tagged(datetime, "datetime", datetime.isoformat, datetime.fromisoformat),
    _Tagged(date, "date", date.isoformat, date.fromisoformat),
    _Tagged(time, "time", time.isoformat, time.fromisoformat),
    _Tagged(timedelta, "microseconds", _timedelta_text, _text_timedelta),  # MySQL's TIME, to its driver
    _Tagged(UUID, "uuid", str, UUID),
)
_BY_KIND: Final = {tagged.kind: tagged for tagged in _TAGGED}
_BY_TAG: Final = {tagged.tag: tagged for tagged in _TAGGED}


def encode(cursor: Cursor) -> str:
    """Return the cursor as text. Raises UnusableCursor when a value of it cannot be kept."""
    return json.dumps([_written(cursor, value) for value in cursor], separators=(",", ":"))


def decode(text: str) -> Cursor:
    """Return the cursor of which this is the text. Raises UnusableCursor when it is none's."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise _unreadable(f"not JSON: {error}") from None
    if not isinstance(values, list):
        raise _unreadable("it is not a list")
    return tuple(_read(value) for value in values)


def _written(cursor: Cursor, value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN or (kind is int and value in _SMALL):
        return value
    tagged = _BY_KIND.get(kind)
    if tagged is None:
        known = ", ".join(known.__name__ for known in (*_PLAIN, *_BY_KIND))
        why = "a null has no place in an order" if value is None else f"{kind.__qualname__} is no key's type"
        raise _unwritable(cursor, why, f"take a key of columns without nulls, with values of {known}")
    if _is_nan(value):
        raise _unwritable(cursor, "NaN has no place in an order", "take a key without such values")
    return {tagged.tag: tagged.write(value)}


def _read(value: Any) -> Any:
    if type(value) in _PLAIN or type(value) is int:
        return value
    if not (isinstance(value, dict) and len(value) == 1):
        raise _unreadable("a member of it is no value of a key")
    ((tag, written),) = value.items()
    if tag not in _BY_TAG or type(written) is not str:
        raise _unreadable(f"{tag!r} is no type of a key")
    try:
        found = _BY_TAG[tag].read(written)
    except (ValueError, ArithmeticError):  # the latter from Decimal and timedelta
        raise _unreadable(f"a member of it is no {tag}") from None
    if _is_nan(found):
        raise _unreadable("NaN has no place in an order")
    return found


def _is_nan(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value.is_nan()  # a signalling one must not be compared
    return isinstance(value, float) and math.isnan(value)


def _unwritable(cursor: Cursor, why: str, remedy: str) -> UnusableCursor:
    kinds = ", ".join(type(value).__name__ for value in cursor)
    return UnusableCursor(f"a cursor of ({kinds}) cannot be kept: {why}", remedy)


def _unreadable(why: str) -> UnusableCursor:
    return UnusableCursor(
        f"a cursor that was kept cannot be read: {why}",
        "other code wrote it, or a person: cancel the run, and start another one",
    )
