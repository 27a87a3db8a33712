"""What goes into a transition and what comes out of it: the words between `Queues` and the scripts.

Owns: the named tuples, and the flat arguments that scripts take. Leaves to others: the calls
(`podwork.queues`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from podwork.errors import LeaseLost
from podwork.lease import Lease, from_claim
from podwork.parcel import Parcel
from podwork.store import Argument
from podwork.unique import Lock


class PushGroup(NamedTuple):
    """Jobs of one shop for one queue, with the epoch under which the pusher believes the shop is here."""

    queue: str
    shop: str
    epoch: int
    jobs: Sequence[tuple[str, bytes]]
    """(id, record) of each job."""
    due_ms: int = 0
    """When they are due, ms since 1970; 0: now."""


class Refusal(NamedTuple):
    """A group that the gate did not accept."""

    group: int
    """Its position in the push, from 0."""
    pod_id: int | None
    """The pod where the shop is; None: the shop is being switched, wait."""
    epoch: int


class Stored(NamedTuple):
    """What became of a push that asked for locks.

    `what`: accepted; kept (the job `id` has the lock, nothing was stored); replaced (the job `id` has the new
    content); after (stored, and it runs when the present one has ended).
    """

    what: str
    id: str


class Reclaimed(NamedTuple):
    """A job taken back from a process whose lease ended."""

    id: str
    incarnation: str
    buried: bool


class End(NamedTuple):
    """The end of a run: a success, with the jobs that follow it, or none, counted under `counter`.

    Follow-ups are stored if and only if the job ends here; they are for its own shop, and take its epoch.
    """

    lease: Lease
    counter: str = ""
    follow_ups: Sequence[Parcel] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it can be acknowledged together with others."""
        return not self.counter and not self.follow_ups


class Handed(NamedTuple):
    """What a push, or somebody who left work behind, told a process on its channel."""

    leases: list[Lease]
    """What it holds from now on."""
    more: bool
    """Whether it is listed as idle no more: there may be more work, and nothing will be handed to it."""
    order: str = ""
    """What it is told to do, as with a heartbeat, and sooner; then it says nothing else."""


class Pulse(NamedTuple):
    """What a heartbeat heard: Redis's time, whether this process leads the pod, whether somebody's lease has
    expired, and what the process is told to do."""

    now_ms: int
    leads: bool
    expired: bool
    orders: list[str]


def pushed(groups: Sequence[PushGroup], *, fresh: bool) -> list[Argument]:
    """Return the arguments of a push."""
    arguments: list[Argument] = []
    flag = b"1" if fresh else b"0"
    for group in groups:
        arguments += (group.queue, group.shop, group.epoch, group.due_ms, flag, len(group.jobs))
        for job in group.jobs:
            arguments += job
    return arguments


def refusal_of(entry: Sequence[Any]) -> Refusal:
    """Return a push's refusal: `[group from 1, HOLD]` or `[group, MOVED, pod, epoch]`."""
    if entry[1] == b"HOLD":
        return Refusal(int(entry[0]) - 1, None, 0)
    return Refusal(int(entry[0]) - 1, int(entry[2]), int(entry[3]))


def leases_of(incarnation: str, answer: Sequence[bytes] | None) -> list[Lease]:
    """Return the leases of a claim. Raises LeaseLost."""
    if answer is None:
        raise LeaseLost(incarnation)
    return from_claim(incarnation, answer)


def handed(incarnation: str, message: bytes) -> Handed:
    """Return what a message says (`scripts/parts/handing.lua`); an empty one is a hint, a word an order."""
    if message[:1].isalpha():
        return Handed([], False, message.decode())
    parts: list[bytes] = []
    at = 1
    while at < len(message):
        colon = message.index(b":", at)
        at = colon + 1 + int(message[at:colon])
        parts.append(message[colon + 1 : at])
    return Handed(from_claim(incarnation, parts), message[:1] != b"0")


def acknowledgement(incarnation: str, leases: Sequence[Lease]) -> list[Argument]:
    """Return the arguments that end jobs together, those of a shop side by side."""
    arguments: list[Argument] = [incarnation]
    for held in sorted(leases, key=lambda one: one.shop) if len(leases) > 1 else leases:
        arguments += (held.shop, held.id)
    return arguments


def flat_locks(locks: Sequence[Lock]) -> list[Argument]:
    """Return digest, period and conflict of each lock."""
    return [part for lock in locks for part in lock]


def ending(incarnation: str, end: End) -> tuple[str, Sequence[Argument]]:
    """Return the call that ends one job by itself."""
    lease = end.lease
    if end.counter:
        return "discard", (incarnation, lease.shop, lease.id, end.counter)
    arguments: list[Argument] = [incarnation, lease.shop, lease.id]
    for parcel in end.follow_ups:
        stored = parcel.record(lease.epoch)
        arguments += (parcel.queue, parcel.due_ms, parcel.id, stored, len(parcel.locks))
        arguments += flat_locks(parcel.locks)
    return "complete", arguments


def flat(fields: Mapping[str, str | int | float]) -> list[Argument]:
    """Return names and values in turn."""
    return [part for field in fields.items() for part in field]
