"""How a table of one pod differs from the same table of another, as far as rows care.

Owns: `differing`. Promises: it looks at what decides which rows a table takes and how values compare: types,
nulls, character sets, collations, generated columns, unique and foreign keys, checks. The order of columns,
defaults, comments and plain indexes may differ: rows are written whole, by the names of their columns. Leaves
to others: fingerprints of whole schemas and ledgers, which the packages above compare.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podwork_pods.mover.tables.blocker import Blocker, Code
from podwork_pods.mover.tables.declaration import Kind, ShopTables
from podwork_pods.mover.tables.facts import ShardFacts, TableFact
from podwork_pods.mover.tables.own import MOVING

_REMEDY = "migrate both pods to the same schema; see: podctl migrations status"

Parts = Mapping[str, Any]


def differing(source: ShardFacts, target: ShardFacts, declaration: ShopTables) -> Iterator[Blocker]:
    """Yield a blocker for each difference; a table that one of them lacks is said of that one."""
    names = [declared.name for declared in declaration if declared.kind is not Kind.POD_LOCAL]
    names += [own.declared.name for own in MOVING]
    for name in names:
        ours, theirs = source.tables.get(name), target.tables.get(name)
        if ours is not None and theirs is not None:
            for what in _differences(ours, theirs):
                yield Blocker(Code.DIFFERS, name, f"{name} is not the same on both pods: {what}", _REMEDY)
        elif ours is not None and declaration.get(name) is None:
            what = f"the target has no table {name}"
            yield Blocker(Code.MISSING, name, what, "add the pod again: podctl pods add prepares its shard")


def _differences(ours: TableFact, theirs: TableFact) -> Iterator[str]:
    yield from _between("column", _columns(ours), _columns(theirs))
    yield from _between("unique key", _uniques(ours), _uniques(theirs))
    yield from _between("foreign key", _foreign_keys(ours), _foreign_keys(theirs))
    yield from _between("check", dict.fromkeys(ours.checks), dict.fromkeys(theirs.checks))


def _between(what: str, ours: Parts, theirs: Parts) -> Iterator[str]:
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in theirs:
            yield f"{what} {name} is only at the source"
        elif name not in ours:
            yield f"{what} {name} is only at the target"
        elif ours[name] != theirs[name]:
            yield f"{what} {name} is {ours[name]} at the source, {theirs[name]} at the target"


def _columns(fact: TableFact) -> Parts:
    return {
        column.fact.name.lower(): " ".join(
            word
            for word in (
                column.fact.declared,
                column.fact.charset,
                column.fact.collation,
                "null" if column.fact.nullable else "not null",
                column.generated and f"as ({column.generated})",
            )
            if word
        )
        for column in fact.columns
    }


def _uniques(fact: TableFact) -> Parts:
    spelled = (
        ", ".join(
            f"{part.column.lower() or part.expression}{f'({part.length})' if part.length else ''}"
            for part in index.parts
        )
        for index in fact.indexes
        if index.unique
    )
    return dict.fromkeys(f"({parts})" for parts in spelled)


def _foreign_keys(fact: TableFact) -> Parts:
    return dict.fromkeys(
        f"({', '.join(key.columns)}) to {key.table} ({', '.join(key.references)})".lower()
        for key in fact.foreign_keys
    )
