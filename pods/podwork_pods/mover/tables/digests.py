"""Digests of rows, made in the database, the same for the same row wherever it stands.

Owns: `Digest` and what makes them; `check_digests`. Promises: two rows have one digest only if every value is
the same, collations aside: blanks at the end, the case of letters, digits of a FLOAT that its text leaves
out, an empty text and NULL are told apart (0.0 and -0.0 are one). A digest of rows is 64 bits of each row's
SHA-1, put together by XOR, with their number. CRC32 would not do: it is linear, so that the same change in
two rows would undo itself. Columns that are rewritten on the way are left out. Within `canonical_session`
only. Leaves to others: which rows (`verify`).

SQLite has no such functions: there rows are read, and digested here.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import xor
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from podwork_pods.mover.tables.errors import DigestsMissing
from podwork_pods.mover.tables.keys import ROW, Place, Span, equal, listed, within
from podwork_pods.mover.tables.table import ColumnFact, MovedTable

KEYS_IN_A_STATEMENT: Final = 200
LEAST_PACKET_BYTES: Final = 2**17
"""A row has 65,535 bytes at most, without its long values; put into words it may be somewhat longer."""

_PROBE: Final = "SELECT SHA1(''), @@SESSION.max_allowed_packet"
_PROBED: Final = hashlib.sha1(usedforsecurity=False).hexdigest()

_LONG: Final = "SHA1({name})"
"""By its own digest: a text above max_allowed_packet, put together with others, would be NULL as a whole."""
_SHAPE: Final = "CONCAT(ST_SRID({name}), ':', SHA1(ST_AsBinary({name})))"
_WORDS: Final = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"), "{name}"),
    **dict.fromkeys(("bit", "enum", "set"), "CAST({name} AS UNSIGNED)"),
    **dict.fromkeys(("float", "double"), "{name} + 0E0"),
    **dict.fromkeys(("date", "time", "datetime", "timestamp"), "CAST({name} AS CHAR)"),
    **dict.fromkeys(("uuid", "inet4", "inet6"), "CAST({name} AS CHAR)"),
    # With its length in front: a comma inside does not look like one between two values.
    **dict.fromkeys(
        ("char", "varchar", "binary", "varbinary"),
        "CONCAT(OCTET_LENGTH({name}), ':', CAST({name} AS BINARY))",
    ),
    "json": "SHA1(CAST({name} AS CHAR))",
    **dict.fromkeys(("geometry", "point", "linestring", "polygon", "multipoint"), _SHAPE),
    **dict.fromkeys(("multilinestring", "multipolygon", "geometrycollection", "geomcollection"), _SHAPE),
}
"""A value's words by its type; of other types they are `_LONG`."""


class Digest(NamedTuple):
    """Of some rows: how many, and what they are."""

    rows: int
    sum: int


NOTHING: Final = Digest(0, 0)


def check_digests(*connections: Connection) -> None:
    """Pass if these servers can make digests; what they cannot make is NULL, and would look equal.

    Raises:
        DigestsMissing: SHA1() is forbidden, or a row without its long values is longer than a packet.
    """
    for connection in connections:
        if connection.dialect.name != "sqlite":
            digest, packet = connection.exec_driver_sql(_PROBE).one()
            if digest != _PROBED:
                raise DigestsMissing("the server has no SHA1()", "allow it there (FIPS modes may forbid it)")
            if packet < LEAST_PACKET_BYTES:
                why = f"max_allowed_packet is {packet}"
                raise DigestsMissing(why, f"SET GLOBAL max_allowed_packet = {LEAST_PACKET_BYTES}, or more")


def digest_of(connection: Connection, table: MovedTable, shop_id: int, span: Span) -> Digest:
    """Return the digest of the shop's rows in a span."""
    condition, values = within(table, span)
    if table.dialect == "sqlite":
        found = list(_sqlite_rows(connection, table, condition, (shop_id, *values)))
        return Digest(len(found), reduce(xor, (value for _, value in found), 0))
    row = connection.exec_driver_sql(
        f"SELECT COUNT(*), BIT_XOR({_row_digest(table)}) {_from(table, condition)}", (shop_id, *values)
    ).one()
    return Digest(row[0], row[1])


def digests_by_key(
    connection: Connection, table: MovedTable, shop_id: int, condition: str, values: Sequence[Any]
) -> dict[Place, Digest]:
    """Return the digest for each key of the shop's rows to which a condition applies."""
    by_key: dict[Place, Digest] = {}
    if table.dialect == "sqlite":
        for key, value in _sqlite_rows(connection, table, condition, (shop_id, *values)):
            rows, sum_ = by_key.get(key, NOTHING)
            by_key[key] = Digest(rows + 1, sum_ ^ value)
        return by_key
    found = connection.exec_driver_sql(
        f"SELECT {listed(table)}, COUNT(*), BIT_XOR({_row_digest(table)}) "
        f"{_from(table, condition)} GROUP BY {listed(table)}",
        (shop_id, *values),
    )
    for *key_values, rows, sum_ in found:
        by_key[tuple(key_values)] = Digest(rows, sum_)
    return by_key


def digests_of_keys(
    connection: Connection, table: MovedTable, shop_id: int, keys: Sequence[Place]
) -> dict[Place, Digest]:
    """Return the digest for each of these keys of which the shop has rows."""
    found: dict[Place, Digest] = {}
    for first in range(0, len(keys), KEYS_IN_A_STATEMENT):
        some = keys[first : first + KEYS_IN_A_STATEMENT]
        condition = f"({' OR '.join([equal(table)] * len(some))})"
        values = [value for key in some for value in key]
        found.update(digests_by_key(connection, table, shop_id, condition, values))
    return found


def _from(table: MovedTable, condition: str) -> str:
    also = f" AND {condition}" if condition else ""
    return f"FROM {table.quote(table.name)} AS {ROW} WHERE {table.of_shop(ROW)}{also}"


def _row_digest(table: MovedTable) -> str:
    parts = ", ',', ".join(_part(table, column) for column in _compared(table))
    return f"CAST(CONV(LEFT(SHA1(CONCAT({parts})), 16), 16, 10) AS UNSIGNED)"


def _compared(table: MovedTable) -> list[ColumnFact]:
    rewritten = {name for name, _ in table.rewritten}
    return [column for column in table.columns if column.name not in rewritten]


def _part(table: MovedTable, column: ColumnFact) -> str:
    """Return a value's words: NULL is N, which is nothing that another value is written as."""
    name = f"{ROW}.{table.quote(column.name)}"
    words = _WORDS.get(column.type, _LONG).replace("{name}", name)
    return f"IFNULL({words}, 'N')"


def _sqlite_rows(
    connection: Connection, table: MovedTable, condition: str, values: Sequence[Any]
) -> Iterator[tuple[Place, int]]:
    width = len(table.key)
    names = [f"{ROW}.{table.quote(column.name)}" for column in _compared(table)]
    # A text that is no UTF-8 cannot be read as one.
    read = ", ".join(
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
        for name in names
    )
    sql = f"SELECT {listed(table)}, {read} {_from(table, condition)}"
    for row in connection.exec_driver_sql(sql, tuple(values)):
        digest = hashlib.blake2b(digest_size=8)
        for kind, value in zip(row[width::2], row[width + 1 :: 2], strict=True):
            digest.update(_spell(kind, value))
        yield tuple(row[:width]), int.from_bytes(digest.digest())


def _spell(kind: str, value: Any) -> bytes:
    if kind == "real":
        words = struct.pack(">d", value + 0.0)
    else:
        words = value if isinstance(value, bytes) else str(value).encode()
    return b"%s%d:%s" % (kind.encode(), len(words), words)
