"""Deleting a shop's rows in small batches, under a fence that says so.

Owns: `purge`, `delete_rows`. Promises (`purge.fence`): each batch is a transaction of at most 500 rows
that holds the fence, `purging` and this mover's, and asks the caller again whether the shop is elsewhere
before it deletes; only rows of the shop go; children go before what they are joined to. Repeatable. Leaves
to others: the fence's states, and who may say that the shop is elsewhere (the directory).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Engine

from podwork.points import reach
from podwork_pods.fence import FenceState, ShardFence
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.literals import Key
from podwork_pods.mover.rows.progress import Progress
from podwork_pods.mover.rows.reading import Reader
from podwork_pods.mover.rows.session import RowSession
from podwork_pods.mover.rows.writing import Writer
from podwork_pods.mover.tables.table import MovedTable

BATCH_ROWS: Final = 500


def purge(
    engine: Engine,
    fence: ShardFence,
    passage: Passage,
    tables: Sequence[MovedTable],
    pulse: Callable[[str], None],
    check: Callable[[], None],
) -> int:
    """Delete the shop's rows in the shard of the engine, which is the fence's, and what is known of its move.

    `check` raises if the shop is not known to be elsewhere. Returns how many rows there were.

    Raises:
        FenceConflict: the fence is not purging, or another mover's.
    """
    session = RowSession(engine)
    try:
        writer = Writer(session, fence, passage, (FenceState.PURGING,))
        deleted = delete_rows(writer, Reader(session, passage, locked=False), tables, pulse, check)
        writer.begin()
        Progress(session, passage).forget()
        writer.commit()
        return deleted
    finally:
        session.close()


def delete_rows(
    writer: Writer,
    reader: Reader,
    tables: Sequence[MovedTable],
    pulse: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
) -> int:
    """Delete the shop's rows of these tables over the writer's session; return how many there were."""
    deleted = 0
    for table in sorted(tables, key=lambda table: table.rank, reverse=True):
        statements = reader.statements(table)
        after: Key | None = None
        is_last = False
        while not is_last:
            upto = reader.bound(table, after, BATCH_ROWS)
            condition = statements.between(after, upto)
            while keys := reader.some_keys(table, condition, BATCH_ROWS):
                writer.begin()
                check()
                reach("rows.purging")
                deleted += writer.delete(table, keys)
                writer.commit()
                pulse("")
            after, is_last = upto, upto is None
    return deleted
