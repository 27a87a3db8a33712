"""Who lets a pod go: the question that the runner asks before it begins a migration, and what it tells.

Owns: the protocol `Gate`, its answers `Go` and `Wait`, and `OpenGate`, which has no plan: everything may go.
Leaves to others: plans (`podwork_migrations.plan`).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from podwork_migrations.ledger.entry import Entry
from podwork_migrations.migration import Migration


class Go(NamedTuple):
    """The pod may begin; `plan_id` and `wave` are written into its ledger."""

    plan_id: str | None = None
    wave: int | None = None


class Wait(NamedTuple):
    """The pod may not begin yet, and why. `others_may`: a later migration may be asked for instead."""

    reason: str
    others_may: bool = False


class Gate(Protocol):
    """A plan's word about one pod after the other."""

    def may_start(self, pod_id: int, migration: Migration, epoch: int) -> Go | Wait:
        """Return whether the pod may begin the migration; a `Go` takes one of the places of the plan.

        It is asked by whoever has the line, under this epoch, while nothing is open on the pod: a place that
        the pod took before was not used, and who asks under an earlier epoch has lost the line.
        Asked again for the same pod and migration it answers the same, and takes no second place: the runner
        may have died in between. The place is free again when `report` tells of an entry that is not open.
        """
        ...

    def report(self, pod_id: int, entry: Entry) -> None:
        """Hear how an entry stands, after it was committed in the shard; told again and again, in order."""
        ...

    def tend(self) -> None:
        """Look after plans where no pod asks; called when a pod has nothing to begin. Cheap if none runs."""
        ...


class OpenGate:
    """Lets everything go; for a single pod, and for tests."""

    def may_start(self, pod_id: int, migration: Migration, epoch: int) -> Go | Wait:  # noqa: ARG002 - all go
        """Let it go."""
        return Go()

    def report(self, pod_id: int, entry: Entry) -> None:
        """Do nothing: nobody else has to know."""

    def tend(self) -> None:
        """Do nothing: there is no plan."""
