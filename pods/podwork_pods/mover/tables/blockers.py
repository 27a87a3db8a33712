"""Everything that stops a shop's move, before anything is changed.

Owns: `find`. Promises: it only reads, without a lock, and names each obstacle with its remedy, all of them at
once: a table with one does not hide another table's. What is the same on both sides is said once. Views are
not looked at: they hold no rows. Leaves to others: jobs, runs, ledgers and fingerprints of whole schemas.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from podwork_pods.mover.tables.blocker import Blocker, Code
from podwork_pods.mover.tables.catalogue import compose, facts_of
from podwork_pods.mover.tables.clashes import clashes
from podwork_pods.mover.tables.declaration import ShopTables
from podwork_pods.mover.tables.differing import differing
from podwork_pods.mover.tables.facts import ShardFacts
from podwork_pods.mover.tables.references import references
from podwork_pods.mover.tables.row_blockers import at_the_fence, counted_up, occupied, too_long
from podwork_pods.mover.tables.schema_blockers import schema_blockers
from podwork_pods.mover.tables.server_blockers import pair_blockers, server_blockers
from podwork_pods.mover.tables.values import canonical_session

_SOURCE, _TARGET = "at the source", "at the target"


def find(
    source: Connection,
    target: Connection,
    declaration: ShopTables,
    shop_id: int,
) -> tuple[Blocker, ...]:
    """Return what stops the shop's move from one shard to the other; () if nothing does.

    What it costs grows with the shop's rows, where keys may clash or refer to others. The connections'
    transactions are ended meanwhile: they have to be ones that only read.
    """
    here, there = facts_of(source), facts_of(target)
    servers = [
        *_both(server_blockers(source, _SOURCE), server_blockers(target, _TARGET)),
        *pair_blockers(source, target),
    ]
    schemas = [
        *_both(schema_blockers(here, declaration), schema_blockers(there, declaration)),
        *differing(here, there, declaration),
    ]
    fences = at_the_fence(source, target, shop_id)
    if any(blocker.code is Code.SERVER for blocker in servers) and here.dialect != there.dialect:
        return tuple(servers)
    blocked = {blocker.table for blocker in schemas}
    with canonical_session(source, target):
        rows = list(_of_rows(source, target, here, declaration, blocked, shop_id))
    return tuple(dict.fromkeys([*servers, *schemas, *fences, *rows]))


def _of_rows(
    source: Connection,
    target: Connection,
    facts: ShardFacts,
    declaration: ShopTables,
    blocked: set[str],
    shop_id: int,
) -> Iterator[Blocker]:
    tables = compose(facts, declaration, without=blocked)
    for table in tables:
        fact = facts.tables[table.name]
        yield from occupied(target, table, shop_id)
        yield from counted_up(source, target, table, fact, declaration)
        yield from clashes(source, target, table, fact, shop_id)
        yield from too_long(source, target, table, shop_id)
    yield from references(
        source, target, {table.name: table for table in tables}, facts, declaration, shop_id
    )


def _both(ours: Sequence[Blocker], theirs: Sequence[Blocker]) -> Iterator[Blocker]:
    """Say of each where it is, unless it is on both sides, or says so itself."""
    for blocker in ours:
        yield blocker if blocker in theirs or _SOURCE in blocker.what else _at(blocker, _SOURCE)
    for blocker in theirs:
        if blocker not in ours:
            yield blocker if _TARGET in blocker.what else _at(blocker, _TARGET)


def _at(blocker: Blocker, place: str) -> Blocker:
    return blocker._replace(what=f"{blocker.what} ({place})")
