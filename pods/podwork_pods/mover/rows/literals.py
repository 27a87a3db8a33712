"""Values as they stand in a statement: written by the source's server, read by the target's.

Owns: the SQL expressions that give a column's value as the text of a literal, and keys as literals.
Promises: the literal means the same bits, whatever the column's type: text and blobs byte by byte,
whatever their character set; FLOAT as the DOUBLE that it is, for its own text is rounded; ENUM, SET and
BIT as numbers, so that a place 0 or an unknown name is kept. A key's literal is compared under its
column's own collation. Expressions are for a session of `session`. Leaves to others: statements
(`statements`).
"""

from __future__ import annotations

from typing import Final

from podwork_pods.mover.tables.table import ColumnFact

Key = tuple[str, ...]
"""A key: the literal of each of its columns. Keys that are equal for the server may differ in case here."""

_NUMBERS: Final = frozenset(
    {"tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal", "numeric", "year"}
)
_BY_NUMBER: Final = frozenset({"bit", "enum", "set"})
_FLOATS: Final = frozenset({"float", "double", "real"})
_TIMES: Final = frozenset({"date", "datetime", "timestamp", "time"})
_BYTES: Final = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_NAMED: Final = frozenset({"uuid", "inet4", "inet6"})
_MAY_BE_LONG: Final = frozenset({"blob", "mediumblob", "longblob", "text", "mediumtext", "longtext", "json"})
LONG_DECLARED: Final = 4096


def quoted(name: str) -> str:
    """Return a name as it stands in a statement without parameters."""
    return "`" + name.replace("`", "``") + "`"


def value(column: ColumnFact, place: str) -> str:  # noqa: PLR0911 - a form a kind of type
    """Return the expression for the literal of a column's value; `place`: the column in the statement."""
    if column.type in _NUMBERS:
        return f"IFNULL({place}, 'NULL')"
    if column.type in _BY_NUMBER:
        return f"IFNULL({place} + 0, 'NULL')"
    if column.type in _FLOATS:
        return f"IFNULL(CONCAT('''', {place} + 0e0, ''''), 'NULL')"
    if column.type in _NAMED:  # bytes alone would be taken for its inner form
        return f"IFNULL(CONCAT('_latin1''', {place}, ''''), 'NULL')"
    if column.type in _TIMES | _BYTES:
        return f"QUOTE({place})"
    if column.type == "json":
        return f"CONCAT('CONVERT(', QUOTE(CAST(CAST({place} AS CHAR) AS BINARY)), ' USING utf8mb4)')"
    return f"QUOTE(CAST({place} AS BINARY))"


def given(column: ColumnFact, variable: str) -> str:
    """Return how bytes that a variable holds are given to a column."""
    return f"CONVERT({variable} USING utf8mb4)" if column.type == "json" else variable


def may_be_long(column: ColumnFact) -> bool:
    """Whether one value may be longer than what goes along with others unasked."""
    if column.type in ("varchar", "varbinary", "char", "binary"):
        return declared_length(column) > LONG_DECLARED
    return column.type in _MAY_BE_LONG or (column.binary and column.type not in _BYTES | _BY_NUMBER)


def declared_length(column: ColumnFact) -> int:
    """Return the number in a type like `varchar(40)`."""
    return int(column.declared.partition("(")[2].partition(")")[0] or 0)


def key_part(column: ColumnFact, place: str) -> str:
    """Return the expression for the literal of a key's column."""
    if column.type in _NUMBERS:
        return place
    if column.type in _BYTES:
        return f"CONCAT('x''', HEX({place}), '''')"
    if column.charset:
        return f"CONCAT('_{column.charset} x''', HEX({place}), '''')"
    return f"CONCAT('_latin1''', {place}, '''')"


def text_literal(column: ColumnFact, stored: bytes) -> str:
    """Return the literal of a key's column from the bytes that a log has of it."""
    if column.charset:
        return f"_{column.charset} x'{stored.hex().upper()}'"
    if column.type == "binary":
        # A log leaves out the zeros at its end, and they count when it is compared.
        stored = stored.ljust(declared_length(column), b"\0")
    return f"x'{stored.hex().upper()}'"


def one_of(places: list[str], keys: list[Key]) -> str:
    """Return the condition that the columns at `places` are one of the keys.

    As lists behind equal beginnings: that is what the servers find along an index.
    """
    by_beginning: dict[Key, list[str]] = {}
    for key in keys:
        by_beginning.setdefault(key[:-1], []).append(key[-1])
    alternatives = []
    for beginning, ends in by_beginning.items():
        equal = [f"{place} = {part}" for place, part in zip(places, beginning, strict=False)]
        alternatives.append(" AND ".join([*equal, f"{places[-1]} IN ({', '.join(ends)})"]))
    return "(" + " OR ".join(alternatives) + ")"


def beyond(places: list[str], operator: str, key: Key) -> str:
    """Return the condition that the columns come behind (`>`) the key, or not behind it (`<=`)."""
    strict = operator.rstrip("=")
    condition = f"{places[-1]} {operator} {key[-1]}"
    for place, part in zip(places[-2::-1], key[-2::-1], strict=True):
        # The first half alone bounds the range in the index.
        condition = f"{place} {strict}= {part} AND ({place} {strict} {part} OR {condition})"
    return condition
