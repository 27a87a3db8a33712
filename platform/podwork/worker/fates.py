"""What becomes of a job that did not simply succeed: one transition of the queue for each end.

| the run ended with | transition | counted as | attempt spent |
| --- | --- | --- | --- |
| `Interrupted` | release, at the head of its lane | interrupted | no |
| `ShopOnHold`: the shop is being switched | release, after a pause | interrupted | no |
| `StaleEpoch` | forward to where the shop is, then forget | forwarded | no |
| `StaleEpoch`, but the shop is here | release, after a pause | interrupted | no |
| `Discard` | acknowledge | discarded | - |
| `Retry`, any other exception | retry later, or bury when attempts are used up | retried, dead | yes |
| (never ran) unknown class | park until a worker knows it | parked | no |
| (never ran) the fence could not answer | release, after a pause | interrupted | no |

Owns: that table. Promises: a transition that Redis does not answer is tried again, by the thread that holds
the job, until it is taken or refused; repeating one is harmless, because the first to arrive lets go of the
job, and the manager starts none that is still being settled. Leaves to others: the formula (`podwork.retry`),
the scripts (`Queues`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from podwork import retry
from podwork.errors import PodworkError, ShopOnHold, StaleEpoch
from podwork.observation import Tally
from podwork.points import reach
from podwork.signals import Discard, Interrupted
from podwork.worker.life import Life
from podwork.worker.manager import Ended, Manager
from podwork.worker.outage import TROUBLE, Outage, pause_seconds

if TYPE_CHECKING:
    from podwork.client import Client
    from podwork.job import JobClass
    from podwork.lease import Lease
    from podwork.queues import Queues

T = TypeVar("T")
NOT_ADMITTED_PAUSE_SECONDS: Final = 0.5

log = logging.getLogger("podwork.worker")


class Fates:
    """Decides and writes down; called by the processors' threads."""

    def __init__(
        self,
        pod_id: int,
        queues: Queues,
        client: Client,
        manager: Manager,
        tally: Tally,
        life: Life,
        outage: Outage,
    ) -> None:
        self._pod_id = pod_id
        self._queues = queues
        self._client = client
        self._manager = manager
        self._tally = tally
        self._life = life
        self._outage = outage
        self._unknown: set[str] = set()

    def settle(
        self,
        lease: Lease,
        job_class: JobClass[Any],
        error: BaseException,
        duration_seconds: float,
        wait_seconds: float,
    ) -> None:
        """Write down the end of a run that raised `error`."""
        if isinstance(error, Discard):
            log.info("job %s (%s) discarded: %s", lease.id, lease.job_class, error.reason)
            self._manager.ended(Ended(lease, "discarded", duration_seconds, wait_seconds))
            return
        if isinstance(error, StaleEpoch):
            self.forward(lease, duration_seconds, wait_seconds)
            return
        if isinstance(error, ShopOnHold):
            self.not_admitted(lease, error, interrupted=True)
            return
        if isinstance(error, Interrupted):
            outcome = self._release(lease, interrupted=True)
        else:
            outcome = self._fail(lease, job_class, error)
        self._tally.attempt(lease.queue, lease.job_class, outcome, duration_seconds, wait_seconds)
        self._manager.settled(lease)

    def may_start_again(self, lease: Lease) -> bool:
        """Say that a job which was reclaimed before is started now; False: it is no longer held."""
        held = self._insist(lambda: self._queues.start(self._life.incarnation, lease))
        if not held:
            self._tally.attempt(lease.queue, lease.job_class, "lost")
            self._manager.settled(lease)
        return held

    def park(self, lease: Lease) -> None:
        """Set a job aside whose class this revision does not know (J7)."""
        if lease.job_class not in self._unknown:  # said once a class: a deploy can park a whole queue
            self._unknown.add(lease.job_class)
            log.warning("job class %s is unknown here; its jobs wait for a revision with it", lease.job_class)
        reach("worker.before-park")
        held = self._insist(lambda: self._queues.park(self._life.incarnation, lease))
        self._tally.attempt(lease.queue, lease.job_class, "parked" if held else "lost")
        self._manager.settled(lease)

    def forward(
        self, lease: Lease, duration_seconds: float | None = None, wait_seconds: float | None = None
    ) -> None:
        """Send a job whose shop is elsewhere after its shop; keep it here if the shop is here after all."""
        self._tally.stale_epoch()
        reach("worker.before-forward")
        try:
            pod_id = self._client.forward(lease)
        except PodworkError as error:  # on hold, or the other pod does not answer: the job stays here
            self.not_admitted(lease, error)
            return
        if pod_id == self._pod_id:
            time.sleep(NOT_ADMITTED_PAUSE_SECONDS)  # shard and directory differ; it would come round at once
            outcome = self._release(lease)
        else:
            reach("worker.forwarded")
            held = self._insist(lambda: self._queues.forget(self._life.incarnation, lease))
            outcome = "forwarded" if held else "lost"
            log.info("job %s (%s) followed its shop to pod %d", lease.id, lease.job_class, pod_id)
        self._tally.attempt(lease.queue, lease.job_class, outcome, duration_seconds, wait_seconds)
        self._manager.settled(lease)

    def not_admitted(self, lease: Lease, error: PodworkError, *, interrupted: bool = False) -> None:
        """Give a job back because it cannot run here now; `interrupted`: it had begun, and is undone."""
        log.warning("job %s (%s) cannot run now: %s", lease.id, lease.job_class, error)
        if interrupted or not isinstance(error, ShopOnHold):
            # Otherwise the job would come round at once. Only a gate on hold keeps the lane out of the ring.
            time.sleep(NOT_ADMITTED_PAUSE_SECONDS)
        outcome = self._release(lease, interrupted=interrupted)
        self._tally.attempt(lease.queue, lease.job_class, outcome)
        self._manager.settled(lease)

    def _release(self, lease: Lease, *, interrupted: bool = False) -> str:
        reach("worker.before-release")
        incarnation = self._life.incarnation
        held = self._insist(lambda: self._queues.release(incarnation, [lease], interrupted=interrupted))
        return "interrupted" if held else "lost"

    def _fail(self, lease: Lease, job_class: JobClass[Any], error: BaseException) -> str:
        decision = retry.decide(lease.attempts, job_class.retry, error)
        incarnation = self._life.incarnation
        if isinstance(decision, retry.Exhausted):
            log.error("job %s (%s) is buried: %s", lease.id, lease.job_class, decision.reason, exc_info=error)
            reach("worker.before-bury")
            held = self._insist(lambda: self._queues.bury(incarnation, lease, decision.reason))
            return "dead" if held else "lost"
        log.warning(
            "job %s (%s) failed, again in %.1f s: %s",
            lease.id, lease.job_class, decision.after_seconds, decision.error, exc_info=error,
        )  # fmt: skip
        due_seconds = time.time() + decision.after_seconds
        reach("worker.before-retry")
        held = self._insist(lambda: self._queues.retry(incarnation, lease, due_seconds, decision.error))
        return "retried" if held else "lost"

    def _insist(self, transition: Callable[[], T]) -> T:
        """Repeat until Redis answers: the end of a job is kept, however long Redis is away."""
        failures = 0
        while True:
            try:
                answer = transition()
            except TROUBLE as error:
                self._outage.began(error)
                time.sleep(pause_seconds(failures))
                failures += 1
            else:
                self._outage.over()
                return answer
