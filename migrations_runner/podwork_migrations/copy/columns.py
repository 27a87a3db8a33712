"""What of a table goes into its copy: which columns, by which key, and what a change of type does to values.

Owns: `Pairs`, `pairs_of`, `Key`, `shared_key`, `widens`. Promises: a column that was renamed goes where the
migration says; generated columns are left to the server; a change of type counts as harmless only if every
value of the old type is one of the new. Leaves to others: refusing (`refusals`), values (`chunks`, `verify`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from podwork_migrations.copy.table import Column, Form
from podwork_pods.iteration.collections.candidates import Index, index_for
from podwork_pods.iteration.collections.errors import InvalidKey

_INTEGERS: Final = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8}
_DIGITS: Final = {"tinyint": 3, "smallint": 5, "mediumint": 8, "int": 10, "bigint": 20}
_TEXTS: Final = {"tinytext": 255, "text": 65_535, "mediumtext": 2**24 - 1, "longtext": 2**32 - 1}
_BLOBS: Final = {"tinyblob": 255, "blob": 65_535, "mediumblob": 2**24 - 1, "longblob": 2**32 - 1}
_NUMBERS: Final = re.compile(r"\((\d+)(?:,\s*(\d+))?\)")
_WIDER_CHARSETS: Final = frozenset({"utf8mb4"})
_UTF8: Final = frozenset({"utf8", "utf8mb3", "ascii", "latin1"})
"""Every text in one of these is one in utf8mb4."""


class Pairs(NamedTuple):
    """Columns of the table and of the copy that hold the same: (theirs, ours)."""

    shared: tuple[tuple[Column, Column], ...]
    added: tuple[Column, ...]
    dropped: tuple[Column, ...]


class Key(NamedTuple):
    """A unique key that table and copy share, and the index of each by which it is read."""

    columns: tuple[str, ...]
    table_index: str
    copy_index: str


def pairs_of(table: Form, copy: Form, renames: Mapping[str, str]) -> Pairs:
    """Return which columns go where; `renames`: old name -> new one."""
    renamed = {old.lower(): new.lower() for old, new in renames.items()}
    shared: list[tuple[Column, Column]] = []
    taken: set[str] = set()
    for name, column in table.columns.items():
        target = copy.columns.get(renamed.get(name, name)) or copy.columns.get(name)
        if target is None or column.is_generated or target.is_generated:
            continue
        shared.append((column, target))
        taken.add(target.name.lower())
    gone = {theirs.name.lower() for theirs, _ in shared}
    return Pairs(
        tuple(shared),
        tuple(one for name, one in copy.columns.items() if name not in taken and not one.is_generated),
        tuple(one for name, one in table.columns.items() if name not in gone and not one.is_generated),
    )


def readable_key(form: Form) -> tuple[str, ...]:
    """Return a unique key by which rows can be read in batches. Raises InvalidKey: there is none."""
    ways = sorted(
        (index for index in form.facts.indexes if index.unique), key=lambda index: index.name != "PRIMARY"
    )
    for index in ways:
        try:
            index_for(form.facts, index.columns)
        except InvalidKey:
            continue
        return index.columns
    raise InvalidKey(form.name, (), "it has no unique key without nulls")


def shared_key(table: Form, copy: Form, pairs: Pairs) -> Key | str:
    """Return the key by which rows are told apart in both; or why there is none."""
    same = {
        theirs.name.lower()
        for theirs, ours in pairs.shared
        if theirs.name.lower() == ours.name.lower()
        and (theirs.type, theirs.collation, theirs.is_nullable)
        == (ours.type, ours.collation, ours.is_nullable)
    }
    why = f"{table.name} has no unique key without nulls that the change leaves as it is"
    ways = sorted(
        (index for index in table.facts.indexes if index.unique), key=lambda index: index.name != "PRIMARY"
    )
    for index in ways:
        if not set(index.columns) <= same:
            continue
        try:
            ours = _same_unique(copy, index)
            return Key(index.columns, index_for(table.facts, index.columns).name, ours)
        except InvalidKey as error:
            why = error.why
    return why


def widens(old: Column, new: Column) -> bool:  # noqa: PLR0911 - a line for each kind of type
    """Return whether every value of the old column is a value of the new one, and compares as it did."""
    if (old.type, old.charset) == (new.type, new.charset):
        return True
    if old.kind in _INTEGERS:
        return _integer_widens(old, new)
    if old.kind == new.kind == "decimal":
        return _decimal(old, new)
    if old.kind in ("float", "double", "real"):
        return new.kind == "double" and not _NUMBERS.search(new.type)
    if old.kind in _TEXTS or old.kind in ("char", "varchar"):
        return _text_widens(old, new)
    if old.kind in _BLOBS or old.kind in ("binary", "varbinary"):
        return _bytes_widen(old, new)
    if old.kind in ("enum", "set"):
        return new.kind == old.kind and _appends(old, new)
    if old.kind in ("datetime", "timestamp", "time") and new.kind == old.kind:
        return _size(new, 0) >= _size(old, 0)
    return old.kind == "date" and new.kind == "datetime"


def _same_unique(copy: Form, index: Index) -> str:
    for ours in copy.facts.indexes:
        if ours.unique and ours.columns == index.columns:
            index_for(copy.facts, ours.columns)
            return ours.name
    raise InvalidKey(copy.name, index.columns, "the change leaves no unique index on it")


def _integer_widens(old: Column, new: Column) -> bool:
    signed = "unsigned" not in old.type.lower()
    if new.kind == "decimal":
        precision, scale = _both(new)
        return precision - scale >= _DIGITS[old.kind] and (not signed or "unsigned" not in new.type.lower())
    if new.kind not in _INTEGERS:
        return False
    new_signed = "unsigned" not in new.type.lower()
    if signed == new_signed:
        return _INTEGERS[new.kind] >= _INTEGERS[old.kind]
    return new_signed and _INTEGERS[new.kind] > _INTEGERS[old.kind]


def _decimal(old: Column, new: Column) -> bool:
    (precision, scale), (new_precision, new_scale) = _both(old), _both(new)
    stays_signed = "unsigned" not in new.type.lower() or "unsigned" in old.type.lower()
    return new_scale >= scale and new_precision - new_scale >= precision - scale and stays_signed


def _text_widens(old: Column, new: Column) -> bool:
    if new.kind not in _TEXTS and new.kind not in ("char", "varchar"):
        return False
    same = old.charset == new.charset
    if not same and not (new.charset in _WIDER_CHARSETS and old.charset in _UTF8):
        return False
    if old.kind == "varchar" and new.kind == "char":
        return False  # it loses blanks at the end
    # Sizes of TEXT are bytes, of VARCHAR characters.
    wide = 4 if new.charset == "utf8mb4" else 3 if new.charset in ("utf8", "utf8mb3") else 1
    if new.kind in _TEXTS:
        have = _TEXTS[old.kind] * (1 if same else wide) if old.kind in _TEXTS else _size(old, 1) * wide
        return _TEXTS[new.kind] >= have
    return old.kind not in _TEXTS and _size(new, 1) >= _size(old, 1)


def _bytes_widen(old: Column, new: Column) -> bool:
    if old.kind == "binary" or new.kind == "binary":
        return False  # it is filled up with zeros
    have = _BLOBS.get(old.kind) or _size(old, 1)
    return (new.kind in _BLOBS or new.kind == "varbinary") and (_BLOBS.get(new.kind) or _size(new, 1)) >= have


def _appends(old: Column, new: Column) -> bool:
    return old.charset == new.charset and new.type.startswith(old.type[:-1] + ",")


def _size(column: Column, default: int) -> int:
    found = _NUMBERS.search(column.type)
    return int(found[1]) if found else default


def _both(column: Column) -> tuple[int, int]:
    found = _NUMBERS.search(column.type)
    return (int(found[1]), int(found[2] or 0)) if found else (10, 0)
