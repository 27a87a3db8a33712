"""Rows of a shop that refer to what does not travel with it.

Owns: `references`. Promises: foreign keys are followed where the move cannot rely on them: to rows of other
tables of the shop (which must be the same shop's), and to reference tables (whose rows the target must have).
Nothing is locked. Leaves to others: foreign keys to what stays with a pod (`schema_blockers`).
"""

# ruff: noqa: S608 - names are quoted, values are parameters

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from podwork_pods.mover.tables.blocker import Blocker, Code
from podwork_pods.mover.tables.clashes import VALUES_IN_A_STATEMENT
from podwork_pods.mover.tables.declaration import Kind, ShopTables
from podwork_pods.mover.tables.facts import ForeignKey, ShardFacts, TableFact
from podwork_pods.mover.tables.keys import ROW, spans, within
from podwork_pods.mover.tables.table import MovedTable
from podwork_pods.mover.tables.values import carried
from podwork_pods.mover.tables.walking import ROWS_IN_A_SPAN, chunked, let_go, values_of

_REFERRED = "podwork_referred"


def references(
    source: Connection,
    target: Connection,
    tables: Mapping[str, MovedTable],
    facts: ShardFacts,
    declaration: ShopTables,
    shop_id: int,
) -> Iterator[Blocker]:
    """Yield a blocker for each foreign key that leads somewhere else; within `canonical_session`."""
    for table in tables.values():
        for key in facts.tables[table.name].foreign_keys:
            to = declaration.get(key.table)
            if key.table in tables:
                yield from _to_other_shops(source, table, tables[key.table], key, shop_id)
            elif to is not None and to.kind is Kind.REFERENCE:
                fact = facts.tables[table.name]
                yield from _missing_there(source, target, table, fact, key, shop_id)


def _to_other_shops(
    source: Connection, table: MovedTable, above: MovedTable, key: ForeignKey, shop_id: int
) -> Iterator[Blocker]:
    pairs = set(zip(key.columns, key.references, strict=True))
    if pairs >= {*table.link} != set() or (table.shop_column, above.shop_column) in pairs:
        return  # by the key itself both are the same shop's
    there = " AND ".join(
        f"{_REFERRED}.{above.quote(theirs)} = {ROW}.{table.quote(own)}"
        for own, theirs in zip(key.columns, key.references, strict=True)
    )
    set_ = " AND ".join(f"{ROW}.{table.quote(own)} IS NOT NULL" for own in key.columns)
    for span in spans(source, table, shop_id, ROWS_IN_A_SPAN):
        condition, values = within(table, span)
        found = source.exec_driver_sql(
            f"SELECT {', '.join(f'{ROW}.{table.quote(own)}' for own in key.columns)} "
            f"FROM {table.quote(table.name)} AS {ROW} "
            f"WHERE {table.of_shop(ROW)}{f' AND {condition}' if condition else ''} AND {set_} "
            f"AND NOT EXISTS (SELECT 1 FROM {above.quote(above.name)} AS {_REFERRED} "
            f"WHERE {there} AND {above.of_shop(_REFERRED)}) LIMIT 1",
            (shop_id, *values, shop_id),
        ).first()
        let_go(source)
        if found is not None:
            what = f"a row of {table.name} refers to {above.name} {_shown(found)}, which is not this shop's"
            yield Blocker(
                Code.REFERENCE, table.name, what, "mend the row: what belongs together has to be of one shop"
            )
            return


def _missing_there(
    source: Connection,
    target: Connection,
    table: MovedTable,
    fact: TableFact,
    key: ForeignKey,
    shop_id: int,
) -> Iterator[Blocker]:
    """SQLite and PyMySQL give back a key's values as they were read, but for those that `carried` reads."""
    columns = [fact.column(name) for name in key.columns]
    read = [carried(column.fact, f"{ROW}.{table.quote(column.fact.name)}") for column in columns if column]
    set_ = " AND ".join(f"{expression} IS NOT NULL" for expression in read)
    for rows in values_of(source, table, shop_id, read, set_):
        for some in chunked(rows, VALUES_IN_A_STATEMENT):
            missing = [row for row in some if not _is_there(target, table, key, tuple(row))]
            let_go(target)
            if missing:
                what = f"{table.name} refers to {key.table} {_shown(missing[0])}, which the target lacks"
                yield Blocker(Code.REFERENCE, table.name, what, f"add it to {key.table} on the target")
                return


def _is_there(target: Connection, table: MovedTable, key: ForeignKey, values: tuple[Any, ...]) -> bool:
    where = " AND ".join(f"{table.quote(name)} = {table.placeholder}" for name in key.references)
    found = target.exec_driver_sql(f"SELECT 1 FROM {table.quote(key.table)} WHERE {where} LIMIT 1", values)
    return found.first() is not None


def _shown(values: Any) -> str:
    return repr(values[0]) if len(values) == 1 else repr(tuple(values))
