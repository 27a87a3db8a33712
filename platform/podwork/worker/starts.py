"""May this job start? What is asked, and said, before some jobs: few of them, so that the others pay nothing.

| the job | then |
| --- | --- |
| was cancelled by a person while it waited in this process | ended as cancelled |
| has an expiry in the past, and has never been at work | ended as expired |
| may start only once; or was reclaimed before; or has a lock until its start | `start.lua` is told first |

Owns: that table. Promises: a job of an at-most-once class starts only after Redis has taken down that it
does: from then on nobody starts it again (`scripts/reclaim.lua` buries it, `Fates` does). A job that failed
or was interrupted has been at work: its expiry, by which it must have started, is met. Leaves to others: the
lease, the class, the fence (`Processor`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwork.points import reach
from podwork.record import NO_EXTRAS
from podwork.worker.manager import Ended
from podwork.worker.settlement import Settlement

if TYPE_CHECKING:
    from podwork.job import JobClass
    from podwork.lease import Lease
    from podwork.worker.running import RunningJobs


class Starts:
    """Asks and says it for the processors of a child."""

    def __init__(self, settlement: Settlement, running: RunningJobs) -> None:
        self._settlement = settlement
        self._cancelled = running.cancelled

    def is_plain(self, lease: Lease, job_class: JobClass[Any]) -> bool:
        """Return whether there is nothing to ask. In the path of every job."""
        head = lease.head
        return not (
            head.reclaims or head.extras != NO_EXTRAS or job_class.policy.at_most_once or self._cancelled
        )

    def may_start(self, lease: Lease, job_class: JobClass[Any]) -> bool:
        """Return whether the job may start; if not, it has been dealt with."""
        if lease.id in self._cancelled:
            self._settlement.end(Ended(lease, "cancelled", None, None))
            return False
        if has_expired(lease, self._settlement.now()):
            self._settlement.end(Ended(lease, "expired", None, None))
            return False
        once = job_class.policy.at_most_once
        if not (once or lease.reclaims or "u" in lease.extras):
            return True
        reach("worker.before-start")
        held = self._settlement.insist(lambda queues, me: queues.start(me, lease, at_most_once=once))
        if not held:
            self._settlement.let_go(lease, "lost")
        return held


def has_expired(lease: Lease, now: float) -> bool:
    """Return whether the job had to start before `now` (seconds since 1970), and has not."""
    if lease.attempts or lease.interruptions:
        return False
    expires_ms = lease.extras.get("x")
    return expires_ms is not None and int(expires_ms) <= now * 1000
