"""The queues of one pod: every transition of a job, one script each.

Owns the calls of the scripts and the meaning of their answers. Promises (DESIGN, section 3): every state
change is one atomic step; what a process changes, it changes only while it holds the job (J5). The states
of a job and the ways between them:

    push ──> ready ──claim──> held ──acknowledge, complete──> ended  (record deleted; follow-ups stored)
      │        ^ │              │ ──discard──> ended                 (without success: cancelled, expired)
      │        │ └─claim,       │ ──retry, snooze──> scheduled ──promote──> ready
      │        │   over a       │ ──release──> ready, at the head    (interruption, no attempt spent)
      │        │   limit or     │ ──bury──> dead ──revive──> ready
      │        │   on hold ──> parked <──park── (unknown class) ──unpark, admit, lift──> ready
      │        │                │ ──forget──> ended here             (another pod has it under the same id)
      │        └─reclaim, crash─┘ (the holder's lease ended, or the job's own process; the third time: dead)
      └─(due later)──> scheduled

Leaves to others: what runs and when to retry (`podwork.worker`), where a job belongs (`podwork.client`), what
people do to jobs (`podwork.interventions`), holds and limits (`podwork.holds`, `podwork.limits`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from podwork import keys, store
from podwork.errors import LeaseLost
from podwork.lease import Lease
from podwork.parcel import Parcel
from podwork.transitions import (
    End,
    Handed,
    Pulse,
    PushGroup,
    Reclaimed,
    Refusal,
    Stored,
    acknowledgement,
    ending,
    flat,
    flat_locks,
    leases_of,
    pushed,
    refusal_of,
)

__all__ = ["End", "Handed", "Pulse", "PushGroup", "Queues", "Reclaimed", "Refusal", "Stored"]

POISON_RECLAIMS = 3
POISON_WINDOW_MS = 3_600_000
DEAD_JOBS_LIMIT = 10_000
DEAD_AGE_LIMIT_MS = 180 * 86_400_000


class Queues:
    """The queues of the pod whose Redis is `store`."""

    def __init__(self, store: store.Store, *, lease_seconds: float = 15.0) -> None:
        self.store = store
        self.lease_seconds = lease_seconds
        self._lease_ms = int(lease_seconds * 1000)
        self.observe_schedule: Callable[[float], None] | None = None
        """Told when a job is due (seconds since 1970) that was retried or snoozed by way of this object."""

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
        answer = self.store.call("push", *pushed(groups, fresh=fresh))
        return [refusal_of(entry) for entry in answer[1:]]

    def push_one(self, parcel: Parcel, epoch: int) -> bool:
        """Accept one job under an id that was never sent before; False: the gate refused it.

        Raises as `push` does.
        """
        answer = self.store.call(
            "push", parcel.queue, parcel.shop, epoch, parcel.due_ms, b"1", 1, parcel.id, parcel.record(epoch)
        )
        return len(answer) == 1

    def begin_push(self, groups: Sequence[PushGroup]) -> Callable[[], list[Refusal]]:
        """Send a push under fresh ids, and return what waits for its answer; see `push` and `Store.begin`."""
        answer = self.store.begin("push", *pushed(groups, fresh=True))
        return lambda: [refusal_of(entry) for entry in answer()[1:]]

    def push_locked(self, parcel: Parcel, epoch: int) -> Stored | Refusal:
        """Accept a job that asks for locks, or say which job stands for it. Raises as `push` does.

        It may be repeated under the same id: the job's own lock is no conflict.
        """
        answer = self.store.call(
            "push_locked", parcel.queue, parcel.shop, epoch, parcel.due_ms, parcel.id, parcel.record(epoch),
            *flat_locks(parcel.locks),
        )  # fmt: skip
        if answer[0] in (b"HOLD", b"MOVED"):
            return refusal_of([1, *answer])
        return Stored(answer[0].decode(), answer[1].decode())

    # Claiming and ending

    def claim(self, incarnation: str, queues: Sequence[str], limit: int, *, channel: str = "") -> list[Lease]:
        """Take up to `limit` jobs, from the first queue that has any, then the next. Raises LeaseLost.

        With a channel, on which it listens, the incarnation counts as idle when it got less: what comes in
        for its queues is handed to it with the push (`Handed`), until it claims again. A limit of 0 ends
        that, and wakes another one for what is there.
        """
        answer = self.store.call("claim", incarnation, limit, channel, *queues)
        return leases_of(incarnation, answer)

    def turn(
        self,
        incarnation: str,
        ends: Sequence[End],
        queues: Sequence[str],
        limit: int,
        *,
        channel: str = "",
    ) -> tuple[list[str], list[Lease]]:
        """Write down ends and `claim` what comes next, in one round trip; a limit of 0 claims nothing.

        Returns: the ids whose end was refused (not held any more), and the new leases.
        Raises:
            LeaseLost: the incarnation has no lease; nothing was claimed.
            StoreUnavailable: all of it may or may not have happened; say the ends again and `adopt`.
        """
        plain = [end.lease for end in ends if end.is_plain]
        special = [end for end in ends if not end.is_plain]
        calls: list[tuple[str, Sequence[store.Argument]]] = []
        if plain:
            calls.append(("acknowledge", acknowledgement(incarnation, plain)))
        calls += [ending(incarnation, end) for end in special]
        if limit:
            calls.append(("claim", (incarnation, limit, channel, *queues)))
        answers = self.store.call_many(calls)
        leases = leases_of(incarnation, answers.pop()) if limit else []
        refused = [job_id.decode() for job_id in answers.pop(0)] if plain else []
        refused += [end.lease.id for end, done in zip(special, answers, strict=True) if not done]
        return refused, leases

    def start(self, incarnation: str, lease: Lease, *, at_most_once: bool = False) -> bool:
        """Say that a job is being started; False: it is not held any more, do not start it.

        Needed for a job that was reclaimed before (it is poison if processes died while it ran, not while it
        waited in them), that may start only once, or that has a lock until its start.
        """
        digest = lease.extras.get("u", "")
        return bool(
            self.store.call("start", incarnation, lease.shop, lease.id, "SO" if at_most_once else "S", digest)
        )

    def acknowledge(self, incarnation: str, leases: Sequence[Lease]) -> list[str]:
        """End jobs; return the ids that the incarnation does not hold (any more), which were left alone."""
        if not leases:
            return []
        refused = self.store.call("acknowledge", *acknowledgement(incarnation, leases))
        return [job_id.decode() for job_id in refused]

    def adopt(self, incarnation: str) -> list[Lease]:
        """Return all that the incarnation holds; after a claim whose answer was lost. Raises LeaseLost."""
        return leases_of(incarnation, self.store.call("adopt", incarnation))

    def retry(
        self,
        incarnation: str,
        lease: Lease,
        due: float,
        error: str,
        extras: Mapping[str, str] | None = None,
    ) -> bool:
        """Schedule a failed job for `due` (seconds since 1970), one attempt spent. False: not held."""
        due_ms = int(due * 1000)
        stored = lease.record(attempts=lease.attempts + 1, due_ms=due_ms, error=error, extras=extras)
        return self._schedule(incarnation, lease, due_ms, stored, "retried")

    def snooze(
        self,
        incarnation: str,
        lease: Lease,
        due: float,
        extras: Mapping[str, str] | None = None,
        *,
        interrupted: bool = False,
    ) -> bool:
        """Schedule a job for `due` (seconds since 1970); no attempt is spent. False: not held.

        `interrupted` counts an interruption: it had been started.
        """
        due_ms, times = int(due * 1000), lease.interruptions + interrupted
        stored = lease.record(due_ms=due_ms, interruptions=times, error=lease.error, extras=extras)
        return self._schedule(incarnation, lease, due_ms, stored, "snoozed")

    def _schedule(self, incarnation: str, lease: Lease, due_ms: int, stored: bytes, total: str) -> bool:
        is_held = bool(self.store.call("retry", incarnation, lease.shop, lease.id, due_ms, stored, total))
        if is_held and self.observe_schedule is not None:
            self.observe_schedule(due_ms / 1000)
        return is_held

    def bury(
        self, incarnation: str, lease: Lease, reason: str, extras: Mapping[str, str] | None = None
    ) -> bool:
        """Put a job into the dead set for the stated reason. False: not held any more."""
        stored = lease.record(attempts=lease.attempts + 1, error=reason, extras=extras)
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

    def crash(self, incarnation: str, lease: Lease, how: str) -> str:
        """Do with a job whose own process died what a reclaim does; `how`: what it did (`was killed by
        SIGSEGV`).

        Returns `queued`, `buried` or `cancelled`; empty: it is not held any more.
        """
        bounds = (POISON_RECLAIMS, POISON_WINDOW_MS, DEAD_JOBS_LIMIT, DEAD_AGE_LIMIT_MS)
        fate = self.store.call("crash", incarnation, lease.shop, lease.id, how, *bounds)
        return fate.decode() if fate else ""

    # Waiting for something other than a turn

    def park(self, incarnation: str, lease: Lease) -> bool:
        """Set a job aside whose class or version this revision does not know (J7). False: not held."""
        room = f"!unknown:{lease.job_class}@{lease.version}"
        return bool(self.store.call("park", incarnation, lease.shop, lease.id, room))

    def unpark(self, classes: Mapping[str, int], limit: int = 1000) -> int:
        """Queue again what was parked of the classes, up to the given versions; return how many."""
        return int(self.store.call("unpark", limit, *flat(classes)))

    def promote(self, limit: int = 1000) -> int:
        """Move what is due from the schedule into the lanes; return how many left the schedule."""
        return int(self.store.call("promote", limit))

    def sound_alarms(self, limit: int = 100, most: int = 1000) -> int:
        """Look at what was to be looked at by now (`scripts/alarm.lua`); return how many alarms went off."""
        return int(self.store.call("alarm", limit, most))

    def next_due(self, *, alarms: bool = True) -> tuple[float | None, float | None]:
        """Return when the next scheduled job is due, and when the next alarm goes off, ms; None: never.

        Without `alarms` they are not looked at, which saves a command.
        """
        asked = (keys.SCHEDULE, keys.ALARMS) if alarms else (keys.SCHEDULE,)
        found = self.store.commands(*(("ZRANGE", key, 0, 0, "WITHSCORES") for key in asked))
        times = [float(first[1]) if first else None for first in found]
        return times[0], times[1] if alarms else None

    # The life of a process

    def register(self, incarnation: str, fields: Mapping[str, str | int | float]) -> None:
        """Give the incarnation its lease; `fields` is what it says of itself."""
        self.store.call("register", incarnation, self._lease_ms, *flat(fields))

    def heartbeat(self, incarnation: str, fields: Mapping[str, str | int | float]) -> Pulse:
        """Renew the lease. Raises LeaseLost: it was reclaimed and never comes back."""
        answer = self.store.call("heartbeat", incarnation, self._lease_ms, *flat(fields))
        if not answer:
            raise LeaseLost(incarnation)
        now_ms, leads, expired, *orders = answer
        return Pulse(int(now_ms), bool(leads), bool(expired), [order.decode() for order in orders])

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

    # The gate

    def set_gate(self, shop_id: int, state: str, epoch: int, pod_id: int, mover: int = 0) -> bool:
        """Set the shop's gate to `open`, `hold` or `moved` (then `pod_id` is where it went).

        Returns False, with nothing changed, when the gate already stands at a later epoch, or was set under a
        later mover epoch than `mover`.
        """
        if state not in {"open", "hold", "moved"}:
            raise ValueError(f"a gate is open, hold or moved, not {state!r}")
        return bool(self.store.call("gate", shop_id, state, epoch, pod_id, mover, "")[0])
