"""What in a shop's own rows, or in the target's, stops its move.

Owns: `occupied`, `too_long`, `counted_up`, `at_the_fence`. Promises: all of them only read, a span of rows at
a time. Leaves to others: values that clash (`clashes`), and rows that are referred to (`references`).
"""

# ruff: noqa: S608 - names are quoted, values are parameters

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from podwork_pods.driver_errors import is_missing_table
from podwork_pods.fence import FenceState
from podwork_pods.fence import table as fences
from podwork_pods.mover.tables.blocker import Blocker, Code
from podwork_pods.mover.tables.clashes import can_clash
from podwork_pods.mover.tables.declaration import ShopTables
from podwork_pods.mover.tables.facts import TableFact
from podwork_pods.mover.tables.keys import ROW
from podwork_pods.mover.tables.server_blockers import counts_apart, variables_of
from podwork_pods.mover.tables.table import ColumnFact, MovedTable
from podwork_pods.mover.tables.walking import values_of

_LONG_BYTES: Final = {
    "blob": 2**16, "text": 2**16, "mediumblob": 2**24, "mediumtext": 2**24,
    "longblob": 2**32, "longtext": 2**32, "json": 2**32, "geometry": 2**32,
}  # fmt: skip
_REST_BYTES: Final = 2 * 2**16
"""What the other columns of a row have at most, written out."""
_ESCAPED: Final = 2
"""Each byte of a value may need two in a statement."""


def at_the_fence(source: Connection, target: Connection, shop_id: int) -> Iterator[Blocker]:
    """Yield why the fences of the two shards say that a move cannot begin."""
    here, there = _state(source, shop_id), _state(target, shop_id)
    if here not in (None, FenceState.OPEN):
        what = f"the shop's fence at the source is {here}, not open"
        yield Blocker(Code.FENCE, "", what, "another move of it is not over; see: podctl moves list")
    if there not in (None, FenceState.MOVED):
        what = f"the shop's fence at the target is {there}"
        yield Blocker(
            Code.FENCE, "", what, "what another move left is not purged yet; see: podctl moves list"
        )


def occupied(target: Connection, table: MovedTable, shop_id: int) -> Iterator[Blocker]:
    """Yield a blocker if the target has rows of the shop, which nobody has brought in this move."""
    found = target.exec_driver_sql(
        f"SELECT 1 FROM {table.quote(table.name)} AS {ROW} WHERE {table.of_shop(ROW)} LIMIT 1", (shop_id,)
    ).first()
    if found is not None:
        what = f"the target has rows of the shop in {table.name} already"
        remedy = "complete the move that left them, or delete them if they are nobody's"
        yield Blocker(Code.OCCUPIED, table.name, what, remedy)


def too_long(source: Connection, target: Connection, table: MovedTable, shop_id: int) -> Iterator[Blocker]:
    """Yield a blocker if a row does not fit into a statement of either server."""
    long = [column for column in table.columns if column.type in _LONG_BYTES]
    packets = [int(variables_of(one).get("max_allowed_packet", 2**62)) for one in (source, target)]
    packet = min(packets)
    if _written(sum(_LONG_BYTES[column.type] for column in long)) <= packet:
        return
    longest = max(
        (row[0] or 0 for rows in values_of(source, table, shop_id, [_bytes(table, long)]) for row in rows),
        default=0,
    )
    if _written(longest) > packet:
        place = "the target" if packets[1] == packet else "the source"
        what = (
            f"a row of {table.name} has {longest} bytes: too long for max_allowed_packet of {place}, {packet}"
        )
        remedy = f"SET GLOBAL max_allowed_packet = {_next_power(_written(longest))}"
        yield Blocker(Code.PACKET, table.name, what, remedy)


def counted_up(
    source: Connection,
    target: Connection,
    table: MovedTable,
    fact: TableFact,
    declaration: ShopTables,
) -> Iterator[Blocker]:
    """Yield a blocker if both pods number rows of different shops alike, by AUTO_INCREMENT."""
    declared = declaration.get(table.name)
    counting = {column.fact.name for column in fact.columns if column.counts_up}
    alone = [
        index
        for index in fact.indexes
        if index.unique and counting & {*index.columns} and can_clash(table, fact, index)
    ]
    if alone and not (declared and declared.leased_ids) and not counts_apart(source, target):
        (column,) = counting
        what = f"{table.name}.{column} is AUTO_INCREMENT: both pods give the same numbers to different shops"
        remedy = (
            "make the key (shop column, id); or give the servers one auto_increment_increment and different "
            "auto_increment_offset; or lease ids in the application and declare leased_ids=True"
        )
        yield Blocker(Code.AUTO_INCREMENT, table.name, what, remedy)


def _state(connection: Connection, shop_id: int) -> str | None:
    try:
        return connection.execute(select(fences.c.state).where(fences.c.shop_id == shop_id)).scalar()
    except DBAPIError as error:
        if not is_missing_table(error):
            raise
        return "missing: the shard is not prepared"


def _bytes(table: MovedTable, columns: list[ColumnFact]) -> str:
    lengths = (f"IFNULL(OCTET_LENGTH({ROW}.{table.quote(column.name)}), 0)" for column in columns)
    return f"MAX({' + '.join(lengths)})"


def _written(long_bytes: int) -> int:
    return _ESCAPED * long_bytes + _REST_BYTES


def _next_power(number: int) -> int:
    return 1 << (number - 1).bit_length()
