"""Jobs that use more than they may: time past their hard limit, or, in processes of their own, memory.

Owns: what is done about them while the child lives. With `--isolate` the job's process is killed and the job
fails; nothing else happens. Without, no thread can be ended from outside: the child has to go, and these jobs
are failed at the very end (`Farewell`). Promises: a limit is seen within a second. Memory is the resident
memory of the process, pages shared with others included, as for a child. Leaves to others: the soft limit
(`soft_limit`), the memory of a child as a whole (`Supervisor`).
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from podwork.errors import MemoryLimitExceeded, PodworkError, TimeLimitExceeded
from podwork.worker.memory import rss_bytes

if TYPE_CHECKING:
    from podwork.lease import Lease
    from podwork.worker.isolation.isolation import Isolation
    from podwork.worker.running import RunningJobs

log = logging.getLogger("podwork.worker")


class Overruns:
    """Looks after the running jobs of one child; called by its main thread."""

    def __init__(self, running: RunningJobs, isolation: Isolation | None, memory_limit_bytes: int) -> None:
        self._running = running
        self._isolation = isolation
        self._memory_limit_bytes = memory_limit_bytes

    def keep(self) -> None:
        """Kill the processes of jobs that use more than they may."""
        isolation = self._isolation
        if isolation is None:
            return
        for lease in self._running.overdue(time.monotonic()):
            _kill(isolation, lease, TimeLimitExceeded("hard"))
        for lease, pid in isolation.running() if self._memory_limit_bytes else []:
            used_bytes = rss_bytes(pid)
            if used_bytes > self._memory_limit_bytes:
                _kill(isolation, lease, MemoryLimitExceeded(used_bytes, self._memory_limit_bytes))

    def beyond_help(self) -> list[Lease]:
        """Return the overdue jobs that nothing but the end of the child ends."""
        return self._running.overdue(time.monotonic()) if self._isolation is None else []


def _kill(isolation: Isolation, lease: Lease, reason: PodworkError) -> None:
    if isolation.kill(lease.id, reason):
        log.error("job %s (%s) is killed: %s", lease.id, lease.job_class, reason.what)
