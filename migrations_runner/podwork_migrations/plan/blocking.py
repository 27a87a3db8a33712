"""Pods that a person leaves out for now, and those that are gone for good.

Owns: `Blocking`. Promises: a pod that is blocked begins nothing and is not waited for; what it has begun
keeps its place until the pod itself says that it is over; a place that nobody uses is freed by a person's
word, and never where the pod said last that something is open. Leaves to others: pods that the registry says
are frozen or down, which need no word here (`fleet`).
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, delete

from podwork_migrations.plan import reports, rows, schema
from podwork_migrations.plan.errors import InvalidPlan
from podwork_migrations.plan.fleet import Fleet
from podwork_migrations.plan.plan import PodNote
from podwork_migrations.plan.plans import Plans
from podwork_migrations.plan.store import PlanStore


class Blocking:
    """Blocks pods; each method lets the plan move on that is under way."""

    def __init__(self, store: PlanStore, plans: Plans) -> None:
        self._store = store
        self._plans = plans

    def block(self, pod_id: int, reason: str, by: str) -> None:
        """Leave a pod out until it is unblocked."""
        now = self._store.clock.now()
        self._note(
            pod_id,
            lambda note: note._replace(
                blocked=rows.clipped(reason), blocked_by=rows.clipped(by, 255), blocked_at=now
            ),
        )

    def unblock(self, pod_id: int) -> None:
        """Take a pod up again."""
        self._note(pod_id, lambda note: note._replace(blocked=None, blocked_by=None, blocked_at=None))

    def free(self, pod_id: int) -> None:
        """Free the place of a pod that was let go, and has begun nothing.

        Raises:
            InvalidPlan: it said last that it is in the middle of a migration.
        """

        def change(connection: Connection, note: PodNote) -> PodNote:
            _check_nothing_open(connection, pod_id)
            return note._replace(version=None, plan_id=None, since=None)

        self._change(pod_id, change)

    def check_free(self, pod_id: int) -> None:
        """Raise as `free` would; nothing is changed."""
        self._store.read(lambda connection: _check_nothing_open(connection, pod_id))

    def forget(self, pod_id: int, registered: bool) -> None:
        """Drop all that is known of a pod which was removed from the registry.

        Raises:
            InvalidPlan: it is `registered`.
        """
        if registered:
            raise InvalidPlan(f"pod {pod_id} is in the registry", "block it instead")

        def change(connection: Connection) -> None:
            reports.forget(connection, pod_id)
            for table in (schema.placements, schema.pods):
                connection.execute(delete(table).where(table.c.pod_id == pod_id))

        self._store.decide(change)
        self._plans.settle()

    def _note(self, pod_id: int, change: Callable[[PodNote], PodNote]) -> None:
        self._change(pod_id, lambda _, note: change(note))

    def _change(self, pod_id: int, change: Callable[[Connection, PodNote], PodNote]) -> None:
        def decide(connection: Connection) -> None:
            known = Fleet.of((), rows.notes(connection))
            note = change(connection, known.note(pod_id))
            rows.write_note(connection, note, is_new=pod_id not in known.notes)

        self._store.decide(decide)
        self._plans.settle()


def _check_nothing_open(connection: Connection, pod_id: int) -> None:
    if reports.is_open(connection, pod_id):
        raise InvalidPlan(
            f"pod {pod_id} is in the middle of a migration",
            "its place is free when it is done; block the pod to go on without it",
        )
