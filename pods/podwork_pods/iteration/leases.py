"""Leases of partitions: who holds which, whether he lives, how his batches fare, and how he gives it back.

Owns: `Leases` and its statements. Promises: a partition has one owner, the last who took it; each taking
has a higher lease epoch, and whoever has an older one changes nothing. No more are held at once than the run
allows: each is held in a slot, and the database refuses one slot twice. For a run of a shop all of it passes
the shop's fence (`FencedStatements`): whoever was frozen while the shop went away changes nothing of what
stayed behind. Leaves to others: who is dead (the caller says), and a batch's own changes (`partitions`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Connection, update

from podwork.interfaces import Clock
from podwork.points import reach
from podwork_pods.iteration.offers import Dead
from podwork_pods.iteration.partition import Leaving, Partition, PartitionState
from podwork_pods.iteration.remembered import HELD, bound
from podwork_pods.iteration.schema import partitions
from podwork_pods.iteration.statements import Statements, shortened
from podwork_pods.iteration.taking import Taking

_COLUMN: Final = partitions.c
_GIVEN_BACK: Final = {"state": PartitionState.WAITING, "owner": None, "slot": None}


class Leases:
    """Of the runs of one shop, or of a pod's own.

    Each call commits by itself. Those of a shop raise what its fence says: `StaleEpoch`, `ShopMoving`. Then
    nothing was written, and whoever has the shop goes on from what travelled.

    Args:
        statements: on the pod's shard; a shop's pass its fence.
        clock: dates leases and changes.
    """

    def __init__(self, statements: Statements, clock: Clock) -> None:
        self._statements = statements
        self._clock = clock
        self._taking = Taking(statements, clock)

    def take(
        self,
        run_id: str,
        owner: str,
        *,
        dead_owners: Collection[str] = (),
        not_leased_since: float | None = None,
    ) -> Partition | None:
        """Take a partition that waits, or one whose owner is declared dead; None: nothing is to be had.

        Args:
            run_id: the run. owner: who takes it.
            dead_owners: whose leases are over.
            not_leased_since: so are those that were not renewed since this wall time.

        Raises:
            UnknownRun: there is no such run.
        """
        dead = Dead(frozenset(dead_owners), not_leased_since)
        return self._taking.take(run_id, owner, dead)

    def renew(self, partition: Partition, *, throttle_reason: str | None = None) -> bool:
        """Say that the owner lives and, for people, what it waits for; return whether it still holds it.

        `advance` says so too. During a batch there is no need: its lock keeps everybody else away.
        """
        reason = None if throttle_reason is None else shortened(throttle_reason)
        return self._change(partition, leased_at=self._clock.now(), throttle_reason=reason)

    def trying(self, partition: Partition, rows: int) -> Partition | None:
        """Count a batch of so many rows before it is begun, and return the partition; None: it is lost.

        For a batch that others have failed with: if its process dies of it, that is known.
        """
        return self._counted(partition, rows)

    def attempt_failed(self, partition: Partition, error: str, rows: int | None = None) -> Partition | None:
        """Count a batch that was rolled back, and return the partition; None: it is lost.

        `rows` it had, if that is known; the error is for people.
        """
        return self._counted(partition, rows, last_error=shortened(error))

    def trial_failed(self, partition: Partition, error: str) -> bool:
        """Say why the batch failed that `trying` has counted; return whether the partition is still held."""
        return self._change(partition, leased_at=self._clock.now(), last_error=shortened(error))

    def release(
        self, partition: Partition, why: Leaving, note: str = "", connection: Connection | None = None
    ) -> bool:
        """Give back a partition that is not done; return whether it was still held.

        `note` says more. With a connection it is part of the transaction that it is in, whose fence counts.
        """
        values: dict[str, Any] = {**_GIVEN_BACK, "revision": _COLUMN.revision + 1, "throttle_reason": None}
        if why is Leaving.INTERRUPTED:
            values["interruptions"] = _COLUMN.interruptions + 1
        elif why is Leaving.THROTTLED:
            values["throttle_reason"] = shortened(note)
        elif why is Leaving.FAILED:
            values |= {"state": PartitionState.FAILED, "last_error": shortened(note)}
        return self._change(partition, connection, **values)

    def _counted(self, partition: Partition, rows: int | None, **more: Any) -> Partition | None:
        alone = int(rows == 1)
        counts: dict[str, Any] = {
            "attempts": _COLUMN.attempts + 1,
            "tried_alone": _COLUMN.tried_alone + alone,
        }
        if not self._change(partition, leased_at=self._clock.now(), tried_rows=rows, **counts, **more):
            return None
        return partition._replace(
            attempts=partition.attempts + 1,
            tried_alone=partition.tried_alone + alone,
            tried_rows=rows,
            **more,
        )

    def _change(self, partition: Partition, within: Connection | None = None, **values: Any) -> bool:
        change = update(partitions).where(*HELD).values(updated=self._clock.now(), **values)
        if within is not None:
            return within.execute(change, bound(partition)).rowcount == 1
        reach("leases.writing")
        with self._statements.writing() as connection:
            return connection.execute(change, bound(partition)).rowcount == 1
