"""The key along which a table is walked, and its conditions in SQL.

Owns: `walkable_key`, `Place`, `Span`, `within`, `spans`. Promises: a key that is walked is unique and without
nulls, comes back from the driver as it is compared, and is compared by the database, so that each column's
own collation decides; spans follow one another without a gap and cover every row of the shop. Values are
parameters. MariaDB and MySQL use no index for `(a, b) > (1, 2)`, so it is written out for them.
"""

# ruff: noqa: S608 - names are quoted, values are parameters

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection

from podwork_pods.iteration.collections.candidates import ColumnFacts, TableFacts, index_for
from podwork_pods.iteration.collections.candidates import Index as Candidate
from podwork_pods.iteration.collections.errors import InvalidKey
from podwork_pods.mover.tables.facts import Index, TableFact
from podwork_pods.mover.tables.table import MovedTable

Place = tuple[Any, ...]
"""The values of a key's columns, as the driver gave them."""

ROW = "podwork_row"
"""What the table is called in statements of this package."""


_FIRST = ("PRIMARY", "rowid")


class Span(NamedTuple):
    """The keys behind `after` up to `upto`, which is included; None: from the first, to the last."""

    after: Place | None = None
    upto: Place | None = None

    def __str__(self) -> str:
        after = "the first" if self.after is None else f"behind {self.after}"
        return f"{after} to {'the last' if self.upto is None else self.upto}"


def walkable_key(fact: TableFact) -> tuple[str, ...]:
    """Return the columns of the primary key, or of the first unique one that can be walked.

    Raises:
        InvalidKey: there is none; it says why the first that is unique cannot be.
    """
    facts = _as_candidates(fact)
    names = {column.fact.name.lower(): column.fact.name for column in fact.columns}
    trouble: InvalidKey | None = None
    # The primary key first, then the shortest; among equals by names, which are the same on every pod.
    ways = sorted(
        (index for index in facts.indexes if index.unique),
        key=lambda index: (index.name not in _FIRST, len(index.columns), index.name),
    )
    for index in ways:
        try:
            index_for(facts, index.columns)
        except InvalidKey as error:
            trouble = trouble or error
        else:
            return tuple(names[name] for name in index.columns)
    raise trouble or InvalidKey(fact.name, (), "it has no unique key")


def within(table: MovedTable, span: Span, alias: str = ROW) -> tuple[str, Place]:
    """Return the condition that a row of `alias` lies in the span ("" for all), and its values."""
    conditions: list[str] = []
    values: list[Any] = []
    for place, operator in ((span.after, ">"), (span.upto, "<=")):
        if place is not None:
            condition, parameters = _bound(table, alias, operator, place)
            conditions.append(condition)
            values += parameters
    return " AND ".join(conditions), tuple(values)


def equal(table: MovedTable, alias: str = ROW) -> str:
    """Return the condition that a row of `alias` has one key; its values are the key's."""
    pairs = (f"{table.quote(alias)}.{table.quote(name)} = {table.placeholder}" for name in table.key)
    return f"({' AND '.join(pairs)})"


def listed(table: MovedTable, alias: str = ROW) -> str:
    """Return the key's columns, for SELECT, GROUP BY and ORDER BY."""
    return ", ".join(f"{table.quote(alias)}.{table.quote(name)}" for name in table.key)


def spans(
    connection: Connection, table: MovedTable, shop_id: int, rows: int, after: Place | None = None
) -> Iterator[Span]:
    """Yield spans behind `after` of about `rows` rows of the shop each; the last is open, and may be empty.

    They are found as the caller comes by, so that rows that are added meanwhile lie in one of them.
    """
    while (upto := _place_behind(connection, table, shop_id, after, rows)) is not None:
        yield Span(after, upto)
        after = upto
    yield Span(after, None)


def _place_behind(
    connection: Connection, table: MovedTable, shop_id: int, after: Place | None, rows: int
) -> Place | None:
    condition, values = within(table, Span(after))
    key = listed(table)
    found = connection.exec_driver_sql(
        f"SELECT {key} FROM {table.quote(table.name)} AS {ROW} WHERE {table.of_shop(ROW)}"
        f"{f' AND {condition}' if condition else ''} ORDER BY {key} LIMIT 1 OFFSET {rows - 1}",
        (shop_id, *values),
    ).first()
    return None if found is None else tuple(found)


def _bound(table: MovedTable, alias: str, operator: str, place: Place) -> tuple[str, list[Any]]:
    names = [f"{table.quote(alias)}.{table.quote(name)}" for name in table.key]
    mark = table.placeholder
    if table.dialect == "sqlite":
        if len(names) == 1:
            return f"{names[0]} {operator} {mark}", [*place]
        return f"({', '.join(names)}) {operator} ({', '.join([mark] * len(names))})", [*place]
    strict = operator.rstrip("=")
    clause, values = f"{names[-1]} {operator} {mark}", [place[-1]]
    for name, value in zip(names[-2::-1], place[-2::-1], strict=True):
        clause = f"({name} {strict} {mark} OR ({name} = {mark} AND {clause}))"
        values = [value, value, *values]
    return clause, values


def _as_candidates(fact: TableFact) -> TableFacts:
    """Return the table as the collections of iteration know it, which judge keys in the same way."""
    indexes = [_candidate(index) for index in fact.indexes if index.ordered]
    return TableFacts(
        fact.name,
        {
            column.fact.name.lower(): ColumnFacts(column.fact.declared, column.fact.nullable)
            for column in fact.columns
        },
        indexes,
        next((index.columns for index in indexes if index.name in _FIRST), ()),
    )


def _candidate(index: Index) -> Candidate:
    ordered: list[str] = []
    for part in index.parts:
        whole = part.column and part.length is None
        if not whole or part.descending != index.parts[0].descending:
            break
        ordered.append(part.column.lower())
    columns = tuple(
        part.column.lower() if part.column and part.length is None else f"({part.column}{part.expression})"
        for part in index.parts
    )
    return Candidate(index.name, columns, tuple(ordered), index.unique)
