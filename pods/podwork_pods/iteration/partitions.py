"""Partitions of runs in a pod's shard: how far each is, and the lock under which it gets on.

Owns: `Partitions` and its statements. Promises: whoever has an older lease than the last writes nothing:
`lock` holds the row until the batch commits, and refuses. No row of the collection is lost or repeated by
`split`: it changes bounds under the same lock, and a batch is refused that was made for other bounds than
those of `lock`.

On MariaDB and MySQL a batch locks the row of its own partition, and no other; SQLite has one writer at a
time, and `BEGIN IMMEDIATE` holds everything. An owner that was stopped in the middle of a batch keeps its row
locked until the server drops its connection: until then its partition cannot be taken over, and `Leases.take`
goes on with others. Locks are taken in the order fence (of a shop's run), partition, run. Leaves to others:
who holds which (`leases`), and what is done with the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from sqlalchemy import Connection, Engine, bindparam, func, insert, select, update

from podwork.interfaces import Clock, SystemClock
from podwork.iteration.collection import Cursor, Slice
from podwork.points import reach
from podwork_pods.iteration.partition import COLUMNS, Partition, PartitionState, new_row, read
from podwork_pods.iteration.prepared import Prepared
from podwork_pods.iteration.remembered import HELD, LOCK, READ, Locked, bound, lock, lost
from podwork_pods.iteration.schema import partitions, runs
from podwork_pods.iteration.statements import Statements, key, unprepared

Middle = Callable[[Connection, Slice, Cursor | None], Cursor | None]
"""Says where to cut what lies behind a cursor of a slice: a cursor behind it and inside; None: nowhere."""

_COLUMN: Final = partitions.c
_ADVANCING: Final = (
    update(partitions)
    .where(*HELD, _COLUMN.revision == bindparam("at_revision"))
    .values(
        {
            "last_cursor": bindparam("to_cursor"),
            "rows_done": _COLUMN.rows_done + bindparam("more_rows"),
            "batches": _COLUMN.batches + bindparam("more_batches"),
            "attempts": 0,
            "tried_rows": None,
            "tried_alone": 0,
            "throttle_reason": None,
            "revision": _COLUMN.revision + 1,
            "leased_at": bindparam("moment"),
            "updated": bindparam("moment"),
        }
    )
)
_ADVANCE: Final = Prepared(_ADVANCING)
_ADVANCE_TO_END: Final = Prepared(_ADVANCING.values(state=PartitionState.DONE, slot=None))


class Partitions:
    """The partitions of all runs of one pod.

    Methods that take a connection are part of the transaction that it is in; the others only read.

    Args:
        pod_id: the pod.
        engine: gives an engine of its shard that commits every statement by itself (`make_engine`).
        clock: dates changes.
    """

    def __init__(self, pod_id: int, engine: Callable[[], Engine], clock: Clock | None = None) -> None:
        self.pod_id = pod_id
        self._statements = Statements(pod_id, engine)
        self._clock = clock or SystemClock()

    # Reading

    def of(self, run_id: str) -> list[Partition]:
        """Return all partitions of a run, by number."""
        query = select(*COLUMNS).where(_COLUMN.run_id == run_id).order_by(_COLUMN.number)
        with self._statements.reading() as connection:
            return [read(row) for row in connection.execute(query)]

    def rows_done(self, run_ids: Collection[str]) -> dict[str, int]:
        """Return how many rows are done in each of these runs."""
        query = (
            select(_COLUMN.run_id, func.sum(_COLUMN.rows_done))
            .where(_COLUMN.run_id.in_(run_ids))
            .group_by(_COLUMN.run_id)
        )
        with self._statements.reading() as connection:
            found = {run_id: int(rows) for run_id, rows in connection.execute(query)}
        return {run_id: found.get(run_id, 0) for run_id in run_ids}

    def holders(self, run_id: str) -> int:
        """Return how many partitions of a run are held, by the living and the dead."""
        query = select(func.count()).where(_COLUMN.run_id == run_id, _COLUMN.state == PartitionState.RUNNING)
        with self._statements.reading() as connection:
            return int(connection.execute(query).scalar_one())

    # Batches

    def lock(self, connection: Connection, partition: Partition) -> Partition:
        """Do as `lock_with_run`, and return the partition alone."""
        return self.lock_with_run(connection, partition).partition

    def lock_with_run(
        self, connection: Connection, partition: Partition, told_revision: int | None = None
    ) -> Locked:
        """Return the partition as it is, and hold it until the batch's transaction ends; its first statement.

        Go on from what is returned: after a commit whose answer was lost the cursor is further than
        remembered, and after a split the slice is shorter. What was remembered is returned as it is if the
        row still has its revision. `told_revision` is the run's as of the last `lock` under this lease: if it
        has not changed, the run was not forced since.

        Raises:
            PartitionLost: somebody has taken it over, or the run was forced. Roll back.
        """
        with unprepared(self.pod_id):
            locked = lock(connection, partition, told_revision)
        reach("partitions.locked")
        return locked

    def advance(
        self, connection: Connection, partition: Partition, cursor: Cursor | None, rows: int, *, done: bool
    ) -> Partition:
        """Write down that the batch's rows are done, in its transaction; return the partition as it then is.

        Args:
            connection: the batch's transaction.
            partition: what `lock` returned in it.
            cursor: of the last row done; the partition's own if there was none.
            rows: how many rows were done.
            done: nothing is left of the partition.

        Raises:
            PartitionLost: the partition is not as `lock` returned it. Roll back.
        """
        now = self._clock.now()
        written = {
            **bound(partition),
            "at_revision": partition.revision,
            "to_cursor": key(cursor),
            "more_rows": rows,
            "more_batches": int(rows > 0),
            "moment": now,
        }
        if (_ADVANCE_TO_END if done else _ADVANCE).execute(connection, written).rowcount != 1:
            raise lost(partition, f"it is not at revision {partition.revision} any more")
        return partition._replace(
            cursor=cursor,
            rows_done=partition.rows_done + rows,
            batches=partition.batches + int(rows > 0),
            attempts=0,
            tried_rows=None,
            tried_alone=0,
            throttle_reason=None,
            revision=partition.revision + 1,
            leased_at=now,
            updated=now,
            state=PartitionState.DONE if done else partition.state,
            slot=None if done else partition.slot,
        )

    def split(self, connection: Connection, run_id: str, number: int, middle: Middle) -> Partition | None:
        """Cut off the far part of what is left of a partition, and return it as one that waits.

        Waits for the batch under way; its owner sees the nearer end at its next `lock`. None: the partition
        is over, or `middle`, which is asked under the lock, found too little left.

        Raises:
            UnusableCursor: the place to cut at cannot be kept.
        """
        at = {"of_run": run_id, "of_number": number}
        if LOCK.execute(connection, at).first() is None:
            return None
        found = read(connection.execute(READ, at).one())
        if found.state not in (PartitionState.WAITING, PartitionState.RUNNING):
            return None
        cut = middle(connection, found.slice, found.cursor)
        start = found.slice.after if found.cursor is None else found.cursor
        if cut is None or key(cut) in (key(start), key(found.slice.upto)):
            return None
        reach("partitions.splitting")
        now = self._clock.now()
        shorter = {"upto_cursor": key(cut), "revision": found.revision + 1, "updated": now}
        connection.execute(
            update(partitions).where(_COLUMN.run_id == run_id, _COLUMN.number == number).values(shorter)
        )
        new = new_row(run_id, self._next_number(connection, run_id), Slice(cut, found.slice.upto), now)
        connection.execute(insert(partitions), [new])
        made = connection.execute(READ, {**at, "of_number": new["number"]})
        return read(made.one())

    def reopen(self, connection: Connection, run_id: str) -> int:
        """Let the failed partitions of a run be taken again; return how many there were."""
        change = (
            update(partitions)
            .where(_COLUMN.run_id == run_id, _COLUMN.state == PartitionState.FAILED)
            .values(
                state=PartitionState.WAITING,
                attempts=0,
                tried_rows=None,
                tried_alone=0,
                updated=self._clock.now(),
            )
        )
        return connection.execute(change).rowcount

    def _next_number(self, connection: Connection, run_id: str) -> int:
        """Return the number of one more partition. The run's row keeps two splits apart."""
        this = runs.c.id == run_id
        connection.execute(update(runs).where(this).values(partitions=runs.c.partitions + 1))
        return int(connection.execute(select(runs.c.partitions).where(this)).scalar_one()) - 1
