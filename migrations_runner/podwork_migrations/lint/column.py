"""Columns and their types, as a migration or the database states them.

Owns: `ColumnType`, `Column`, `Default`, and what a type can hold. Promises: types written differently and
meaning the same are equal (`INTEGER`, `int(11)`). Leaves to others: reading them (`reading`), what a change
from one to another costs (`widening`).
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

INTEGERS: Final = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
"""Bits."""
TEXTS: Final = {"tinytext": 8, "text": 16, "mediumtext": 24, "longtext": 32}
BLOBS: Final = {"tinyblob": 8, "blob": 16, "mediumblob": 24, "longblob": 32}
"""Of both: the bits of the longest length in bytes."""
CHARSET_BYTES: Final = {
    "utf8mb4": 4, "utf16": 4, "utf16le": 4, "utf32": 4, "gb18030": 4,
    "utf8": 3, "utf8mb3": 3, "ujis": 3, "eucjpms": 3,
    "ucs2": 2, "sjis": 2, "cp932": 2, "gbk": 2, "gb2312": 2, "big5": 2, "euckr": 2,
}  # fmt: skip
"""The most bytes that a character takes; those not named take one."""
USUAL_CHARSET: Final = "utf8mb4"


class Default(Enum):
    """What a column's default in the database is made of."""

    NONE = "none"
    CONSTANT = "constant"
    """A literal, or the time of the statement."""
    EXPRESSION = "expression"
    """Computed for each row."""


class ColumnType(NamedTuple):
    """A type: `base` in small letters, and what of the rest applies to it."""

    base: str
    length: int | None = None
    """Of text and bytes; of numbers with places their digits; of times their digits behind the second."""
    places: int | None = None
    unsigned: bool = False
    values: tuple[str, ...] = ()
    charset: str | None = None
    collation: str | None = None

    def __str__(self) -> str:
        inside = ", ".join(repr(value) for value in self.values)
        if self.length is not None:
            inside = f"{self.length}" if self.places is None else f"{self.length}, {self.places}"
        unsigned = " UNSIGNED" if self.unsigned else ""
        charset = f" CHARACTER SET {self.charset}" if self.charset else ""
        return f"{self.base.upper()}{f'({inside})' if inside else ''}{unsigned}{charset}"


class Column(NamedTuple):
    """A column as a statement makes it."""

    name: str
    type: ColumnType
    nullable: bool = True
    default: Default = Default.NONE
    generated: str | None = None
    """`virtual` or `stored`."""
    auto_increment: bool = False
    primary: bool = False
    unique: bool = False
    indexed: bool = False
    references: str | None = None
    """The table that it refers to."""
    checked: bool = False


def charset_of(type_: ColumnType, otherwise: str | None) -> str:
    """Return the type's character set: its own, the collation's, or the one given, or the usual one."""
    if type_.charset:
        return type_.charset
    if type_.collation:
        return type_.collation.partition("_")[0]
    return otherwise or USUAL_CHARSET


def bytes_of(length: int, charset: str) -> int:
    """Return the most bytes that so many characters take."""
    return length * CHARSET_BYTES.get(charset, 1)


def integer_range(type_: ColumnType) -> tuple[int, int]:
    """Return the smallest and the greatest number that an integer type holds."""
    bits = INTEGERS[type_.base]
    return (0, 2**bits - 1) if type_.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
