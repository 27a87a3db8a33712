"""A run together with its partitions, as people look at it.

Owns: `RunStatus`: how far a run is, who works on it, what holds it back and what went wrong. A function of
rows that were read; it asks nobody. Promises: what nobody knows is None. Leaves to others: reading the rows
(`listing`), adding up over pods (`rollup`), and showing them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from podwork.iteration.progress import Progress
from podwork.iteration.states import RunState
from podwork_pods.iteration.partition import Partition, PartitionState
from podwork_pods.iteration.run import Run


class RunStatus(NamedTuple):
    """A run and its partitions, by number, as they were at `now` (wall time in seconds)."""

    run: Run
    partitions: Sequence[Partition]
    now: float

    @property
    def rows_done(self) -> int:
        """How many rows are committed."""
        return sum(part.rows_done for part in self.partitions)

    @property
    def progress(self) -> Progress:
        """How far it is; its rate is the average over the time in which it was to work."""
        run = self.run
        idle = run.idle_at(self.now)
        return Progress(self.rows_done, run.rows_total, run.started, self.now, run.ended, idle)

    @property
    def held(self) -> int:
        """How many partitions are worked on."""
        return self.count(PartitionState.RUNNING)

    @property
    def attempts(self) -> int:
        """How many batches failed since the partitions they belong to made progress."""
        return sum(part.attempts for part in self.partitions)

    @property
    def interruptions(self) -> int:
        """How often somebody who worked on it had to stop: a deployment, a crash, a lease that ran out."""
        return sum(part.interruptions for part in self.partitions)

    @property
    def throttle_reasons(self) -> list[str]:
        """What holds it back now, each thing once."""
        if self.run.state.is_over:
            return []
        reasons = (part.throttle_reason for part in self.partitions)
        return list(dict.fromkeys(reason for reason in reasons if reason))

    @property
    def words(self) -> str:
        """What matters about its state, in words: the reason that was given, or what holds it back."""
        if self.run.state is RunState.FAILED and not self.run.reason:
            errors = (part.last_error for part in self.partitions if part.state is PartitionState.FAILED)
            return next((error for error in errors if error), "")
        return self.run.reason or "; ".join(self.throttle_reasons)

    def count(self, state: PartitionState) -> int:
        """Return how many partitions stand so."""
        return sum(part.state is state for part in self.partitions)
