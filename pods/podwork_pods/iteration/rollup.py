"""Several runs as one: what `--all-pods` has started, over all the pods.

Owns: `Rollup`, which adds up what each pod says. Promises: one state for all, which is that of the busiest
while one of them is not over, and the worst of them at the end; what one pod does not know (how many rows
there are) nobody knows for all; the end is that of the last one. Leaves to others: asking the pods.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from podwork.iteration.states import RunState
from podwork_pods.iteration.status import RunStatus

_ORDER: Final = (
    RunState.RUNNING,
    RunState.THROTTLED,
    RunState.PAUSING,
    RunState.CANCELLING,
    RunState.INTERRUPTED,
    RunState.ENQUEUED,
    RunState.PAUSED,
    # Only where all are over:
    RunState.FAILED,
    RunState.CANCELLED,
    RunState.SUCCEEDED,
)


class Rollup(NamedTuple):
    """Runs of one group, at least one; a single run is a group of its own."""

    runs: Sequence[RunStatus]

    @property
    def id(self) -> str:
        """The group's id, or the run's."""
        run = self.runs[0].run
        return run.group_id or run.id

    @property
    def states(self) -> Counter[RunState]:
        """How many runs stand how."""
        return Counter(status.run.state for status in self.runs)

    @property
    def state(self) -> RunState:
        """One state for all."""
        return next(state for state in _ORDER if state in self.states)

    @property
    def is_over(self) -> bool:
        """Whether all of them are over."""
        return all(status.run.state.is_over for status in self.runs)

    @property
    def rows_done(self) -> int:
        """How many rows are committed."""
        return sum(status.rows_done for status in self.runs)

    @property
    def rows_total(self) -> int | None:
        """How many there were at the start; None: one of the runs did not count them."""
        return _sum([status.run.rows_total for status in self.runs])

    @property
    def share(self) -> float | None:
        """What part of the rows is done; None: nobody knows."""
        total = self.rows_total
        if total is None:
            return None
        return 1.0 if total <= 0 else min(1.0, self.rows_done / total)

    @property
    def rate(self) -> float:
        """Rows a second: of those that go on; when all are over, what they did on average."""
        going = [status for status in self.runs if not status.run.state.is_over]
        return sum(status.progress.rate for status in going or self.runs)

    @property
    def eta_seconds(self) -> float | None:
        """For how long the last one goes on; None: nobody knows, or nothing goes on."""
        ends = [status.progress.eta_seconds for status in self.runs if not status.run.state.is_over]
        return None if not ends or None in ends else max(end for end in ends if end is not None)

    @property
    def worked_seconds(self) -> float:
        """For how long the one that took longest has been working."""
        return max(status.progress.worked_seconds for status in self.runs)

    @property
    def started(self) -> float | None:
        """When the first of them began; None: none has."""
        return min(
            (status.run.started for status in self.runs if status.run.started is not None), default=None
        )

    @property
    def ended(self) -> float | None:
        """When the last of them ended; None: they go on."""
        if not self.is_over:
            return None
        ends = [status.run.ended for status in self.runs]
        return max((end for end in ends if end is not None), default=None)

    def total(self, name: str) -> int:
        """Return the sum of a number of the runs, or of their status: `quarantined`, `held`, `attempts`."""
        return sum(getattr(status if hasattr(status, name) else status.run, name) for status in self.runs)


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None
