"""What `podctl runs get --watch` knows of a run: look after look, with how fast it went of late.

Owns: `Sight` and `Sights`. Promises: a pod that does not answer is shown as it was seen last, and is waited
for; a rate is what was done in the last seconds, by the time between the looks. Leaves to others: finding the
runs (`run_places`), and how they look (`run_screen`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from podwork.errors import PodworkError
from podwork_ops.cli.run_places import Found
from podwork_pods.iteration.rollup import Rollup
from podwork_pods.iteration.status import RunStatus

WINDOW_SECONDS = 10.0


class Sight(NamedTuple):
    """A run, or a group as one, at one moment.

    `rates`: rows a second of late, by the run's id; None: it was seen once only. `failures`: of the pods that
    do not answer; their runs are shown as they were.
    """

    rollup: Rollup
    rates: Mapping[str, float | None]
    failures: Mapping[int, PodworkError]

    @property
    def rate(self) -> float | None:
        """Rows a second of all together; None: nobody knows."""
        known = [rate for rate in self.rates.values() if rate is not None]
        return sum(known) if known else None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be seen."""
        return self.rollup.is_over and not self.failures

    def rate_of(self, status: RunStatus) -> float | None:
        """Return how fast a run goes; once it is over, how fast it went on average."""
        if status.run.state.is_over:
            return status.progress.rate or None
        return self.rates.get(status.run.id)

    def eta_of(self, status: RunStatus) -> float | None:
        """Return for how long a run goes on at that rate; None: nobody knows, or it is over."""
        rate, left = self.rate_of(status), status.progress.rows_left
        if status.run.state.is_over or left is None or not rate:
            return None
        return left / rate

    @property
    def eta_seconds(self) -> float | None:
        """For how long the last one goes on; None: nobody knows."""
        ends = [self.eta_of(status) for status in self.rollup.runs if not status.run.state.is_over]
        return None if not ends or None in ends else max(end for end in ends if end is not None)


class Sights:
    """Looks at a run again and again.

    Args:
        look: finds what is to be seen; raises PodworkError.
        now: the monotonic time in seconds.
    """

    def __init__(self, look: Callable[[], Found], now: Callable[[], float]) -> None:
        self._look = look
        self._now = now
        self._known: dict[tuple[int, str], RunStatus] = {}
        self._counts: dict[str, deque[tuple[float, int]]] = {}

    def next(self) -> Sight:
        """Look once more. Raises what the first look raises; later ones are shown as failures."""
        failures: Mapping[int, PodworkError]
        try:
            found = self._look()
        except PodworkError as error:
            if not self._known:
                raise
            failures = {pod_id: error for pod_id, _ in self._known}
        else:
            failures = found.failures
            self._note(found.rollup.runs)
        runs = [status for _, status in sorted(self._known.items())]
        return Sight(Rollup(runs), {run_id: self._rate(run_id) for run_id in self._counts}, failures)

    def _note(self, statuses: Sequence[RunStatus]) -> None:
        now = self._now()
        for status in statuses:
            run = status.run
            self._known[run.pod_id, run.id] = status
            counts = self._counts.setdefault(run.id, deque())
            counts.append((now, status.rows_done))
            while len(counts) > 2 and counts[1][0] <= now - WINDOW_SECONDS:
                counts.popleft()

    def _rate(self, run_id: str) -> float | None:
        counts = self._counts[run_id]
        (began, before), (now, after) = counts[0], counts[-1]
        return None if now <= began else max(0.0, (after - before) / (now - began))
