"""How much a shop's rows are.

Owns: `size_of`, `TableSize`. Promises: rows are counted along the index that tells them; bytes are as the
server estimates them for a row of the table, whosever it is (on SQLite they are measured). Nothing is locked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from podwork_pods.mover.tables.facts import ShardFacts
from podwork_pods.mover.tables.keys import ROW
from podwork_pods.mover.tables.table import MovedTable


class TableSize(NamedTuple):
    """A shop's rows of a table, and about how many bytes they have in it."""

    table: str
    rows: int
    estimated_bytes: int


def size_of(
    connection: Connection, facts: ShardFacts, tables: Iterable[MovedTable], shop_id: int
) -> tuple[TableSize, ...]:
    """Return the size of each table's rows of the shop, in the order of the tables."""
    return tuple(_size(connection, facts, table, shop_id) for table in tables)


def _size(connection: Connection, facts: ShardFacts, table: MovedTable, shop_id: int) -> TableSize:
    rows_of = f"FROM {table.quote(table.name)} AS {ROW} WHERE {table.of_shop(ROW)}"
    if table.dialect == "sqlite":
        names = [f"{ROW}.{table.quote(name)}" for name in table.column_names]
        each = " + ".join(f"IFNULL(LENGTH(CAST({name} AS BLOB)), 0)" for name in names)
        sql = f"SELECT COUNT(*), IFNULL(SUM({each}), 0) {rows_of}"
        rows, bytes_ = connection.exec_driver_sql(sql, (shop_id,)).one()
        return TableSize(table.name, rows, bytes_)
    rows = connection.exec_driver_sql(f"SELECT COUNT(*) {rows_of}", (shop_id,)).scalar_one()
    return TableSize(table.name, rows, rows * facts.tables[table.name].average_row_bytes)
