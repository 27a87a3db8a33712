"""What becomes of a job that cannot run here, or not now.

| the job | transition | counted as | attempt spent |
| --- | --- | --- | --- |
| cannot be read (somebody edited its record) | bury, with what is wrong | dead | yes |
| its class, or its version, is unknown here | park until a worker knows it | parked | no |
| its class requires a migration that the pod has not had | likewise | parked | no |
| its shop is elsewhere (`StaleEpoch`) | forward to where the shop is, then forget | forwarded | no |
| its shop is elsewhere, but here by the directory | snooze for a moment | interrupted | no |
| its shop is on hold, and it had not begun | release: its lane is outside of the ring | interrupted | no |
| its shop is on hold, and it had begun | snooze for a moment | interrupted | no |
| the fence could not answer | snooze for a moment | interrupted | no |

Owns: that table. Promises: no processor waits; a job that cannot run now does not come round at once. Leaves
to others: insisting (`Settlement`), the road to the other pod (`Client.forward`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from podwork.errors import PodworkError, ShopOnHold
from podwork.fingerprint import fingerprint_of_reason
from podwork.points import reach
from podwork.worker.settlement import NO_TIMES, Settlement, Times

if TYPE_CHECKING:
    from podwork.client import Client
    from podwork.lease import Lease
    from podwork.worker.awaiting import Runnable

MOMENT_SECONDS: Final = 0.5

log = logging.getLogger("podwork.worker")


class Detours:
    """Takes jobs off the road; called by the processors' threads."""

    def __init__(self, pod_id: int, client: Client, settlement: Settlement, runnable: Runnable) -> None:
        self._pod_id = pod_id
        self._client = client
        self._settlement = settlement
        self._runnable = runnable
        self._unknown: set[tuple[str, int]] = set()

    def refuse(self, lease: Lease) -> None:
        """Set a job aside whose class does not run here yet (J7), or that nobody can read."""
        if lease.fault:
            self._bury_unreadable(lease)
            return
        kind = (lease.job_class, lease.version)
        if kind not in self._unknown:  # said once a class: a deploy can park a whole queue
            self._unknown.add(kind)
            migration = self._runnable.waits_for.get(lease.job_class)
            what = f"migration {migration}" if migration else "a revision that knows it"
            log.warning("jobs of class %s, version %d, do not run here yet: they wait for %s", *kind, what)
        reach("worker.before-park")
        self._settlement.write(lease, "parked", lambda queues, me: queues.park(me, lease))

    def forward(self, lease: Lease, times: Times = NO_TIMES) -> None:
        """Send a job whose shop is elsewhere after its shop; keep it here if the shop is here after all."""
        self._settlement.tally.stale_epoch()
        reach("worker.before-forward")
        try:
            pod_id = self._client.forward(lease)
        except PodworkError as error:  # on hold, or the other pod does not answer: the job stays here
            self.not_admitted(lease, error)
            return
        if pod_id == self._pod_id:  # shard and directory differ: one of them is about to follow
            self._put_off(lease, times)
            return
        reach("worker.forwarded")
        self._settlement.write(lease, "forwarded", lambda queues, me: queues.forget(me, lease), times)
        log.info("job %s (%s) followed its shop to pod %d", lease.id, lease.job_class, pod_id)

    def not_admitted(self, lease: Lease, error: PodworkError, *, interrupted: bool = False) -> None:
        """Give a job back because it cannot run here now; `interrupted`: it had begun, and is undone."""
        log.warning("job %s (%s) cannot run now: %s", lease.id, lease.job_class, error)
        if interrupted or not isinstance(error, ShopOnHold):
            self._put_off(lease, interrupted=interrupted)
            return
        # A gate on hold keeps the lane out of the ring: nothing comes round, and the lane goes with its shop.
        reach("worker.before-release")
        self._settlement.write(lease, "interrupted", lambda queues, me: queues.release(me, [lease]))

    def _put_off(self, lease: Lease, times: Times = NO_TIMES, *, interrupted: bool = False) -> None:
        due_seconds = self._settlement.now() + MOMENT_SECONDS
        reach("worker.before-snooze")
        self._settlement.write(
            lease,
            "interrupted",
            lambda queues, me: queues.snooze(me, lease, due_seconds, interrupted=interrupted),
            times,
        )

    def _bury_unreadable(self, lease: Lease) -> None:
        log.error("job %s is buried: %s", lease.id, lease.fault)
        extras = {"e": fingerprint_of_reason(lease.job_class, lease.fault)}
        self._settlement.write(lease, "dead", lambda queues, me: queues.bury(me, lease, lease.fault, extras))
