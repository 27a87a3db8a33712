"""What the processors of a child run at this moment, and which of it is asked to stop.

Owns: the register. Each processor writes its own entry, with one assignment when a job begins and one when it
has ended, so that keeping it costs no lock and next to no time; others read copies. Promises: a job is in it
from before it may start until its code has come to an end, and not while its end is being written down: who
replaces this process because of `overdue` stops a job, not a transition that waits for Redis. Leaves to
others: raising `TimeLimitExceeded` in jobs (`podwork.worker.soft_limit`), what follows from `overdue` and who
calls `cancel` (the child).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from podwork.job import JobClass
    from podwork.lease import Lease
    from podwork.worker.life import Life

MOST_CANCELLED: Final = 10_000
"""How many cancelled jobs are remembered. One that is forgotten is not told; it still never runs again."""


class RunningJob(NamedTuple):
    """A job that runs: on which processor, and for how long by now."""

    processor: int
    lease: Lease
    job_class: JobClass[Any]
    seconds: float


class RunningJobs:
    """The register of one child. Safe to use from every thread."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self.now: dict[int, tuple[Lease, JobClass[Any], float] | None] = {}
        """By processor: what it runs, since when (monotonic). Each writes its own entry."""
        self.cancelled: dict[str, None] = {}
        """Ids of the cancelled, in the order in which the word came; processors ask whether there are any."""
        self._yielding: frozenset[Lease] = frozenset()
        """What is held of shops that are about to move. These leases, not their jobs: given back and claimed
        again, a job is asked nothing."""

    def all(self) -> list[RunningJob]:
        """Return what runs now, by processor."""
        now = time.monotonic()
        return [
            RunningJob(number, entry[0], entry[1], now - entry[2])
            for number, entry in sorted(self.now.copy().items())
            if entry is not None
        ]

    def overdue(self, now: float) -> list[Lease]:
        """Return the jobs that are past the hard limit of their class; `now` is monotonic."""
        late = []
        for entry in list(self.now.values()):
            if entry is not None:
                lease, job_class, started = entry
                limit_seconds = job_class.policy.hard_limit_seconds
                if limit_seconds is not None and now - started > limit_seconds:
                    late.append(lease)
        return late

    def cancel(self, job_id: str) -> bool:
        """Ask a job to stop; False: it does not run now, and if it waits here it does not start.

        Its context says `cancelled` from now on. The scripts already know: whatever becomes of it here, it
        never runs again.
        """
        self.cancelled[job_id] = None
        while len(self.cancelled) > MOST_CANCELLED:
            self.cancelled.pop(next(iter(self.cancelled)), None)
        return self.runs(job_id)

    def yield_shop(self, shop: str, held: Sequence[Lease]) -> list[str]:
        """Ask the jobs of a shop to end soon, of all that this child holds; return the ids of those that run.

        A job that may start only once is not asked: it could not begin again.
        """
        self._yielding = frozenset(one for one in held if one.shop == shop or one in self._yielding)
        return [job.lease.id for job in self.all() if self._is_yielding(job.lease.id)]

    # Asked by jobs, through their contexts

    def runs(self, job_id: str) -> bool:
        """Return whether the job runs now."""
        return any(entry is not None and entry[0].id == job_id for entry in list(self.now.values()))

    def is_cancelled(self, job_id: str) -> bool:
        """Return whether a person has cancelled the job."""
        return job_id in self.cancelled

    def should_stop(self, job_id: str) -> bool:
        """Return whether the job is asked to end soon.

        So it is when the worker stops, when a person has cancelled it, and when its shop is about to move.
        """
        return self._life.stopping or job_id in self.cancelled or self._is_yielding(job_id)

    def _is_yielding(self, job_id: str) -> bool:
        if not self._yielding:
            return False
        return any(
            entry[0] in self._yielding and not entry[1].policy.at_most_once
            for entry in list(self.now.values())
            if entry is not None and entry[0].id == job_id
        )
