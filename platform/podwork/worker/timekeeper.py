"""The clockwork of a child: promotes what is due, sounds alarms, reclaims, unparks.

Owns: the rhythm, in a thread and with a connection of its own. Every child of a pod keeps the same time: the
scripts are short when there is nothing to do, and no child has to be alive for the others' sake. When
something is due next is read with plain commands; Redis's time is estimated from the last heartbeat, and an
estimate that is off only costs promptness: the scripts go by Redis's clock. Promises: a job that is due is
queued within `LONGEST_PAUSE_SECONDS`, one that this child has put off when it is due (`expect`): a job that
snoozes for a moment waits no longer than it asked to. An alarm goes off within two such pauses, and what a
process held whose lease has expired is queued at the next heartbeat of any other. Leaves to others: the work
(`reclaimer`, `promoter`).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import TYPE_CHECKING, Final

from podwork.observation import Tally
from podwork.worker.awaiting import ASK_SECONDS, Runnable
from podwork.worker.life import Life, LifeThread
from podwork.worker.outage import TROUBLE, Outage, pause_seconds
from podwork.worker.promoter import promote_due, unpark_known
from podwork.worker.reclaimer import sweep

if TYPE_CHECKING:
    from podwork.queues import Pulse, Queues

LONGEST_PAUSE_SECONDS: Final = 0.9
SHORTEST_PAUSE_SECONDS: Final = 0.01
ALARMS_SECONDS: Final = 60.0

log = logging.getLogger("podwork.worker")


class Timekeeper(LifeThread):
    """Does what is due for the pod as a whole; `runnable`: the job classes that may run here now."""

    def __init__(self, queues: Queues, runnable: Runnable, tally: Tally, life: Life, outage: Outage) -> None:
        super().__init__("podwork-timekeeper", life)
        self._queues = queues
        self._runnable = runnable
        self._tally = tally
        self._outage = outage
        self._redis_ahead_seconds = time.time() - time.monotonic()
        self._somebody_expired = True
        self._unpark_at = 0.0
        self._alarms_until = 0.0
        self._looked = False
        self._sleeps_until = math.inf
        self._woken = threading.Event()

    def heard(self, pulse: Pulse) -> None:
        """Take in what a heartbeat heard; called by the heartbeat's thread."""
        self._redis_ahead_seconds = pulse.now_ms / 1000 - time.monotonic()
        self._somebody_expired = self._somebody_expired or pulse.expired

    def expect(self, due: float) -> None:
        """Take in that a job was put off until then (seconds since 1970); called by whoever has done it."""
        if due - self._redis_ahead_seconds < self._sleeps_until:
            self._woken.set()

    def work(self) -> None:
        """Tick for ever."""
        failures = 0
        while True:
            try:
                pause = self.tick(time.monotonic())
                self._outage.over()
                failures = 0
            except TROUBLE as error:
                self._outage.began(error)
                pause = pause_seconds(failures)
                failures += 1
            self._sleep(pause)

    def _sleep(self, seconds: float) -> None:
        """Wait until something may be due."""
        self._sleeps_until = time.monotonic() + seconds
        self._woken.wait(seconds)
        # Until the next sleep whatever is put off wakes: the tick may have looked before it was there.
        self._sleeps_until = math.inf
        self._woken.clear()

    def tick(self, now: float) -> float:
        """Do what is due; return for how many seconds nothing will be. `now` is monotonic."""
        if self._somebody_expired:
            self._somebody_expired = False
            sweep(self._queues, self._tally)
        if now >= self._unpark_at:
            lease_seconds = self.life.lease_seconds
            # What waits for a migration is let in soon after it; asking costs a script each time.
            self._unpark_at = now + (ASK_SECONDS if self._runnable.waits_for else lease_seconds)
            if unparked := unpark_known(self._queues, self._runnable.versions):
                log.info("%d parked jobs are queued again: this revision knows their class", unparked)
        # Where no alarm was set lately, the next look at them may miss a turn: it halves what idling costs.
        looks = now < self._alarms_until or not self._looked
        job_due_ms, alarm_due_ms = self._queues.next_due(alarms=looks)
        self._looked = looks
        if alarm_due_ms is not None:
            self._alarms_until = now + ALARMS_SECONDS
        redis_now_ms = (now + self._redis_ahead_seconds) * 1000
        if job_due_ms is not None and job_due_ms <= redis_now_ms:
            promote_due(self._queues)
        if alarm_due_ms is not None and alarm_due_ms <= redis_now_ms:
            while self._queues.sound_alarms() > 0:
                pass
        ahead = [due - redis_now_ms for due in (job_due_ms, alarm_due_ms) if due is not None]
        return min(LONGEST_PAUSE_SECONDS, max(SHORTEST_PAUSE_SECONDS, min(ahead, default=1e9) / 1000))
