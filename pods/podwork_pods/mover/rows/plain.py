"""A shop's rows between two shards on SQLite: no log there, so they are copied whole, under the closed fence.

Owns: `fill`, `purge`. Promises: the source's fence is closed by this mover while rows are read; the
target's fence is held, and everything that is written, deletes first, is one transaction: done again it
ends the same. Only rows of the shop are read and deleted, and none takes another one's place. Leaves to
others: to close the fence first (`podwork_pods.fence`), and databases that can do better (`passing`).
"""

# ruff: noqa: S608 - names are quoted, values are parameters

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from podwork.points import reach
from podwork_pods.engines import reader
from podwork_pods.errors import FenceConflict
from podwork_pods.fence import FenceState, ShardFence
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.errors import RowClash
from podwork_pods.mover.tables.table import MovedTable, Rewrite

BATCH_ROWS: Final = 500


def fill(
    passage: Passage,
    tables: Sequence[MovedTable],
    *,
    source: Engine,
    source_fence: ShardFence,
    target: Engine,
    target_fence: ShardFence,
    states: Collection[FenceState] = (FenceState.INCOMING,),
) -> int:
    """Make the target's rows of the shop those of the source; return how many there are.

    Raises:
        FenceConflict: the source's fence is not closed by this mover, or the target's is in another state.
        RowClash: a row that is not the shop's has the same unique values.
    """
    found = source_fence.read(passage.shop_id)
    if found is None or (found.state, found.mover_epoch) != (FenceState.CLOSED, passage.mover):
        raise FenceConflict(passage.shop_id, f"closed by mover {passage.mover}", str(found))
    ordered = sorted(tables, key=lambda table: table.rank)
    copied = 0
    with reader(source).connect() as here, target.begin() as there:
        target_fence.hold_to_fill(there, passage.shop_id, states, passage.mover)
        there.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for table in reversed(ordered):
            _delete_all(there, table, passage.shop_id)
        for table in ordered:
            copied += _copy(here, there, table, passage)
        reach("rows.committing")
    return copied


def purge(
    engine: Engine,
    fence: ShardFence,
    passage: Passage,
    tables: Sequence[MovedTable],
    pulse: Callable[[str], None],
    check: Callable[[], None],
) -> int:
    """Delete the shop's rows in batches under the fence, as `purging.purge` does on other databases."""
    deleted = 0
    for table in sorted(tables, key=lambda table: table.rank, reverse=True):
        name = table.quote(table.name)
        # Along the key: a table WITHOUT ROWID has no other number, and a column may be called so.
        key = ", ".join(table.quote(column) for column in table.key)
        some = f"SELECT {key} FROM {name} WHERE {table.of_shop(table.name)} LIMIT {BATCH_ROWS}"
        while True:
            with engine.begin() as connection:
                fence.hold_to_fill(connection, passage.shop_id, (FenceState.PURGING,), passage.mover)
                check()
                reach("rows.purging")
                connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
                statement = f"DELETE FROM {name} WHERE ({key}) IN ({some})"
                gone = connection.exec_driver_sql(statement, (passage.shop_id,)).rowcount
            deleted += gone
            pulse("")
            if gone < BATCH_ROWS:
                break
    return deleted


def _delete_all(connection: Connection, table: MovedTable, shop_id: int) -> None:
    name = table.quote(table.name)
    connection.exec_driver_sql(f"DELETE FROM {name} WHERE {table.of_shop(table.name)}", (shop_id,))


def _copy(here: Connection, there: Connection, table: MovedTable, passage: Passage) -> int:
    name = table.quote(table.name)
    columns = ", ".join(table.quote(column) for column in table.column_names)
    marks = ", ".join(table.placeholder for _ in table.column_names)
    rows = here.exec_driver_sql(
        f"SELECT {columns} FROM {name} WHERE {table.of_shop(table.name)}", (passage.shop_id,)
    )
    copied = 0
    for some in rows.partitions(BATCH_ROWS):
        rewritten = [_rewritten(table, tuple(row), passage) for row in some]
        try:
            there.exec_driver_sql(f"INSERT INTO {name} ({columns}) VALUES ({marks})", rewritten)
        except IntegrityError as error:
            raise RowClash(table.name, str(error.orig)) from None
        copied += len(rewritten)
    return copied


def _rewritten(table: MovedTable, row: tuple[Any, ...], passage: Passage) -> tuple[Any, ...]:
    instead = {Rewrite.EPOCH: passage.epoch + 1, Rewrite.POD: passage.target, Rewrite.ON_THE_WAY: -1}
    hows = dict(table.rewritten)
    return tuple(
        instead[hows[name]] if name in hows else value
        for name, value in zip(table.column_names, row, strict=True)
    )
