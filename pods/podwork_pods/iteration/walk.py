"""One job's way through one partition.

Owns: `Walk`, and what follows from each answer of a batch:

| a batch | what follows |
| --- | --- |
| was committed | the next one, sized by how long this one took |
| was the last of the partition | the run's end is asked for; then another partition |
| found that the run stands | it is begun, with its hook |
| found it paused, cancelled, failed | the partition is given back, the job ends |
| found one partition too many | the partition is given back; another one, if there is room |
| lost the partition | nothing is written; another partition |
| met a deadlock, or waited for a lock in vain | the same again, after a pause; then with fewer rows |
| met an outage | the same again, after longer pauses; at last the job goes away for a while |
| found its shop moved, or moving | nothing is written, the worker decides |
| failed otherwise | half of it again, until one item is alone, which is tried a few times; then it is left out, or the run fails |

Promises: every road out of a partition that is not done gives it back, and lets the run stand if nobody else
works on it; but for the fence of a shop that goes, behind which the job takes it back itself. Stop is asked before every batch, the first one too. Leaves to others: the batch (`batch`),
errors (`failing`), the run's states (`course`), which partition (`shift`).
"""  # noqa: E501 - a table has one line for a row

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from podwork.iteration.states import RunState
from podwork.iteration.throttle import Held
from podwork.signals import Interrupted, Snooze
from podwork_pods.iteration.batch import GOES_ON, Did, Tried, do_batch
from podwork_pods.iteration.course import STANDS, Course
from podwork_pods.iteration.errors import HookFailed
from podwork_pods.iteration.failing import After, Failing
from podwork_pods.iteration.letting_go import ANOTHER, LOST, OVER, Ending, LettingGo
from podwork_pods.iteration.partition import Leaving, Partition, PartitionState
from podwork_pods.iteration.patience import Patience
from podwork_pods.iteration.run import Orders, Run
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.iteration.sizing import Sizing
from podwork_pods.iteration.task import Opened

SHORT_SECONDS: Final = 5.0
"""A job waits so long in place; then it makes room for others."""
LONGEST_SNOOZE_SECONDS: Final = 15.0
"""A throttled run looks again at least so often: it may have been paused, or set to another rate."""
HOLDERS_SECONDS: Final = 1.0

log = logging.getLogger("podwork.iteration")


class Walk:
    """Of one partition that the job has taken.

    Args:
        shard: where the run is. opened: the run. held: the partition.
        course: the run's changes of state. sizing, patience: of the job.
        throttled: says why the run has to wait; None: it need not.
    """

    def __init__(
        self,
        shard: IterationShard,
        opened: Opened,
        held: Partition,
        course: Course,
        sizing: Sizing,
        patience: Patience,
        throttled: Callable[[], Held | None],
    ) -> None:
        self._shard = shard
        self._opened = opened
        self._held = held
        self._course = course
        self._sizing = sizing
        self._patience = patience
        self._throttled = throttled
        self._leases = shard.leases(opened.run.shop_id)
        self._letting_go = LettingGo(self._leases, course, patience.context.job_id)
        self._failing = Failing(shard, opened, course, sizing, patience, self._letting_go)
        self._known: Orders | None = None
        self._waiting_since: float | None = None
        self._holders, self._counted_at = 1, 0.0

    def through(self) -> Ending:
        """Work until the partition is done, or there is a reason to leave it."""
        self._obey_pace(_orders_of(self._opened.run))
        self._sizing.begin(self._held)
        try:
            ending = self._turn()
            while ending is None:
                ending = self._turn()
        except HookFailed as failed:
            ending = self._hook_failed(failed)
        return ending

    def _turn(self) -> Ending | None:
        """Leave, wait, or do a batch; None: the next turn."""
        if self._patience.is_asked_to_stop():
            return self._stop()
        if self._patience.slice_is_over():
            return self._leave(
                Leaving.YIELDED, "the end of a time slice", Snooze(0, "the end of a time slice")
            )
        owed_seconds = self._sizing.owed_seconds()
        if owed_seconds > 0:
            return self._await_rate(owed_seconds)
        why = self._throttled()
        if why is not None:
            return self._await_throttle(why)
        return self._leave_out_killer() or self._batch()

    def _batch(self) -> Ending | None:
        limit, tried, began = self._sizing.limit(), Tried(), time.monotonic()
        try:
            self._held = self._failing.count(self._held, limit)
            did = do_batch(self._shard, self._opened, self._held, self._known, limit, tried)
        except BaseException as error:  # whatever the job's code raises
            return self._go_on_with(self._failing.failed(self._held, error, limit, tried))
        self._held, self._known = did.partition, did.orders
        self._obey_pace(did.orders)
        return self._obey(did.orders) if did.rows is None else self._went_well(did, time.monotonic() - began)

    def _went_well(self, did: Did, seconds: float) -> Ending | None:
        self._waiting_since = None
        self._failing.went_well()
        self._sizing.measured(did.rows or 0, seconds)
        if did.orders.state is RunState.THROTTLED:
            self._course.go_on()
        if did.partition.state is not PartitionState.DONE:
            return None
        return OVER if self._course.finish() else ANOTHER

    def _leave_out_killer(self) -> Ending | None:
        """If the next item is one that others died of, go on without it."""
        return self._go_on_with(self._failing.broken_off(self._held))

    def _go_on_with(self, after: After) -> Ending | None:
        if isinstance(after, Ending):
            return after
        self._held = after
        return None

    # What the run was told

    def _obey(self, orders: Orders) -> Ending | None:
        """Do what the orders say instead of a batch."""
        if orders.state in STANDS:
            self._course.begin()
            return None
        if orders.state in GOES_ON:
            self._leases.release(self._held, Leaving.YIELDED)
            return ANOTHER
        return self._leave(Leaving.YIELDED, "", None)

    def _obey_pace(self, orders: Orders) -> None:
        now = time.monotonic()
        if orders.rows_per_second is not None and now - self._counted_at >= HOLDERS_SECONDS:
            self._holders, self._counted_at = self._shard.partitions.holders(self._held.run_id), now
        self._sizing.obey(orders, self._holders)

    # Waiting

    def _await_rate(self, owed_seconds: float) -> Ending | None:
        if owed_seconds > SHORT_SECONDS:
            return self._leave_held_back(
                Held(f"rate: the next row is due in {owed_seconds:.0f} s", owed_seconds)
            )
        self._patience.sleep(owed_seconds)
        return None

    def _await_throttle(self, why: Held) -> Ending | None:
        now = time.monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
        if now - self._waiting_since + why.retry_seconds > SHORT_SECONDS:
            return self._leave_held_back(why)
        run = self._course.hold_back(why.reason)
        if run.state is not RunState.THROTTLED:
            return self._obey(_orders_of(run))
        if not self._leases.renew(self._held, throttle_reason=why.reason):
            return LOST
        self._patience.sleep(why.retry_seconds)
        return None

    def _leave_held_back(self, why: Held) -> Ending | None:
        run = self._course.hold_back(why.reason)
        if run.state is not RunState.THROTTLED:
            return self._obey(_orders_of(run))
        seconds = min(why.retry_seconds, LONGEST_SNOOZE_SECONDS)
        return self._leave(Leaving.THROTTLED, why.reason, Snooze(seconds, why.reason))

    # Leaving

    def _stop(self) -> Ending:
        if self._patience.context.cancelled:
            self._course.cancel("its job was cancelled")
            return self._leave(Leaving.YIELDED, "", Interrupted())
        return self._leave(Leaving.INTERRUPTED, "its worker stops", Interrupted())

    def _leave(self, why: Leaving, reason: str, signal: Interrupted | Snooze | None) -> Ending:
        return self._letting_go.leave(self._held, why, reason, signal)

    def _hook_failed(self, failed: HookFailed) -> Ending:
        self._leases.release(self._held, Leaving.YIELDED)
        self._course.fail(failed.error, failed.what)
        log.error("%s", failed.what, exc_info=failed.error)
        return OVER


def _orders_of(run: Run) -> Orders:
    return Orders(run.state, run.rows_per_second, run.batch_most, run.parallel, run.revision)
