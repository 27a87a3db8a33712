"""What becomes of a job that ran and did not simply succeed: one transition of the queue for each end.

| the run ended with | transition | counted as | attempt spent |
| --- | --- | --- | --- |
| anything but success, after a person has cancelled the job | end | cancelled | - |
| `Discard`, or a retry hook that says so | end | discarded | - |
| `Cancel` | end | cancelled | - |
| `Interrupted` | release, at the head of its lane | interrupted | no |
| `Snooze` | schedule | snoozed | no |
| `ShopOnHold`, `StaleEpoch` | `podwork.worker.detours` | interrupted, forwarded | no |
| one of these four, in an at-most-once class | bury: it must not start again | dead | yes |
| `Retry`, any other exception | schedule; bury when retries are used up | retried, dead | yes |
| `Bury`, or a retry hook that says so | bury | dead | yes |
| its own process died without a word (`--isolate`) | crash, as a reclaim; at last bury | crashed | no |
| no process could be had for it (`--isolate`) | `podwork.worker.detours` | interrupted | no |
| (still runs) the process has to go | release; bury an at-most-once job | interrupted, dead | no, yes |

Owns: that table, and what a record remembers of failures: when the first was, and the fingerprint of the
last. What the job has collected to follow it is dropped with each of these ends. Leaves to others: success
(`Processor`), the wait (`podwork.retry`), insisting (`Settlement`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from podwork import retry
from podwork.errors import ShopOnHold, StaleEpoch, TimeLimitExceeded
from podwork.fingerprint import fingerprint_of, fingerprint_of_reason
from podwork.points import reach
from podwork.signals import Cancel, Discard, Interrupted, Snooze
from podwork.worker.detours import Detours
from podwork.worker.isolation.ends import FailedElsewhere, JobProcessDied, NoJobProcess
from podwork.worker.manager import Ended
from podwork.worker.settlement import NO_TIMES, Settlement, Times

if TYPE_CHECKING:
    from podwork.job import JobClass
    from podwork.lease import Lease
    from podwork.worker.running import RunningJobs
    from podwork.worker.spec import Surroundings

STARTS_AGAIN: Final = (Interrupted, Snooze, ShopOnHold, StaleEpoch)
"""Ends after which a job runs once more, though it has not failed."""

log = logging.getLogger("podwork.worker")


class Fates:
    """Decides and has it written down; called by the processors' threads, and by the child at its end."""

    def __init__(
        self, surroundings: Surroundings, settlement: Settlement, detours: Detours, running: RunningJobs
    ) -> None:
        self._surroundings = surroundings
        self._settlement = settlement
        self._detours = detours
        self._running = running

    def settle(self, lease: Lease, job_class: JobClass[Any], error: BaseException, times: Times) -> None:
        """Write down the end of a run that raised `error`."""
        if self._running.is_cancelled(lease.id):
            self._drop(lease, "cancelled", f"by a person; it ended with {retry.describe(error)}", times)
        elif isinstance(error, Discard):
            self._drop(lease, "discarded", error.reason, times)
        elif isinstance(error, Cancel):
            self._drop(lease, "cancelled", error.reason, times)
        elif isinstance(error, JobProcessDied):
            self._crash(lease, error, times)
        elif isinstance(error, NoJobProcess):
            self._detours.not_admitted(lease, error)
        elif isinstance(error, STARTS_AGAIN) and job_class.policy.at_most_once:
            self._bury(lease, error, f"may run at most once, and ended with {retry.describe(error)}", times)
        elif isinstance(error, StaleEpoch):
            self._detours.forward(lease, times)
        elif isinstance(error, ShopOnHold):
            self._detours.not_admitted(lease, error, interrupted=True)
        elif isinstance(error, Interrupted):
            reach("worker.before-release")
            self._settlement.write(
                lease, "interrupted", lambda queues, me: queues.release(me, [lease], interrupted=True), times
            )
        elif isinstance(error, Snooze):
            self._snooze(lease, error, times)
        else:
            self._fail(lease, job_class, error, times)

    def overran(self, lease: Lease, job_class: JobClass[Any]) -> None:
        """Fail a job that is past its hard limit; its process ends next, whatever its code still does.

        Called by `Farewell`. It insists, so call it where that may take long.
        """
        self.settle(lease, job_class, TimeLimitExceeded("hard"), NO_TIMES)

    # Called by `Farewell` with what still runs, or waits to run, when the process has to go.
    def give_back(self, leases: Sequence[Lease]) -> int:
        """Release jobs that did not end in time, and bury those that must not start twice; return how many.

        The process exits next: what is released may run on here until then, at least once (J2). A job that
        has not begun is only released. Raises StoreUnavailable, StoreRefused: the lease's end gives back what
        is left.
        """
        begun = {job.lease.id: job.job_class for job in self._running.all()}
        once = [lease for lease in leases if lease.id in begun and begun[lease.id].policy.at_most_once]
        queues, me = self._surroundings.queues, self._surroundings.life.incarnation
        buried = 0
        for lease in once:
            # Begun, or about to: whether Redis has been told of the start cannot be known from here.
            reason = "may run at most once, and its process had to go before its end"
            buried += queues.bury(
                me, lease, reason, _marked(lease, fingerprint_of_reason(lease.job_class, reason))
            )
        others = [lease for lease in leases if lease not in once]
        interrupted = [lease for lease in others if lease.id in begun]
        released = queues.release(me, [lease for lease in others if lease.id not in begun])
        released += queues.release(me, interrupted, interrupted=True)
        for lease in leases:
            self._surroundings.tally.attempt(
                lease.queue, lease.job_class, "dead" if lease in once else "interrupted"
            )
        return buried + released

    def _drop(self, lease: Lease, outcome: str, reason: str, times: Times) -> None:
        log.info("job %s (%s) %s: %s", lease.id, lease.job_class, outcome, reason)
        self._settlement.end(Ended(lease, outcome, *times))

    def _crash(self, lease: Lease, error: JobProcessDied, times: Times) -> None:
        log.error("job %s (%s): %s", lease.id, lease.job_class, error.what)
        reach("worker.before-crash")
        self._settlement.write(lease, "crashed", lambda queues, me: queues.crash(me, lease, error.how), times)

    def _snooze(self, lease: Lease, signal: Snooze, times: Times) -> None:
        log.log(
            logging.DEBUG if signal.quiet else logging.INFO,
            "job %s (%s) snoozed for %.1f s: %s",
            lease.id,
            lease.job_class,
            signal.after_seconds,
            signal.reason,
        )
        extras = lease.extras
        extras["z"] = str(int(extras.get("z", 0)) + 1)
        due_seconds = self._settlement.now() + signal.after_seconds
        reach("worker.before-snooze")
        self._settlement.write(
            lease, "snoozed", lambda queues, me: queues.snooze(me, lease, due_seconds, extras), times
        )

    def _fail(self, lease: Lease, job_class: JobClass[Any], error: BaseException, times: Times) -> None:
        now = self._settlement.now()
        first_ms = lease.extras.get("f", str(int(now * 1000)))
        if isinstance(error, FailedElsewhere):
            decision = error.decision
        else:
            decision = retry.decide(job_class.policy.retry, lease.attempts, error, now - int(first_ms) / 1000)
        if isinstance(decision, retry.Dropped):
            self._drop(lease, "discarded", decision.reason, times)
            return
        if isinstance(decision, retry.Exhausted):
            self._bury(lease, error, decision.reason, times)
            return
        log.warning(
            "job %s (%s) failed, again in %.1f s: %s",
            lease.id, lease.job_class, decision.after_seconds, decision.error, exc_info=error,
        )  # fmt: skip
        extras = _marked(lease, _fingerprint(lease, error), f=first_ms)
        due_seconds = now + decision.after_seconds
        reach("worker.before-retry")
        self._settlement.write(
            lease,
            "retried",
            lambda queues, me: queues.retry(me, lease, due_seconds, decision.error, extras),
            times,
        )

    def _bury(self, lease: Lease, error: BaseException, reason: str, times: Times) -> None:
        log.error("job %s (%s) is buried: %s", lease.id, lease.job_class, reason, exc_info=error)
        extras = _marked(lease, _fingerprint(lease, error))
        reach("worker.before-bury")
        self._settlement.write(
            lease, "dead", lambda queues, me: queues.bury(me, lease, reason, extras), times
        )


def _fingerprint(lease: Lease, error: BaseException) -> str:
    if isinstance(error, FailedElsewhere):
        return error.fingerprint
    return fingerprint_of(lease.job_class, error)


def _marked(lease: Lease, fingerprint: str, **more: str) -> dict[str, str]:
    """Return the job's extras with the fingerprint of its last error."""
    return {**lease.extras, **more, "e": fingerprint}
