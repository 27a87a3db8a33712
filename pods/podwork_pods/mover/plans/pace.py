"""How fast a move of a plan copies: what is asked between two batches.

Owns: `Pace` and `Paces`. Promises: while a throttle holds on either pod, or the bandwidth of the source is
used up, no batch begins, and the mover says why and that it lives; a throttle that cannot be read holds. A
move of no plan is not held back. Nothing is read before the first batch is over. Leaves to others: the
throttles (`podwork_pods.iteration.throttles`), and where there are batches.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Final

from podwork.iteration.throttle import Throttle
from podwork_pods.iteration.throttles.replica_lag import ReplicaLag
from podwork_pods.iteration.throttles.threads_running import ThreadsRunning
from podwork_pods.iteration.throttles.throttles import PodThrottles
from podwork_pods.mover.crossing import Pulse
from podwork_pods.mover.move import Move
from podwork_pods.mover.plans import rows
from podwork_pods.mover.plans.bandwidth import Bandwidth
from podwork_pods.mover.plans.plan import PlanOptions
from podwork_pods.topology import Topology

_LONGEST_SLEEP_SECONDS: Final = 0.25


class Pace:
    """The pace of one leg. `throttles` gives those of a pod in this process."""

    def __init__(self, topology: Topology, move: Move, throttles: Callable[[int], PodThrottles]) -> None:
        self._directory = topology.directory
        self._move = move
        self._throttles = throttles

    def __call__(self, copied_bytes: int, pulse: Pulse) -> None:
        """Wait between two batches, after so many bytes were copied; calls `pulse`, which may raise."""
        pulse("")
        if self._bandwidth is not None and copied_bytes:
            self._bandwidth.passed(copied_bytes)
            self._bandwidth.wait(pulse)
        asked = _throttles_of(self._options)
        passage = self._move.passage
        for pod_id in (passage.source, passage.target) if asked else ():
            while (held := self._throttles(pod_id).held(asked, None)) is not None:
                pulse(f"pod {pod_id}: {held.reason}")
                time.sleep(min(held.retry_seconds, _LONGEST_SLEEP_SECONDS))

    @cached_property
    def _options(self) -> PlanOptions:
        plan = self._directory.read(lambda connection: rows.of_move(connection, self._move.id))
        return PlanOptions() if plan is None else plan.options

    @cached_property
    def _bandwidth(self) -> Bandwidth | None:
        rate = self._options.bandwidth_bytes
        return None if rate is None else Bandwidth(self._directory, self._move.passage.source, rate)


class Paces:
    """Gives a process's movers their paces; its throttles are asked once for all of them."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._throttles: dict[int, PodThrottles] = {}
        self._lock = threading.Lock()

    def of(self, move: Move) -> Pace:
        """Return the pace of the move's leg; nothing is read."""
        return Pace(self._topology, move, self._throttles_of)

    def _throttles_of(self, pod_id: int) -> PodThrottles:
        with self._lock:
            found = self._throttles.get(pod_id)
            if found is None:
                topology = self._topology
                single = partial(topology.connections.engine, pod_id, autocommit=True)
                found = PodThrottles(pod_id, single, partial(topology.queues, pod_id))
                self._throttles[pod_id] = found
        return found


def _throttles_of(options: PlanOptions) -> Sequence[Throttle]:
    asked: list[Throttle] = []
    if options.max_lag_seconds is not None:
        asked.append(ReplicaLag(limit_seconds=options.max_lag_seconds, at_least=0))
    if options.max_threads_running is not None:
        asked.append(ThreadsRunning(most=options.max_threads_running))
    return asked
