"""The clockwork of a child: promotes twice a second, reclaims and unparks three times within a lease.

Owns: the rhythm, in a thread and with a connection of its own. Every child of a pod keeps the same time:
the scripts are short when there is nothing to do, and no child has to be alive for the others' sake.
Promises: a job that is due is queued within `PROMOTE_SECONDS` and the length of the scripts. Leaves to
others: the work (`reclaimer`, `promoter`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from podwork.observation import Tally
from podwork.worker.life import Life, LifeThread
from podwork.worker.outage import TROUBLE, Outage, pause_seconds
from podwork.worker.promoter import promote_due, unpark_known
from podwork.worker.reclaimer import sweep

if TYPE_CHECKING:
    from podwork.queues import Queues

PROMOTE_SECONDS: Final = 0.5

log = logging.getLogger("podwork.worker")


class Timekeeper(LifeThread):
    """Does what is due for the pod as a whole."""

    def __init__(
        self, queues: Queues, job_classes: Collection[str], tally: Tally, life: Life, outage: Outage
    ) -> None:
        super().__init__("podwork-timekeeper", life)
        self._queues = queues
        self._job_classes = job_classes
        self._tally = tally
        self._outage = outage
        self._sweep_at = 0.0

    def work(self) -> None:
        """Tick for ever."""
        failures = 0
        while True:
            try:
                self.tick(time.monotonic())
                self._outage.over()
                failures = 0
                time.sleep(PROMOTE_SECONDS)
            except TROUBLE as error:
                self._outage.began(error)
                time.sleep(pause_seconds(failures))
                failures += 1

    def tick(self, now: float) -> None:
        """Promote; sweep and unpark when it is time for them. `now` is monotonic."""
        promote_due(self._queues)
        if now < self._sweep_at:
            return
        self._sweep_at = now + self.life.lease_seconds / 3
        sweep(self._queues, self._tally)
        if unparked := unpark_known(self._queues, self._job_classes):
            log.info("%d parked jobs are queued again: this revision knows their class", unparked)
