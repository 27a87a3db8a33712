"""Comparing what both pods of a move have of its shop, while it trades.

Owns: `compared`, `TableCompared`. Promises: nothing is locked and nothing is changed; a row that differs is
looked at again for as long as the mover may still bring it, so that only what stays different is told.
Leaves to others: digests (`podwork_pods.mover.verify`), and doing anything about it (the mover, a person).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine

from podwork_pods.engines import reader
from podwork_pods.mover.errors import MoveConflict
from podwork_pods.mover.move import Move
from podwork_pods.mover.states import MoveState
from podwork_pods.mover.tables import catalogue
from podwork_pods.mover.tables.declaration import ShopTables
from podwork_pods.mover.tables.keys import Place
from podwork_pods.mover.tables.table import MovedTable
from podwork_pods.mover.tables.walking import let_go
from podwork_pods.mover.verify import compare, compare_keys

BOTH_HAVE_ROWS: Final = frozenset(
    {
        MoveState.CATCHUP,
        MoveState.VERIFYING,
        MoveState.READY,
        MoveState.REVERSIBLE,
        MoveState.REVERSING,
    }
)
LOOKS: Final = 4
LOOK_SECONDS: Final = 2.5
"""Longer than a mover rests between two rounds."""


class TableCompared(NamedTuple):
    """A table's rows of the shop where it trades, how many of them differ, and one of those."""

    table: str
    rows: int
    differing: int
    example: str


def compared(
    move: Move,
    here: Engine,
    there: Engine,
    declaration: ShopTables,
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[TableCompared]:
    """Compare table after table; `here` is where the shop trades; `pause` waits for
    so many seconds before a further look.

    Raises:
        MoveConflict: in this state, or on SQLite where kept rows are not fed, both sides need not be equal.
        TablesBlocked: the declaration does not fit the shard.
    """
    if move.state not in BOTH_HAVE_ROWS:
        raise MoveConflict(
            move.id, f"it is {move.state}", "both pods have all rows from catchup to reversible"
        )
    if here.dialect.name == "sqlite":
        raise MoveConflict(
            move.id,
            "rows on SQLite are copied and compared under the fence",
            "there is nothing to compare now",
        )
    with reader(here).connect() as source, reader(there).connect() as target:
        for table in catalogue.read(source, declaration):
            yield _table(source, target, table, move.shop_id, pause)


def _table(
    source: Connection,
    target: Connection,
    table: MovedTable,
    shop_id: int,
    pause: Callable[[float], object],
) -> TableCompared:
    rows, differing = 0, list[Place]()
    for part in compare(source, target, table, shop_id):
        rows += part.rows
        differing += part.differing
    for _ in range(LOOKS if differing else 0):
        pause(LOOK_SECONDS)
        let_go(source, target)
        differing = list(compare_keys(source, target, table, shop_id, differing))
        if not differing:
            break
    return TableCompared(table.name, rows, len(differing), _spelled(differing))


def _spelled(keys: Sequence[Place]) -> str:
    return ", ".join(str(value) for value in keys[0]) if keys else ""
