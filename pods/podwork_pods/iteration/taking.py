"""How a partition changes its owner.

Owns: `Taking`. Promises: of those who take a partition at the same time one gets it, under the next lease
epoch; a slot is held once, because the database refuses it twice. No statement is held open between looking
and taking, so that whoever is stopped there stands in nobody's way. Leaves to others: what is offered
(`offers`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import bindparam, case, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from podwork.interfaces import Clock
from podwork.points import reach
from podwork_pods.driver_errors import is_deadlock, is_lock_timeout
from podwork_pods.iteration.errors import UnknownRun
from podwork_pods.iteration.offers import Dead, Held, Limits, Offer, choose
from podwork_pods.iteration.partition import COLUMNS, Partition, PartitionState, read
from podwork_pods.iteration.schema import partitions, runs
from podwork_pods.iteration.statements import Statements

_COLUMN: Final = partitions.c
_UNFINISHED: Final = (
    select(*(_COLUMN[name] for name in Held._fields))
    .where(
        _COLUMN.run_id == bindparam("of_run"),
        _COLUMN.state.in_((PartitionState.WAITING, PartitionState.RUNNING)),
    )
    .order_by(_COLUMN.number)
)
_LIMITS: Final = select(runs.c.state, runs.c.parallel_most, runs.c.forced).where(
    runs.c.id == bindparam("of_run")
)


class Taking:
    """Hands out the partitions of one pod's runs."""

    def __init__(self, statements: Statements, clock: Clock) -> None:
        self._statements = statements
        self._clock = clock

    def take(self, run_id: str, owner: str, dead: Dead) -> Partition | None:
        """Give the owner a partition; None: nothing is to be had. Raises UnknownRun."""
        locked: set[int] = set()
        # Ends: where a turn gets nothing, somebody else has taken something, or a row is set aside.
        while True:
            offer = self._look(run_id, dead, locked)
            if offer is None:
                return None
            reach("partitions.taking")
            try:
                taken = self._claim(run_id, offer, owner)
            except IntegrityError:
                continue  # the slot is somebody else's by now
            except DBAPIError as error:
                if is_lock_timeout(error):
                    locked.add(offer.seen.number)
                elif not is_deadlock(error):
                    raise
                continue
            if taken is not None:
                return taken

    def _look(self, run_id: str, dead: Dead, locked: Collection[int]) -> Offer | None:
        with self._statements.reading() as connection:
            limits = connection.execute(_LIMITS, {"of_run": run_id}).first()
            unfinished = connection.execute(_UNFINISHED, {"of_run": run_id}).all()
        if limits is None:
            raise UnknownRun(self._statements.pod_id, run_id)
        return choose(Limits(*limits), [Held(*row) for row in unfinished], dead, locked)

    def _claim(self, run_id: str, offer: Offer, owner: str) -> Partition | None:
        """Take what is offered, if it is still as it was seen."""
        seen, now = offer.seen, self._clock.now()
        this = (_COLUMN.run_id == run_id, _COLUMN.number == seen.number)
        change = update(partitions).where(
            *this, _COLUMN.lease_epoch == seen.lease_epoch, _COLUMN.state == seen.state
        )
        if offer.if_not_leased_since is not None:
            change = change.where(_COLUMN.leased_at < offer.if_not_leased_since)
        was_held = seen.state == PartitionState.RUNNING
        values = {
            "lease_epoch": seen.lease_epoch + 1,
            "lease_forced": offer.forced,
            "revision": _COLUMN.revision + 1,
            "owner": owner,
            "leased_at": now,
            "slot": offer.slot,
            "state": PartitionState.RUNNING,
            # Whoever held it has not given it back: something interrupted it.
            "interruptions": _COLUMN.interruptions + int(was_held),
            # And perhaps its own batch did: from now on batches are counted before they are begun (`trying`).
            "attempts": case((_COLUMN.attempts == 0, int(was_held)), else_=_COLUMN.attempts),
            "updated": now,
        }
        with self._statements.claiming() as connection:
            if connection.execute(change.values(values)).rowcount != 1:
                return None
        with self._statements.reading() as connection:
            row = connection.execute(select(*COLUMNS).where(*this)).first()
        taken = None if row is None else read(row)
        # Somebody may have declared us dead since.
        return taken if taken is not None and taken.lease_epoch == seen.lease_epoch + 1 else None
