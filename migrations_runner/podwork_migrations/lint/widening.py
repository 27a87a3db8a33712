"""What a change of a column's type means for the values that are there, and for the server.

Owns: `judge`, `Widening`, `Kind`. Promises: `SAME` and `METADATA` are said only where the server is known to
change the definition alone; where it depends on what is not known, the dearer one. Leaves to others: what
follows (`rules.types`).

What the servers do was tried on MariaDB 10.11 (`tests/contract/test_migrations_lint.py` asks it again) and is
MySQL's documentation's word (8.0 and 8.4, "Online DDL Operations").
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from podwork_migrations.lint.column import (
    BLOBS,
    INTEGERS,
    TEXTS,
    ColumnType,
    bytes_of,
    charset_of,
    integer_range,
)
from podwork_migrations.lint.dialect import Dialect

_ONE_BYTE, _SHORT = 255, 127
_BITS = {"float": 24, "double": 53}
"""Of a whole number that it holds exactly."""
_WITH_LENGTH = ("char", "varchar", "binary", "varbinary", "bit")
_CHARACTERS = ("char", "varchar", *TEXTS)
_TIMES = ("datetime", "timestamp", "time")
_UTF8 = ("utf8", "utf8mb3")


class Kind(Enum):
    """What a change of type is."""

    SAME = "same"
    METADATA = "metadata"
    CROSSING = "crossing"
    """A VARCHAR whose length needs a second byte from now on."""
    REWRITE = "rewrite"
    NARROWER = "narrower"
    """Not every value that may be there has a place in the new type."""
    REORDERED = "reordered"
    """An ENUM's or SET's values at other places."""
    ZONE = "zone"
    """Between TIMESTAMP and DATETIME."""


class Widening(NamedTuple):
    """The kind, and the detail for people."""

    kind: Kind
    detail: str = ""


class Circumstances(NamedTuple):
    """What a table adds to the question. `indexed`: an index may have the column."""

    dialect: Dialect
    charset: str | None = None
    row_format: str | None = None
    indexed: bool = True


def judge(old: ColumnType, new: ColumnType, of: Circumstances) -> Widening:
    """Return what becomes of values of `old` in `new`."""
    detail = f"{old} becomes {new}"
    if {old.base, new.base} == {"timestamp", "datetime"}:
        return Widening(Kind.ZONE, detail)
    if old.base == new.base and old.base in ("enum", "set"):
        return _values(old, new, detail)
    charset = _charset(old, new, of) if old.base in _CHARACTERS and new.base in _CHARACTERS else Kind.SAME
    kind = _same_base(old, new, of) if old.base == new.base else _other_base(old, new)
    return Widening(_worse(kind, charset), detail)


def _worse(one: Kind, other: Kind) -> Kind:
    order = (Kind.NARROWER, Kind.REWRITE, Kind.CROSSING, Kind.METADATA, Kind.SAME)
    return min(one, other, key=order.index)


def _same_base(old: ColumnType, new: ColumnType, of: Circumstances) -> Kind:
    kind = Kind.SAME
    if old.base in INTEGERS and old.unsigned != new.unsigned:
        kind = Kind.NARROWER
    elif old.base == "decimal":
        kind = _decimal(old, new)
    elif old.base in _TIMES and old.length != new.length:
        kind = Kind.REWRITE if (new.length or 0) > (old.length or 0) else Kind.NARROWER
    elif old.base in _WITH_LENGTH and old.length is not None and new.length is not None:
        if new.length < old.length:
            kind = Kind.NARROWER
        elif old.base in ("varchar", "varbinary"):
            kind = _varying(old, new, of)
        elif new.length > old.length:
            kind = Kind.REWRITE
    elif old.unsigned and not new.unsigned:
        kind = Kind.REWRITE
    elif new.unsigned and not old.unsigned:
        kind = Kind.NARROWER
    return kind


def _varying(old: ColumnType, new: ColumnType, of: Circumstances) -> Kind:
    """Judge a VARCHAR or VARBINARY that is not shorter: its length takes one byte up to 255, then two.

    MariaDB needs no rewrite for ROW_FORMAT=REDUNDANT, nor, in the others, from at most 127 bytes on: there
    the length of such a column is stored as that of a long one is.
    """
    before = _stored(old, of.charset)
    after = _stored(new._replace(charset=new.charset or old.charset, collation=new.collation), of.charset)
    if before > _ONE_BYTE or after <= _ONE_BYTE:
        return Kind.SAME if before == after else Kind.METADATA
    is_spared = before <= _SHORT or (of.row_format or "").upper() == "REDUNDANT"
    return Kind.METADATA if of.dialect is Dialect.MARIADB and is_spared else Kind.CROSSING


def _stored(type_: ColumnType, charset: str | None) -> int:
    length = type_.length or 0
    return length if type_.base == "varbinary" else bytes_of(length, charset_of(type_, charset))


def _decimal(old: ColumnType, new: ColumnType) -> Kind:
    before, after = (old.length or 0) - (old.places or 0), (new.length or 0) - (new.places or 0)
    if after < before or (new.places or 0) < (old.places or 0):
        return Kind.NARROWER
    return Kind.SAME if (old.length, old.places) == (new.length, new.places) else Kind.REWRITE


def _charset(old: ColumnType, new: ColumnType, of: Circumstances) -> Kind:
    if not (new.charset or new.collation):  # the table's, which is not known to be another one
        return Kind.SAME
    before, after = charset_of(old, of.charset), charset_of(new, of.charset)
    if before == after and (old.collation is None or new.collation in (None, old.collation)):
        return Kind.SAME
    is_kept = before == after or (before in _UTF8 and "utf8" in after)  # each byte stands for the same
    if is_kept:
        return Kind.METADATA if of.dialect is Dialect.MARIADB and not of.indexed else Kind.REWRITE
    holds_all = before == "ascii" or after in ("utf8mb4", "utf16", "utf32")
    return Kind.REWRITE if holds_all else Kind.NARROWER


def _values(old: ColumnType, new: ColumnType, detail: str) -> Widening:
    if new.values == old.values:
        return Widening(Kind.SAME, detail)
    if new.values[: len(old.values)] != old.values:
        return Widening(Kind.REORDERED, detail)
    return Widening(Kind.METADATA if _width(old) == _width(new) else Kind.REWRITE, detail)


def _width(type_: ColumnType) -> int:
    """Return the bytes that a value takes: an ENUM one up to 255 values, a SET one for each eight."""
    number = len(type_.values)
    return (1 if number <= _ONE_BYTE else 2) if type_.base == "enum" else min(8, -(-number // 8))


def _other_base(old: ColumnType, new: ColumnType) -> Kind:
    holds_all = (
        (old.base in INTEGERS and new.base in INTEGERS and _contains(old, new))
        or (old.base in INTEGERS and _whole_digits(new) >= len(str(integer_range(old)[1])))
        or (old.base in INTEGERS and new.base in _BITS and INTEGERS[old.base] <= _BITS[new.base])
        or (old.base == "float" and new.base == "double")
        or (old.base == "date" and new.base == "datetime")
        or _holds_text(old, new)
    )
    return Kind.REWRITE if holds_all else Kind.NARROWER


def _contains(old: ColumnType, new: ColumnType) -> bool:
    (least, most), (low, high) = integer_range(old), integer_range(new)
    return low <= least and most <= high


def _whole_digits(type_: ColumnType) -> int:
    """Return how many digits before the point a type has for sure; 0: it holds no numbers, or as text."""
    if type_.base == "decimal":
        return (type_.length or 0) - (type_.places or 0)
    return (type_.length or 0) - 1 if type_.base == "varchar" else 0


def _holds_text(old: ColumnType, new: ColumnType) -> bool:
    """Return whether both are texts, or both bytes, and the longest of the old fits into the new."""
    for fixed, lengths in ((("char", "varchar"), TEXTS), (("binary", "varbinary"), BLOBS)):
        longest = [
            2 ** lengths[type_.base] // (4 if lengths is TEXTS else 1)  # in characters of the longest kind
            if type_.base in lengths
            else (type_.length or 0) * (type_.base in fixed)
            for type_ in (old, new)
        ]
        if all(longest):
            return longest[0] <= longest[1]
    return False
