"""Reading a few values of all of a shop's rows, span by span.

Owns: `values_of`, `let_go`, `chunked`. Promises: no statement reads more than a span of rows, none locks any,
and no transaction outlives a span: one that has read a table holds up who would change the table, and behind
that one everybody. Leaves to others: what is asked about them.
"""

# ruff: noqa: S608 - names are quoted, values are parameters

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Row

from podwork_pods.mover.tables.keys import ROW, spans, within
from podwork_pods.mover.tables.table import MovedTable

ROWS_IN_A_SPAN: Final = 2_000


def values_of(
    connection: Connection, table: MovedTable, shop_id: int, expressions: Sequence[str], only: str = ""
) -> Iterator[Sequence[Row[Any]]]:
    """Yield for each span what the expressions give, each once; `only`: a further condition."""
    for span in spans(connection, table, shop_id, ROWS_IN_A_SPAN):
        condition, values = within(table, span)
        where = " AND ".join(part for part in (table.of_shop(ROW), condition, only) if part)
        rows = connection.exec_driver_sql(
            f"SELECT DISTINCT {', '.join(expressions)} FROM {table.quote(table.name)} AS {ROW} WHERE {where}",
            (shop_id, *values),
        ).all()
        let_go(connection)
        yield rows


def let_go(*connections: Connection) -> None:
    """End what these have begun, which was only reading, and with it their locks on tables' definitions."""
    for connection in connections:
        connection.rollback()


def chunked(rows: Sequence[Any], size: int) -> Iterator[list[Any]]:
    """Yield the rows, `size` at a time."""
    waiting = iter(rows)
    while some := list(islice(waiting, size)):
        yield some
