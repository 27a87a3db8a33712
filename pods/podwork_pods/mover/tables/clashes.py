"""Unique keys of the target that other shops' rows hold already.

Owns: `clashes`. Promises: found before anything is written: for each unique key, primary or not, that two
shops can share, the values of the shop's rows are looked up at the target, some hundred at a time, by that
key. Keys with the shop's number in them cannot clash and are not looked at; nor are those of a joined table
that hold what ties a row to its parent by a foreign key: there the parent's own key is looked at. Leaves to
others: values that are written after it has looked, which the copy's plain INSERT refuses; on SQLite unique
expressions and partial unique indexes, which it refuses, too.
"""

# ruff: noqa: S608 - names are quoted, values are parameters

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from podwork_pods.mover.tables.blocker import Blocker, Code
from podwork_pods.mover.tables.facts import Index, Part, TableFact
from podwork_pods.mover.tables.keys import ROW
from podwork_pods.mover.tables.table import MovedTable
from podwork_pods.mover.tables.values import carried
from podwork_pods.mover.tables.walking import chunked, let_go, values_of

VALUES_IN_A_STATEMENT: Final = 200
_NAMED: Final = 3


def clashes(
    source: Connection, target: Connection, table: MovedTable, fact: TableFact, shop_id: int
) -> Iterator[Blocker]:
    """Yield a blocker for each unique key with clashes; within `canonical_session`."""
    for index in fact.indexes:
        if index.unique and can_clash(table, fact, index):
            taken = _taken(source, target, table, fact, index, shop_id)
            if taken:
                columns = ", ".join(part.column or part.expression for part in index.parts)
                named = ", ".join(_shown(values) for values in taken[:_NAMED])
                more = " and more" if len(taken) > _NAMED else ""
                what = f"{table.name} ({columns}): {named}{more} belong to another shop at the target"
                remedy = "change these values on one of the sides, or put the shop's column into the key"
                yield Blocker(Code.CLASH, table.name, what, remedy)


def can_clash(table: MovedTable, fact: TableFact, index: Index) -> bool:
    """Whether rows of two shops can have the same values in a unique index."""
    columns = {part.column for part in index.parts if part.length is None}
    if table.shop_column in columns:
        return False
    if table.link and {own for own, _ in table.link} <= columns and _is_bound(table, fact):
        return False
    if any(part.expression == "expression" for part in index.parts):
        return False  # SQLite does not tell which
    given = {column.fact.name for column in fact.columns if not column.generated} - {*table.column_names}
    return not columns & given


def _is_bound(table: MovedTable, fact: TableFact) -> bool:
    """Whether each row has its parent, by a foreign key: what has none is of no shop, and in the way."""
    return any(
        key.table == table.through and set(zip(key.columns, key.references, strict=True)) == {*table.link}
        for key in fact.foreign_keys
    )


def _taken(
    source: Connection,
    target: Connection,
    table: MovedTable,
    fact: TableFact,
    index: Index,
    shop_id: int,
) -> list[tuple[Any, ...]]:
    """Return values of the shop's rows that others hold at the target; the first few that are found."""
    read = [_read(table, fact, part) for part in index.parts]
    given = " AND ".join(f"{expression} IS NOT NULL" for expression in read)  # nulls never clash
    for rows in values_of(source, table, shop_id, read, given):
        for some in chunked(rows, VALUES_IN_A_STATEMENT):
            condition, values = _condition(table, index, some)
            found = target.exec_driver_sql(
                f"SELECT {', '.join(read)} FROM {table.quote(table.name)} AS {ROW} "
                f"WHERE ({condition}) AND ({table.of_shop(ROW)}) IS NOT TRUE LIMIT {_NAMED + 1}",
                (*values, shop_id),
            ).all()
            let_go(target)
            if found:
                return [tuple(row) for row in found]
    return []


def _condition(table: MovedTable, index: Index, rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    compared = [_compared(table, part) for part in index.parts]
    if len(compared) == 1:
        marks = ", ".join([table.placeholder] * len(rows))
        return f"{compared[0]} IN ({marks})", [row[0] for row in rows]
    # Written out: MariaDB uses no index for `(a, b) IN ((1, 2), ...)`.
    one = " AND ".join(f"{expression} = {table.placeholder}" for expression in compared)
    return " OR ".join([f"({one})"] * len(rows)), [value for row in rows for value in row]


def _read(table: MovedTable, fact: TableFact, part: Part) -> str:
    column = fact.column(part.column) if part.column else None
    compared = _compared(table, part)
    return compared if column is None or part.length else carried(column.fact, compared)


def _compared(table: MovedTable, part: Part) -> str:
    if not part.column:
        return f"({part.expression.replace('%', '%%')})"
    name = f"{ROW}.{table.quote(part.column)}"
    return f"LEFT({name}, {part.length})" if part.length else name


def _shown(values: Sequence[Any]) -> str:
    return repr(values[0]) if len(values) == 1 else repr(tuple(values))
