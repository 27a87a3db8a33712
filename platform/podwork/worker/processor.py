"""One thread that runs jobs, one after the other.

Owns: the road of one job from claim to acknowledge; `run_one` is all of it. Promises: a job is started only
if this revision knows its class (J7), the lease surely holds, and the fence admits the shop's epoch (J3);
however a run ends, exactly one transition follows, conditional on still holding the job (J5). A
`BaseException` inside a job is a failure of the job: `SystemExit` in a job means as little as in any other
thread, and a processor that died of it would hold its job for ever. Leaves to others: what becomes of a job
that cannot run (`Detours`), what has to be asked before some (`Starts`), which transition follows which end
(`Fates`), writing ends down (`Manager`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from podwork.context import CURRENT, JobContext
from podwork.errors import PodworkError, StaleEpoch
from podwork.points import reach
from podwork.worker.life import Life, LifeThread
from podwork.worker.manager import Ended, Manager
from podwork.worker.settlement import Times

if TYPE_CHECKING:
    from podwork.interfaces import Fence
    from podwork.lease import Lease
    from podwork.worker.awaiting import Runnable
    from podwork.worker.detours import Detours
    from podwork.worker.fates import Fates
    from podwork.worker.middleware import Run
    from podwork.worker.running import RunningJobs
    from podwork.worker.starts import Starts


class Processor(LifeThread):
    """Runs the jobs that the manager hands out."""

    def __init__(
        self,
        number: int,
        pod_id: int,
        runnable: Runnable,
        chain: Run,
        fence: Fence,
        manager: Manager,
        starts: Starts,
        detours: Detours,
        fates: Fates,
        running: RunningJobs,
        life: Life,
    ) -> None:
        super().__init__(f"podwork-processor-{number}", life)
        self._number = number
        self._pod_id = pod_id
        self._runnable = runnable
        self._chain = chain
        self._fence = fence
        self._manager = manager
        self._starts = starts
        self._detours = detours
        self._fates = fates
        self._running = running

    def work(self) -> None:
        """Run jobs for ever: the process ends without asking its threads."""
        while True:
            self.run_one(self._manager.take())

    def run_one(self, lease: Lease) -> None:
        """Take one job from claim to acknowledge."""
        started = time.monotonic()
        if started > self.life.valid_until:
            self.life.await_lease()
        job_class = self._runnable.get(lease.job_class)
        if job_class is None or lease.version > job_class.policy.version:
            return self._detours.refuse(lease)
        try:
            epoch = lease.epoch if lease.shop_id is None else self._fence.admit(lease.shop_id, lease.epoch)
        except StaleEpoch:
            return self._detours.forward(lease)
        except PodworkError as error:
            return self._detours.not_admitted(lease, error)

        runs, number = self._running.now, self._number
        runs[number] = (lease, job_class, started)
        if not self._starts.is_plain(lease, job_class) and not self._starts.may_start(lease, job_class):
            runs[number] = None
            return None
        context = JobContext(
            lease.id, lease.job_class, lease.queue, lease.shop_id, self._pod_id, epoch,
            lease.attempts + 1, lease.interruptions, self._running, lease.head.extras,
        )  # fmt: skip
        wait_seconds = max(0.0, time.time() - lease.due_seconds)
        token = CURRENT.set(context)
        reach("worker.started")
        try:
            self._chain(job_class, lease, context)
        except BaseException as error:  # see the module's docstring
            runs[number] = None
            times = Times(time.monotonic() - started, wait_seconds)
            return self._fates.settle(lease, job_class, error, times)
        finally:
            CURRENT.reset(token)
        runs[number] = None
        reach("worker.ran")
        duration_seconds = time.monotonic() - started
        return self._manager.ended(
            Ended(lease, "succeeded", duration_seconds, wait_seconds, context.follow_ups)
        )
