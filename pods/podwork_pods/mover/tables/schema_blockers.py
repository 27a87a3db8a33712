"""What in one shard's tables stops moves, whatever shop it is.

Owns: `schema_blockers`. Promises: it reads only facts, and finds all there is, table by table; a table that
it says nothing of can be moved by its rows. Leaves to others: what two shards together tell (`differing`),
servers (`server_blockers`), and rows (`clashes`, `references`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from podwork_pods.iteration.collections.errors import InvalidKey
from podwork_pods.mover.tables.blocker import Blocker, Code
from podwork_pods.mover.tables.declaration import Declared, Kind, ShopTables
from podwork_pods.mover.tables.facts import PLAIN, Column, ForeignKey, ShardFacts, TableFact
from podwork_pods.mover.tables.keys import walkable_key
from podwork_pods.mover.tables.own import MOVING, OWN_PREFIX, PASSING_PREFIXES, is_known

_INTEGERS: Final = ("tinyint", "smallint", "mediumint", "int", "bigint")
_KEYLESS_ENGINES: Final = ("InnoDB", "SQLite")


def schema_blockers(facts: ShardFacts, declaration: ShopTables) -> list[Blocker]:
    """Return what there is, undeclared tables first."""
    found = list(_undeclared(facts, declaration))
    for declared in declaration:
        fact = facts.tables.get(declared.name)
        if fact is None:
            what = f"{declared.name} is declared, and there is no such table"
            found.append(
                Blocker(Code.MISSING, declared.name, what, "mend the declaration, or migrate the pod")
            )
        elif declared.moves:
            found += _of_moving(facts, fact, declared, declaration)
        else:
            found += _of_staying(fact, declared, declaration)
    return found


def _undeclared(facts: ShardFacts, declaration: ShopTables) -> Iterator[Blocker]:
    for fact in facts.plain:
        if is_known(fact.name) or declaration.get(fact.name) is not None:
            continue
        if fact.name.startswith(OWN_PREFIX):
            what = f"{fact.name} is a table of podwork that this version does not know"
            yield Blocker(Code.UNDECLARED, fact.name, what, "move shops with the latest version in use")
        else:
            what = f"nothing says what becomes of the rows of {fact.name}"
            remedy = f"declare it: shop, joined, reference or pod_local({fact.name!r})"
            yield Blocker(Code.UNDECLARED, fact.name, what, remedy)


def _of_moving(
    facts: ShardFacts, fact: TableFact, declared: Declared, declaration: ShopTables
) -> Iterator[Blocker]:
    name = fact.name
    if fact.kind != PLAIN:
        remedy = "declare it pod_local, or make it a plain table"
        yield Blocker(Code.KIND, name, f"{name} is a {fact.kind.lower()}, whose rows cannot be moved", remedy)
        return
    if fact.engine not in _KEYLESS_ENGINES:
        what = f"{name} is of {fact.engine}, which has no transactions"
        yield Blocker(Code.ENGINE, name, what, f"ALTER TABLE {name} ENGINE=InnoDB")
    yield from _key(fact)
    yield from _shop_column(facts, fact, declared) if declared.column else _link(facts, fact, declared)
    yield from _triggers(fact)
    for key in fact.foreign_keys:
        yield from _foreign_key(facts, fact, key, declaration)


def _key(fact: TableFact) -> Iterator[Blocker]:
    try:
        key = walkable_key(fact)
    except InvalidKey as error:
        columns = f" by ({', '.join(error.key)})" if error.key else ""
        what = f"{fact.name} cannot be walked{columns}: {error.why}"
        remedy = "give it a primary key, or a unique key without nulls, of numbers, text or dates"
        yield Blocker(Code.KEY, fact.name, what, remedy)
        return
    for name in key:
        column = fact.column(name)
        if column is not None and column.generated:
            what = f"{fact.name}: its key's column {name} is generated"
            yield Blocker(
                Code.KEY, fact.name, what, "give it a key of stored columns: logs lack generated ones"
            )


def _shop_column(facts: ShardFacts, fact: TableFact, declared: Declared) -> Iterator[Blocker]:
    name, column = fact.name, fact.column(declared.column or "")
    if column is None:
        yield _no_column(name, declared.column or "")
        return
    yield from _stored(name, column)
    if facts.dialect == "mysql" and column.fact.type not in _INTEGERS:
        what = f"{name}.{column.fact.name} is {column.fact.declared}: a shop is a whole number"
        yield Blocker(Code.COLUMN, name, what, "make it a BIGINT")
    yield from _index(facts, fact, {column.fact.name})


def _link(facts: ShardFacts, fact: TableFact, declared: Declared) -> Iterator[Blocker]:
    above = facts.tables.get(declared.through or "")
    own = [fact.column(name) for name, _ in declared.on]
    yield from (
        _no_column(fact.name, name)
        for (name, _), column in zip(declared.on, own, strict=True)
        if column is None
    )
    yield from (blocker for column in own if column for blocker in _stored(fact.name, column))
    if above is None:  # it is missing, which is said of itself
        return
    theirs = [name for _, name in declared.on]
    lacking = [name for name in theirs if above.column(name) is None]
    yield from (_no_column(above.name, name) for name in lacking)
    if not lacking and not above.is_unique(set(theirs)):
        what = f"{above.name} ({', '.join(theirs)}) is not unique: a row of {fact.name} may be of two shops"
        yield Blocker(
            Code.LINK, fact.name, what, "join by columns that are unique there, or add a shop column"
        )
    if all(own):
        yield from _index(facts, fact, {column.fact.name for column in own if column})


def _stored(table: str, column: Column) -> Iterator[Blocker]:
    if column.generated:
        what = f"{table}.{column.fact.name} says whose a row is, and is generated"
        yield Blocker(Code.COLUMN, table, what, "store it as a plain column: logs lack generated ones")


def _index(facts: ShardFacts, fact: TableFact, columns: set[str]) -> Iterator[Blocker]:
    """SQLite's tables are copied under the fence, and small: there a scan is what it is."""
    wanted = {name.lower() for name in columns}
    if facts.dialect == "sqlite" or any(
        {part.column.lower() for part in index.parts[: len(wanted)] if part.length is None} == wanted
        for index in fact.indexes
        if index.ordered
    ):
        return
    spelled = ", ".join(sorted(columns))
    what = f"{fact.name} has no index that begins with {spelled}: every step would read all shops' rows"
    yield Blocker(Code.INDEX, fact.name, what, f"add an index on ({spelled})")


def _triggers(fact: TableFact) -> Iterator[Blocker]:
    passing = [name for name in fact.triggers if name.startswith(PASSING_PREFIXES)]
    others = [name for name in fact.triggers if name not in passing]
    if passing:
        what = f"{fact.name} is being changed by a migration (trigger {passing[0]})"
        yield Blocker(Code.TRIGGER, fact.name, what, "wait until it is done; see: podctl migrations status")
    if others:
        what = f"{fact.name} has triggers, which would run again at the target: {', '.join(others)}"
        yield Blocker(Code.TRIGGER, fact.name, what, "drop them, and do in the application what they do")


def _foreign_key(
    facts: ShardFacts, fact: TableFact, key: ForeignKey, declaration: ShopTables
) -> Iterator[Blocker]:
    place = f"{fact.name}: foreign key {key.name}"
    if key.changes_rows and facts.dialect == "mysql":
        rule = next(rule for rule in (key.on_delete, key.on_update) if rule not in ("RESTRICT", "NO ACTION"))
        what = f"{place} changes rows by itself ({rule}), which the server's log does not tell"
        yield Blocker(Code.CASCADE, fact.name, what, "make it RESTRICT, and delete rows in the application")
    to = declaration.get(key.table)
    if to is None and not any(own.declared.name == key.table for own in MOVING):
        if "." in key.table or is_known(key.table):
            what = f"{place} refers to {key.table}, whose rows do not travel"
            yield Blocker(Code.FOREIGN_KEY, fact.name, what, "drop the foreign key")
    elif to is not None and to.kind is Kind.POD_LOCAL:
        what = f"{place} refers to {to.name}, whose rows are the pod's own and stay"
        yield Blocker(
            Code.FOREIGN_KEY, fact.name, what, f"drop the foreign key, or declare {to.name} otherwise"
        )


def _of_staying(fact: TableFact, declared: Declared, declaration: ShopTables) -> Iterator[Blocker]:
    for key in fact.foreign_keys:
        to = declaration.get(key.table)
        if to is not None and to.moves:
            what = f"{fact.name} stays ({declared.kind}), and refers to rows of {to.name}, which go"
            yield Blocker(
                Code.FOREIGN_KEY, fact.name, what, "declare it shop or joined, or drop the foreign key"
            )


def _no_column(table: str, column: str) -> Blocker:
    return Blocker(
        Code.COLUMN, table, f"{table} has no column {column}", "mend the declaration, or migrate the pod"
    )
