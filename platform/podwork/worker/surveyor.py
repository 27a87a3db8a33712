"""The thread of a child that looks over the pod for its metrics, while the child leads it.

Owns: how often, and that a child which no longer leads, or whose Redis does not answer, says nothing of the
pod: old numbers would look like news. Promises: a look costs one script and one reading of the schedules
every `SURVEY_SECONDS`, however many jobs there are. Leaves to others: the names of the metrics
(`podwork_ops.metrics`), and events of broken service levels (`podwork.schedules.service_level`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from podwork.observation import PodGauges, ScheduleGauges
from podwork.schedules.schedules import Schedules
from podwork.worker.life import LifeThread
from podwork.worker.outage import TROUBLE

if TYPE_CHECKING:
    from podwork.schedules.state import ScheduleState
    from podwork.store import Store
    from podwork.worker.spec import Surroundings

SURVEY_SECONDS: Final = 20.0
CHECK_SECONDS: Final = 0.5
LANES_LOOKED_AT: Final = 100
"""In each queue: of how many shops, first in the ring, the next job is looked at to find the oldest."""
HELD_LOOKED_AT: Final = 1000
"""In each process: of how many held jobs the queue is looked up."""


class Surveyor(LifeThread):
    """Tells the child's tally how the pod stands; a service (`Connections.services`)."""

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__("podwork-surveyor", surroundings.life)
        self._store = surroundings.queues.store
        self._tally = surroundings.tally
        self._outage = surroundings.outage
        self._schedules = Schedules(self._store)

    def work(self) -> None:
        """Look for ever."""
        while True:
            leads = self.life.is_leader
            self._tally.surveyed(self._look() if leads else None)
            until = time.monotonic() + SURVEY_SECONDS
            while time.monotonic() < until and self.life.is_leader == leads:
                time.sleep(CHECK_SECONDS)

    def _look(self) -> PodGauges | None:
        try:
            return survey(self._store, self._schedules.list())
        except TROUBLE as error:
            self._outage.began(error)
            return None


def survey(store: Store, schedules: list[ScheduleState]) -> PodGauges:
    """Return how the pod stands. Raises StoreUnavailable."""
    now_ms, scheduled, parked, dead, *queues = store.call("survey", LANES_LOOKED_AT, HELD_LOOKED_AT)
    jobs, latency = {}, {}
    parts = iter(queues)
    for name, ready, held, due_ms in zip(parts, parts, parts, parts, strict=True):
        queue = name.decode()
        jobs[f"{queue}|ready"], jobs[f"{queue}|held"] = ready, held
        latency[queue] = max(0, now_ms - due_ms) / 1000 if due_ms else 0.0
    return PodGauges(
        queue_jobs=jobs,
        queue_latency_seconds=latency,
        jobs={"scheduled": scheduled, "parked": parked, "dead": dead},
        schedules={
            state.name: ScheduleGauges(state.last_success or 0.0, state.sla_seconds or 0.0, state.breached)
            for state in schedules
        },
    )
