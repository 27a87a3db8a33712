"""Writing down what becomes of a held job, until Redis has taken it.

Owns: `Settlement`, the one way in which a processor changes a job in Redis. Promises: a transition that Redis
does not answer is tried again, by the thread that holds the job, until it is taken or refused; repeating one
is harmless, because the first to arrive lets go of the job, and the manager starts none that is still being
settled; what was refused is counted as `lost`. Leaves to others: which transition it is (`Fates`, `Detours`,
`Starts`), the scripts (`Queues`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from podwork.queues import Queues
from podwork.worker.outage import TROUBLE, pause_seconds

if TYPE_CHECKING:
    from podwork.lease import Lease
    from podwork.worker.manager import Ended, Manager
    from podwork.worker.spec import Surroundings

T = TypeVar("T")
Transition: TypeAlias = Callable[[Queues, str], T]
"""Called with the pod's queues and this process's incarnation; answers whether the job was held."""


class Times(NamedTuple):
    """How long a job ran, and how long it had waited since it was due."""

    duration_seconds: float | None
    wait_seconds: float | None


NO_TIMES = Times(None, None)
"""Of a job that did not run."""


class Settlement:
    """What the processors of a child write with."""

    def __init__(self, surroundings: Surroundings, manager: Manager) -> None:
        self._incarnation = surroundings.life.incarnation
        self._queues = surroundings.queues
        self.tally = surroundings.tally
        self.now = surroundings.clock.now
        self._outage = surroundings.outage
        self._manager = manager

    def write(
        self, lease: Lease, outcome: str, transition: Transition[object], times: Times = NO_TIMES
    ) -> None:
        """Make the transition, count the attempt under its outcome, and let go of the job."""
        held = self.insist(transition)
        self.let_go(lease, outcome if held else "lost", times)

    def let_go(self, lease: Lease, outcome: str, times: Times = NO_TIMES) -> None:
        """Count the attempt and let go of the job; Redis has been told, or said that it is not held."""
        self.tally.attempt(lease.queue, lease.job_class, outcome, *times)
        self._manager.settled(lease)

    def end(self, ended: Ended) -> None:
        """Hand an end to the manager, which writes it down together with others."""
        self._manager.ended(ended)

    def insist(self, transition: Transition[T]) -> T:
        """Repeat until Redis answers: the end of a job is kept, however long Redis is away."""
        failures = 0
        while True:
            try:
                answer = transition(self._queues, self._incarnation)
            except TROUBLE as error:
                self._outage.began(error)
                time.sleep(pause_seconds(failures))
                failures += 1
            else:
                self._outage.over()
                return answer
