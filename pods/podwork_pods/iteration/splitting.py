"""Giving an idle job a part of what another one has before it.

Owns: `Splitting`. Promises: the largest remainder is halved first, as far as that can be told without
counting: what has no end, then what has most of its keys left, then what has done the fewest rows; and no
part gets so small that its batches would be. Nothing is skipped or done twice, whoever splits what at the
same time (`Partitions.split`). Leaves to others: taking the new part (`shift`), where the middle is
(`Divisible`).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from podwork.iteration.collection import Cursor, RangeCollection, Slice
from podwork_pods.iteration.collections.divisible import Divisible
from podwork_pods.iteration.partition import Partition, PartitionState
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.iteration.task import Opened
from podwork_pods.iteration.trouble import is_crowded


class Splitting:
    """Of one run, for one job that has nothing to do."""

    def __init__(self, shard: IterationShard, opened: Opened) -> None:
        self._shard = shard
        self._opened = opened
        self._collection = opened.task.collection

    def split(self, parallel: int) -> bool:
        """Cut the largest remainder in half, if one more may be held; return whether there is a new part."""
        if not isinstance(self._collection, Divisible):
            return False
        parts = self._shard.partitions.of(self._opened.run.id)
        held = [part for part in parts if part.state is PartitionState.RUNNING]
        if len(held) >= parallel:
            return False
        return any(self._halve(part) for part in sorted(held, key=_smallness))

    def _halve(self, part: Partition) -> bool:
        least = max(self._opened.task.job.batch_size, part.rows_done // max(1, part.batches))

        def middle(connection: Connection, rest: Slice, cursor: Cursor | None) -> Cursor | None:
            cut = self._collection.middle(connection, rest, cursor)
            start = rest.after if cursor is None else cursor
            if cut is None or not self._holds(connection, Slice(start, cut), least):
                return None
            found: Cursor = cut
            return found

        try:
            with self._shard.open(self._opened.run.shop_id) as session:
                made = self._shard.partitions.split(session.connection(), part.run_id, part.number, middle)
        except DBAPIError as error:
            if not is_crowded(error):
                raise
            return False  # whoever holds its row has stopped, or is being split off too
        return made is not None

    def _holds(self, connection: Connection, part: Slice, least: int) -> bool:
        """Whether a slice has so many rows at least."""
        if isinstance(self._collection, RangeCollection):
            span = self._collection.range(connection, part, None, least)
            return span is not None and span.rows >= least
        batch = self._collection.batch(connection, part, None, least)
        return batch is not None and len(batch.items) >= least


def _smallness(part: Partition) -> tuple[bool, float, int]:
    """Order partitions, the largest remainder first."""
    return part.slice.upto is not None, -_span(part), part.rows_done


def _span(part: Partition) -> float:
    """Return how far it is from a partition's cursor to its end, in its key's first unequal value.

    0.0 where keys cannot be subtracted. Only to choose by: keys are compared by the database.
    """
    start = part.slice.after if part.cursor is None else part.cursor
    for one, other in zip(start or (), part.slice.upto or (), strict=False):
        if one != other:
            return _distance(one, other)
    return 0.0


def _distance(one: Any, other: Any) -> float:
    try:
        length = other - one
        return float(length.total_seconds() if hasattr(length, "total_seconds") else length)
    except (TypeError, ValueError, OverflowError):
        return 0.0
