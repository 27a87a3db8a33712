"""A pod whose shard was restored from an older backup, as plans see it.

Owns: `Restoring`, `Remembered`. What plans know of such a pod is younger than its own ledger: under an epoch
that its line has not reached again it is refused, and what the backup lacks counts as applied. Promises: only
what the pod said is forgotten, in all plans and in one transaction; what its ledger has it tells again, and
what it lacks is pending there as on a pod that is added. Leaves to others: the shard's own side
(`podwork_migrations.control`), which comes first: its epoch has to be ahead before anything is forgotten.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, select

from podwork_migrations.ledger.states import EntryState
from podwork_migrations.plan import deeds, placing, reports, rows, schema
from podwork_migrations.plan.deeds import Deed
from podwork_migrations.plan.fleet import Fleet
from podwork_migrations.plan.plans import Plans
from podwork_migrations.plan.store import PlanStore


class Remembered(NamedTuple):
    """What plans know of a pod: the last epoch of its line, and what counts as applied there."""

    epoch: int
    applied: Collection[str]


class Restoring:
    """Lets plans begin anew with what they know of a pod; it lets the plan move on that is under way."""

    def __init__(self, store: PlanStore, plans: Plans) -> None:
        self._store = store
        self._plans = plans

    def remembered(self, pod_id: int) -> Remembered:
        """Return what plans know of a pod."""

        def look(connection: Connection) -> Remembered:
            told = reports.of_pod(connection, pod_id)
            note = Fleet.of((), rows.notes(connection)).note(pod_id)
            epoch = max([note.epoch, *(int(row.lease_epoch) for row in told.values())])
            return Remembered(epoch, {one for one, row in told.items() if row.state == EntryState.APPLIED})

        return self._store.read(look)

    def forget(self, pod_id: int, reason: str, by: str) -> None:
        """Forget what a pod said; the epoch stays, so that who asked before the backup is refused still."""
        now = self._store.clock.now()

        def change(connection: Connection) -> None:
            reports.forget(connection, pod_id)
            notes = rows.notes(connection)
            if pod_id in notes:
                note = notes[pod_id]._replace(version=None, plan_id=None, since=None)
                rows.write_note(connection, note, is_new=False)
            of_pod = select(schema.placements.c.plan_id).where(schema.placements.c.pod_id == pod_id)
            for plan_id in list(connection.execute(of_pod).scalars()):
                placing.begin_anew(connection, plan_id, pod_id, now)
                deeds.write(
                    connection, plan_id, Deed(now, f"told that pod {pod_id} was restored", by, reason)
                )

        self._store.decide(change)
        self._plans.settle()
