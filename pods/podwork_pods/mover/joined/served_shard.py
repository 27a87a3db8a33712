"""What the rows of a leg on MariaDB or MySQL are brought with, there and to what is kept.

Owns: `ServedShard`, `passing`, `bring`, `judged`. Leaves to others: rows (`mover.rows`), and which of them
when (`served_rows`, `kept_rows`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Engine

from podwork_pods.fence import FenceState, ShardFence
from podwork_pods.mover.crossing import GivesUp, Pulse
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.errors import (
    LogUnfit,
    RowClash,
    RowsUnreadable,
    TableAltered,
    ValueChanged,
)
from podwork_pods.mover.rows.passing import Pace, RowPassage
from podwork_pods.mover.rows.stream.tailer import Tailer
from podwork_pods.mover.rows.stream.watch import Keys
from podwork_pods.mover.tables.table import MovedTable

HOPELESS: Final = (LogUnfit, RowClash, RowsUnreadable, TableAltered, ValueChanged)


class ServedShard:
    """One pod of a leg: its engine, its fence, and what follows its log."""

    def __init__(self, engine: Engine, fence: ShardFence, tailer: Tailer) -> None:
        self.engine = engine
        self.fence = fence
        self.tailer = tailer


def passing(
    passage: Passage,
    tables: Sequence[MovedTable],
    here: ServedShard,
    there: ServedShard,
    state: FenceState,
    pace: Pace,
) -> RowPassage:
    """Return what brings rows from `here` to `there`, whose fence is in this state."""
    return RowPassage(
        passage,
        tables,
        source=here.engine,
        target=there.engine,
        fence=there.fence,
        tailer=here.tailer,
        state=state,
        pace=pace,
    )


def bring(rows: RowPassage, pulse: Pulse, *, in_haste: bool = False) -> Keys:
    """Bring what has changed up to now; return which keys that were. `in_haste`: at no pace."""
    rows.catch_up(pulse)
    rows.apply(pulse, in_haste=in_haste)  # once: under a busy writer there is always something more
    touched, rows.touched = rows.touched, {}
    return touched


def count(keys: Keys) -> int:
    """Return how many keys there are."""
    return sum(len(some) for some in keys.values())


@contextmanager
def judged() -> Iterator[None]:
    """Say of what no other try would mend that the move will not do."""
    try:
        yield
    except HOPELESS as error:
        raise GivesUp(error.what) from error
