"""Quarantine: items of a run that failed again and again, and were left out so that the run goes on.

Owns: `Quarantined`, `Quarantine` and its statements. Promises: an item is put here by the transaction that
moves the cursor past it, so that it is neither done nor lost; of all partitions of a run together no more are
put here than it may have; one that is retried is done once, whoever else retries it. Leaves to others:
finding the item that is to blame, and doing it again (the loop).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection, Engine, insert, select, update

from podwork.interfaces import Clock, SystemClock
from podwork.iteration.collection import Cursor
from podwork.iteration.cursor import decode, encode
from podwork_pods.iteration.partition import Partition
from podwork_pods.iteration.schema import quarantined, runs
from podwork_pods.iteration.statements import Statements, cursor_of, key, shortened


class Quarantined(NamedTuple):
    """An item that was left out: the one at `cursor`, the first behind `after` when it was left out."""

    id: int
    run_id: str
    partition: int
    after: Cursor | None
    cursor: Cursor
    error: str
    failed_at: float
    """Wall time in seconds, of the last time."""
    retried: float | None
    """Likewise, when it was done after all; None: it stands in quarantine."""


class Quarantine:
    """The items that were left out of runs of one pod.

    Args:
        pod_id: the pod.
        engine: gives an engine of its shard that commits every statement by itself (`make_engine`).
        clock: dates failures and retries.
    """

    def __init__(self, pod_id: int, engine: Callable[[], Engine], clock: Clock | None = None) -> None:
        self.pod_id = pod_id
        self._statements = Statements(pod_id, engine)
        self._clock = clock or SystemClock()

    def add(
        self, connection: Connection, partition: Partition, cursor: Cursor, error: str, *, limit: int
    ) -> bool:
        """Leave out the item at `cursor`; False: the run has as many as it may have, nothing was written.

        Args:
            connection: the batch's transaction, which holds the partition and then advances it to `cursor`.
            It
                holds the run's row, too, until it ends: the limit is for all partitions together.
            partition: what `Partitions.lock` returned in it.
            cursor: of the item.
            error: why it failed.
            limit: how many items of the run may stand in quarantine.
        """
        one_more = (
            update(runs)
            .where(runs.c.id == partition.run_id, runs.c.quarantined < limit)
            .values(quarantined=runs.c.quarantined + 1)
        )
        if connection.execute(one_more).rowcount != 1:
            return False
        row = {
            "run_id": partition.run_id,
            "number": partition.number,
            "after_cursor": key(partition.slice.after if partition.cursor is None else partition.cursor),
            "last_cursor": encode(cursor),
            "error": shortened(error),
            "failed_at": self._clock.now(),
        }
        connection.execute(insert(quarantined).values(row))
        return True

    def page(
        self, run_id: str, *, after: int = 0, limit: int = 100, retried: bool | None = None
    ) -> list[Quarantined]:
        """Return items of a run with ids above `after`, in order; all, or only those (not) done since."""
        columns = quarantined.c
        query = select(quarantined).where(columns.run_id == run_id, columns.id > after)
        if retried is not None:
            query = query.where(columns.retried.is_not(None) if retried else columns.retried.is_(None))
        with self._statements.reading() as connection:
            rows = connection.execute(query.order_by(columns.id).limit(limit)).all()
        return [
            Quarantined(
                row.id,
                row.run_id,
                row.number,
                cursor_of(row.after_cursor),
                decode(row.last_cursor),
                row.error,
                row.failed_at,
                row.retried,
            )
            for row in rows
        ]

    def retry(self, connection: Connection, item: Quarantined) -> bool:
        """Say that the item is done, in the transaction that does it; False: somebody else has done it.

        To be asked before the item is worked on: who asks at the same time waits for this transaction's end.
        """
        this = update(quarantined).where(quarantined.c.id == item.id, quarantined.c.retried.is_(None))
        if connection.execute(this.values(retried=self._clock.now())).rowcount != 1:
            return False
        one_less = update(runs).where(runs.c.id == item.run_id)
        connection.execute(one_less.values(quarantined=runs.c.quarantined - 1))
        return True

    def failed_again(self, connection: Connection, item: Quarantined, error: str) -> bool:
        """Keep why a retry failed, after it was rolled back; False: somebody else has done the item."""
        this = update(quarantined).where(quarantined.c.id == item.id, quarantined.c.retried.is_(None))
        change = this.values(error=shortened(error), failed_at=self._clock.now())
        return connection.execute(change).rowcount == 1
