"""The end of a child: what is left goes back, then it leaves.

Owns: the order of the end. Promises: it takes at most `FAREWELL_SECONDS`, even if Redis does not answer: then
the lease runs out instead; jobs that did not end in time are given back without an attempt spent (J6), those
that must not start twice are buried; a job past its hard limit is failed last of all, right before the
process ends: its thread cannot be ended before, and is not to run beside the next attempt. With `--isolate`
the job processes are killed first, so nothing runs beside anything. Leaves to others: when it is time
(`Child`), the exit.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final

from podwork.errors import PodworkError
from podwork.points import reach

if TYPE_CHECKING:
    from podwork.worker.boot import Threads
    from podwork.worker.isolation.isolation import Isolation
    from podwork.worker.spec import Connections, Surroundings

FAREWELL_SECONDS: Final = 2.0
KILL_SECONDS: Final = 0.5
SETTLE_SECONDS: Final = 0.5
POLL_SECONDS: Final = 0.005

log = logging.getLogger("podwork.worker")


class Farewell:
    """Says good-bye for one child."""

    def __init__(
        self,
        connections: Connections,
        surroundings: Surroundings,
        threads: Threads,
        isolation: Isolation | None,
    ) -> None:
        self._connections = connections
        self._surroundings = surroundings
        self._threads = threads
        self._isolation = isolation

    def say(self) -> None:
        """Give back what is left and deregister, as far as Redis answers in time."""
        speaker = threading.Thread(target=self._say, daemon=True)
        speaker.start()
        speaker.join(FAREWELL_SECONDS)

    def _say(self) -> None:
        try:
            if self._isolation is not None:
                self._isolation.abandon(KILL_SECONDS)
            self._give_back()
            self._fail_overdue()
            reach("worker.before-deregister")
            self._surroundings.life.left = True
            self._connections.queues.deregister(self._surroundings.life.incarnation)
            self._connections.close()
        except PodworkError as error:
            log.warning(
                "child %d could not leave in order, its lease runs out instead: %s", os.getpid(), error
            )

    def _give_back(self) -> None:
        overdue = {lease.id for lease in self._threads.crew.running.overdue(time.monotonic())}
        unfinished = [lease for lease in self._threads.manager.running() if lease.id not in overdue]
        if unfinished:
            reach("worker.before-give-back")
            given_back = self._threads.crew.fates.give_back(unfinished)
            log.warning("child %d gave back jobs that did not end in time: %d", os.getpid(), given_back)

    def _fail_overdue(self) -> None:
        crew, manager, now = self._threads.crew, self._threads.manager, time.monotonic()
        late = {lease.id for lease in crew.running.overdue(now)}
        for job in crew.running.all():
            if job.lease.id in late:
                reach("worker.before-overran")
                crew.fates.overran(job.lease, job.job_class)
                # One that its retry policy drops is ended by the manager, like others that end.
                deadline = now + SETTLE_SECONDS
                while job.lease.id in manager.held() and time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS)
