"""The tables of a shop's rows, as a declaration and a database together say.

Owns: `read`, `facts_of`, `compose`. Promises: a table that comes back can be walked, its rows are told apart
from other shops', and its parents come before it; podwork's own tables are among them; names are spelled as
the database spells them. Leaves to others: what one shard alone cannot tell (`blockers`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace

from sqlalchemy import Connection

from podwork_pods.iteration.collections.errors import InvalidKey
from podwork_pods.mover.tables import mysql_facts, sqlite_facts
from podwork_pods.mover.tables.declaration import Declared, ShopTables
from podwork_pods.mover.tables.errors import TablesBlocked
from podwork_pods.mover.tables.facts import ShardFacts, TableFact
from podwork_pods.mover.tables.keys import walkable_key
from podwork_pods.mover.tables.order import ranks, unchecked
from podwork_pods.mover.tables.own import MOVING, OwnTable
from podwork_pods.mover.tables.schema_blockers import schema_blockers
from podwork_pods.mover.tables.table import MovedTable


def read(connection: Connection, declaration: ShopTables) -> tuple[MovedTable, ...]:
    """Return the tables whose rows move with a shop, parents before children.

    Raises:
        TablesBlocked: some of the shard's tables cannot be moved, or are not declared; it names all of them.
    """
    facts = facts_of(connection)
    if blockers := schema_blockers(facts, declaration):
        raise TablesBlocked(blockers)
    return compose(facts, declaration)


def facts_of(connection: Connection) -> ShardFacts:
    """Return what the shard's tables are now."""
    if connection.dialect.name == "sqlite":
        return sqlite_facts.read_facts(connection)
    return mysql_facts.read_facts(connection)


def compose(
    facts: ShardFacts, declaration: ShopTables, without: Set[str] = frozenset()
) -> tuple[MovedTable, ...]:
    """Return the tables, but for those of `without` and all that are joined through them.

    Each of the others must be one that `schema_blockers` has nothing to say of.
    """
    composed: dict[str, MovedTable] = {}
    for declared in _parents_first(declaration.moving):
        if declared.name not in without and (declared.through is None or declared.through in composed):
            fact = facts.tables[declared.name]
            composed[declared.name] = _composed(facts, fact, declared, composed, walkable_key(fact))
    for own in MOVING:
        fact_there = facts.tables.get(own.declared.name)
        if fact_there is not None and own.declared.name not in without:
            composed[own.declared.name] = _own(facts, fact_there, own, composed)
    return _ordered(facts, composed)


def _composed(
    facts: ShardFacts,
    fact: TableFact,
    declared: Declared,
    composed: Mapping[str, MovedTable],
    key: tuple[str, ...],
) -> MovedTable:
    above = None if declared.through is None else composed[declared.through]
    return MovedTable(
        fact.name,
        tuple(column.fact for column in fact.columns if not column.generated),
        key,
        None if declared.column is None else _spelled(fact, declared.column),
        above,
        () if above is None else _link(facts, fact, declared, above.name),
        dialect=facts.dialect,
    )


def _own(facts: ShardFacts, fact: TableFact, own: OwnTable, composed: Mapping[str, MovedTable]) -> MovedTable:
    table = _composed(facts, fact, own.declared, composed, own.key)
    columns = tuple(column for column in table.columns if column.name not in own.given)
    return replace(table, columns=columns, rewritten=own.rewritten, grouped=own.grouped)


def _link(facts: ShardFacts, fact: TableFact, declared: Declared, above: str) -> tuple[tuple[str, str], ...]:
    return tuple((_spelled(fact, own), _spelled(facts.tables[above], theirs)) for own, theirs in declared.on)


def _ordered(facts: ShardFacts, composed: Mapping[str, MovedTable]) -> tuple[MovedTable, ...]:
    """Give each table its rank, and return them in that order."""
    keys = {name: _referred(facts.tables[name]) & composed.keys() for name in composed}
    above = {name: keys[name] | {table.through or name} - {name} for name, table in composed.items()}
    ranked = ranks(above)
    # In a circle of foreign keys the table through which another one is joined is still the first.
    names = sorted(composed, key=lambda name: (ranked[name], _depth(composed[name]), name))
    # A table's parent is one of the others: it is looked up again, so that it has its rank, too.
    done: dict[str, MovedTable] = {}
    for rank, name in enumerate(names):
        table = composed[name]
        parent = None if table.through is None else done[table.through]
        done[name] = replace(table, rank=rank, parent=parent, unchecked=unchecked(name, keys))
    return tuple(done.values())


def _referred(fact: TableFact) -> set[str]:
    return {key.table for key in fact.foreign_keys}


def _depth(table: MovedTable) -> int:
    return 0 if table.parent is None else 1 + _depth(table.parent)


def _parents_first(declared: Iterable[Declared]) -> Iterator[Declared]:
    waiting, done = list(declared), set[str | None]({None})
    while waiting:  # the declaration has no circles
        ready = [table for table in waiting if table.through in done]
        yield from ready
        done |= {table.name for table in ready}
        waiting = [table for table in waiting if table not in ready]


def _spelled(fact: TableFact, name: str) -> str:
    column = fact.column(name)
    if column is None:
        raise InvalidKey(fact.name, (name,), f"there is no column {name}")
    return column.fact.name
