"""The queues of one pod: every transition of a job, one script each.

Owns the calls of the scripts and the meaning of their answers. Promises (DESIGN, section 3): every state
change is one atomic step; what a process changes, it changes only while it holds the job (J5). The states
of a job and the ways between them:

    push ──> ready ──claim──> held ──acknowledge──> ended          (record deleted)
               ^                │ ──retry──> scheduled ──promote──> ready
               │                │ ──release──> ready, at the head  (interruption, no attempt spent)
               │                │ ──bury──> dead
               │                │ ──park──> parked ──unpark──> ready
               │                │ ──forget──> ended here           (another pod has it under the same id)
               └────reclaim─────┘ (the holder's lease ended; the third time within an hour: dead)

Leaves to others: what runs and when to retry (`podwork.worker`), where a job belongs (`podwork.client`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from podwork import keys, lease, store
from podwork.errors import LeaseLost
from podwork.lease import Lease

POISON_RECLAIMS = 3
POISON_WINDOW_MS = 3_600_000
DEAD_JOBS_LIMIT = 10_000
DEAD_AGE_LIMIT_MS = 180 * 86_400_000


class PushGroup(NamedTuple):
    """Jobs of one shop for one queue, with the epoch under which the pusher believes the shop is here."""

    queue: str
    shop: str
    epoch: int
    jobs: Sequence[tuple[str, bytes]]
    """(id, record) of each job."""


class Refusal(NamedTuple):
    """A group that the gate did not accept."""

    group: int
    """Its position in the push, from 0."""
    pod_id: int | None
    """The pod where the shop is; None: the shop is being switched, wait."""
    epoch: int


class Reclaimed(NamedTuple):
    """A job taken back from a process whose lease ended."""

    id: str
    incarnation: str
    buried: bool


class Queues:
    """The queues of the pod whose Redis is `store`."""

    def __init__(self, store: store.Store, *, lease_seconds: float = 15.0) -> None:
        self.store = store
        self.lease_seconds = lease_seconds
        self._lease_ms = int(lease_seconds * 1000)

    # Pushing

    def push(self, groups: Sequence[PushGroup], *, fresh: bool = True) -> list[Refusal]:
        """Accept jobs; return the groups that the gate refused. The other groups are accepted whole.

        Args:
            groups: at most a few thousand jobs in all, and 3,000 in one: a group is one command of Redis.
            fresh: the ids were never sent before. False: ids that already stand here are left as they are,
                so that a push can be repeated.

        Raises:
            StoreUnavailable: it may or may not have happened; repeat it with `fresh=False`.
            StoreRefused: nothing was accepted.
        """
        arguments: list[store.Argument] = []
        flag = b"1" if fresh else b"0"
        for group in groups:
            arguments += (group.queue, group.shop, group.epoch, flag, len(group.jobs))
            for job in group.jobs:
                arguments += job
        answer = self.store.call("push", *arguments)
        return [_refusal(entry) for entry in answer[1:]]

    # Claiming and ending

    def claim(self, incarnation: str, queues: Sequence[str], limit: int) -> list[Lease]:
        """Take up to `limit` jobs, from the first queue that has any, then the next. Raises LeaseLost."""
        answer = self.store.call("claim", incarnation, limit, *queues)
        return _leases(incarnation, answer)

    def turn(
        self, incarnation: str, finished: Sequence[Lease], queues: Sequence[str], limit: int
    ) -> tuple[list[str], list[Lease]]:
        """Acknowledge what is finished and claim what comes next, in one round trip.

        Returns: the ids whose acknowledgement was refused, and the new leases.
        Raises:
            LeaseLost: the incarnation has no lease; nothing was claimed.
            StoreUnavailable: both may or may not have happened; acknowledge again and `adopt`.
        """
        calls: list[tuple[str, Sequence[store.Argument]]] = []
        if finished:
            calls.append(("acknowledge", _acknowledgement(incarnation, finished)))
        calls.append(("claim", (incarnation, limit, *queues)))
        answers = self.store.call_many(calls)
        refused = [job_id.decode() for job_id in answers[0]] if finished else []
        return refused, _leases(incarnation, answers[-1])

    def start(self, incarnation: str, lease: Lease) -> bool:
        """Say that a job which was reclaimed before is being started; False: not held any more, do not.

        Only for such jobs: a job is poison if processes died while it ran, not while it waited in them.
        """
        return bool(self.store.call("start", incarnation, lease.id))

    def acknowledge(self, incarnation: str, leases: Sequence[Lease]) -> list[str]:
        """End jobs; return the ids that the incarnation does not hold (any more), which were left alone."""
        if not leases:
            return []
        refused = self.store.call("acknowledge", *_acknowledgement(incarnation, leases))
        return [job_id.decode() for job_id in refused]

    def adopt(self, incarnation: str) -> list[Lease]:
        """Return all that the incarnation holds; after a claim whose answer was lost. Raises LeaseLost."""
        return _leases(incarnation, self.store.call("adopt", incarnation))

    def retry(self, incarnation: str, lease: Lease, due: float, error: str) -> bool:
        """Schedule a failed job for `due` (seconds since 1970), one attempt spent. False: not held."""
        due_ms = int(due * 1000)
        stored = lease.record(attempts=lease.attempts + 1, due_ms=due_ms, error=error)
        return bool(self.store.call("retry", incarnation, lease.shop, lease.id, due_ms, stored))

    def bury(self, incarnation: str, lease: Lease, reason: str) -> bool:
        """Put a job into the dead set for the stated reason. False: not held any more."""
        stored = lease.record(attempts=lease.attempts + 1, error=reason)
        arguments = (incarnation, lease.shop, lease.id, stored, DEAD_JOBS_LIMIT, DEAD_AGE_LIMIT_MS)
        return bool(self.store.call("bury", *arguments))

    def release(self, incarnation: str, leases: Sequence[Lease], *, interrupted: bool = False) -> int:
        """Give jobs back to the head of their lanes; no attempt is spent (J6). Returns how many were held.

        `interrupted` counts an interruption for each: they had been started.
        """
        arguments: list[store.Argument] = [incarnation]
        for held in leases:
            stored = (
                held.record(interruptions=held.interruptions + 1, error=held.error) if interrupted else b""
            )
            arguments += (held.queue, held.shop, held.id, stored)
        return int(self.store.call("release", *arguments)) if leases else 0

    def forget(self, incarnation: str, lease: Lease) -> bool:
        """Drop a job that another pod has accepted under the same id. False: not held any more."""
        return bool(self.store.call("forget", incarnation, lease.shop, lease.id))

    # Waiting for something other than a turn

    def park(self, incarnation: str, lease: Lease) -> bool:
        """Set a job aside whose class this revision does not know (J7). False: not held any more."""
        return bool(self.store.call("park", incarnation, lease.shop, lease.id, lease.job_class))

    def unpark(self, classes: Iterable[str], limit: int = 1000) -> int:
        """Queue again what was parked of the classes; return how many."""
        return int(self.store.call("unpark", limit, *classes))

    def promote(self, limit: int = 1000) -> int:
        """Move what is due from the schedule into the lanes; return how many left the schedule."""
        return int(self.store.call("promote", limit))

    # The life of a process

    def register(self, incarnation: str, fields: Mapping[str, str | int | float]) -> None:
        """Give the incarnation its lease; `fields` is what it says of itself."""
        self.store.call("register", incarnation, self._lease_ms, *_flat(fields))

    def heartbeat(self, incarnation: str, fields: Mapping[str, str | int | float]) -> None:
        """Renew the lease. Raises LeaseLost: it was reclaimed and never comes back."""
        if not self.store.call("heartbeat", incarnation, self._lease_ms, *_flat(fields)):
            raise LeaseLost(incarnation)

    def deregister(self, incarnation: str) -> int:
        """Leave; return how many jobs were still held, which the next reclaim gives back."""
        return int(self.store.call("deregister", incarnation))

    def reclaim(self) -> list[Reclaimed]:
        """Give back what every incarnation with an expired lease held; any live process may call it."""
        bounds = (POISON_RECLAIMS, POISON_WINDOW_MS, DEAD_JOBS_LIMIT, DEAD_AGE_LIMIT_MS)
        reclaimed: list[Reclaimed] = []
        while True:
            answer = self.store.call("reclaim", *bounds)
            if not answer:
                return reclaimed
            incarnation, parts = answer[0].decode(), iter(answer[1:])
            reclaimed += [
                Reclaimed(job_id.decode(), incarnation, fate == b"buried")
                for job_id, fate in zip(parts, parts, strict=True)
            ]

    def wait(self, queues: Sequence[str], timeout_seconds: float) -> bool:
        """Block until a push to one of the queues may have happened, or the time is over (False).

        A hint: a token can be lost with the process that took it, so callers claim after a time-out as well.
        """
        started = time.monotonic()
        taken = self.store.command(
            "BLPOP",
            *(keys.wake(queue) for queue in queues),
            f"{timeout_seconds:.3f}",
            timeout_seconds=timeout_seconds + self.store.timeout_seconds,
        )
        return taken is not None and time.monotonic() - started < timeout_seconds + 1

    # The gate

    def set_gate(self, shop_id: int, state: str, epoch: int, pod_id: int) -> bool:
        """Set the shop's gate to `open`, `hold` or `moved` (then `pod_id` is where it went).

        Returns False, with nothing changed, when the gate already stands at a later epoch.
        """
        if state not in {"open", "hold", "moved"}:
            raise ValueError(f"a gate is open, hold or moved, not {state!r}")
        return bool(self.store.call("gate", shop_id, state, epoch, pod_id))


def _refusal(entry: Sequence[Any]) -> Refusal:
    if entry[1] == b"HOLD":
        return Refusal(int(entry[0]) - 1, None, 0)
    return Refusal(int(entry[0]) - 1, int(entry[2]), int(entry[3]))


def _leases(incarnation: str, answer: Sequence[bytes] | None) -> list[Lease]:
    if answer is None:
        raise LeaseLost(incarnation)
    return lease.from_claim(incarnation, answer)


def _acknowledgement(incarnation: str, leases: Sequence[Lease]) -> list[store.Argument]:
    arguments: list[store.Argument] = [incarnation]
    for held in sorted(leases, key=_shop_of) if len(leases) > 1 else leases:
        arguments += (held.shop, held.id)
    return arguments


def _shop_of(held: Lease) -> str:
    return held.shop


def _flat(fields: Mapping[str, str | int | float]) -> list[store.Argument]:
    return [part for field in fields.items() for part in field]
