"""One pod's Redis in a passage: the calls of the scripts under one mover epoch, and what they answer.

Owns: `Side`. Promises: every change here bears the mover epoch and is refused once a later mover has set the
gate (`gate.mover`); a Redis that has lost the gate hands over nothing and takes nothing. What is refused is
raised: PassageRefused, JobsHeld. Leaves to others: the order of the calls (`podwork.transfer.transfer`).

Before and after each script it stands at a point, `transfer.{script}` and `transfer.{script}.done`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from podwork import keys, record
from podwork.errors import JobsHeld, PassageRefused
from podwork.gate import Gate, read_gate
from podwork.points import reach
from podwork.store import Argument, Store

PAGE_JOBS: Final = 500
"""How many jobs one script reads or stores: about a millisecond or two, in which Redis serves nobody else."""


class Held(NamedTuple):
    """A job that a process holds; `job_class` is empty if its record cannot be read."""

    id: str
    incarnation: str
    job_class: str


class Moving(NamedTuple):
    """A job as it is handed over. `at`: its time in the schedule or the dead set, or whom it waits for."""

    id: bytes
    place: bytes
    at: bytes
    record: bytes


class Since(NamedTuple):
    """The first of what has changed since it was brought. `upto`: the order of the last of them; `noted`: how
    many there were in all."""

    upto: bytes
    noted: int
    jobs: list[Moving]
    gone: list[bytes]
    locks: list[tuple[bytes, bytes]]
    ended: list[bytes]


class Left(NamedTuple):
    """A page of what a shop has left behind: how many are left in all, and those that were never brought."""

    cursor: bytes
    remaining: int
    late: list[Moving]


class Totals(NamedTuple):
    """The gate, and how many jobs there are, are marked as brought from here, and as arrived here."""

    gate: Gate
    jobs: int
    brought: int
    arrived: int


class Side:
    """The Redis of a pod that a shop leaves, or to which it goes."""

    def __init__(self, store: Store, shop_id: int, epoch: int, mover: int) -> None:
        self.store = store
        self.shop_id = shop_id
        self.shop = str(shop_id)
        self.epoch = epoch
        self._mover = mover

    # The gate

    def set_gate(self, state: str, epoch: int, pod_id: int, *, paused: bool = False) -> None:
        """Set the gate; `paused`: only if this mover has paused the shop here."""
        answer = self._ask("gate", state, epoch, pod_id, self._mover, "1" if paused else "")
        if not answer[0]:
            raise self.refused(answer[1])

    def pause(self, pod_id: int) -> None:
        """Let no job start, and tell those who hold some."""
        answer = self._ask("pause", self.epoch, pod_id, self._mover)
        if not answer[0]:
            raise self.refused(answer[1])

    def is_mine(self, gate: Gate, *states: str) -> bool:
        """Return whether this mover has set the gate, to one of the states."""
        return gate.mover == self._mover and gate.state in states

    def is_later(self, gate: Gate) -> bool:
        """Return whether a later mover has set the gate."""
        return gate.mover > self._mover

    def refused(self, found: bytes) -> PassageRefused:
        """Return what is raised when the gate is found like this."""
        gate = read_gate(found)
        overtaken = gate.mover > self._mover or gate.epoch > self.epoch
        return PassageRefused(self.shop_id, self.store.address, found.decode(), overtaken=overtaken)

    def totals(self) -> Totals:
        """Return how it stands; costs the same however much there is."""
        gate, jobs, brought, arrived = self.store.commands(
            ("HGET", keys.GATE, self.shop),
            ("HLEN", keys.jobs(self.shop)),
            ("ZCARD", keys.brought(self.shop)),
            ("ZCARD", keys.arrived(self.shop)),
        )
        return Totals(read_gate(gate or b""), int(jobs), int(brought), int(arrived))

    def gate(self) -> Gate:
        """Return the gate."""
        return read_gate(self.store.command("HGET", keys.GATE, self.shop) or b"")

    def held(self) -> list[Held]:
        """Return the shop's jobs that processes hold."""
        found = self._ask("holders")
        return [Held(one.decode(), who.decode(), _class_of(stored)) for one, who, stored in found]

    # Reading what is to be brought

    def unordered(self, *, everything: bool) -> Iterator[tuple[list[Moving], list[bytes]]]:
        """Yield pages of jobs that the other pod lacks, and the rooms in which others of them wait."""
        cursor = b"0"
        while True:
            which = "all" if everything else "placed"
            _, cursor, flat, rooms = self._said("export", self._mover, which, cursor, PAGE_JOBS)
            yield _moving(flat), rooms
            if cursor == b"0":
                return

    def lane(self, queue: bytes) -> Iterator[list[Moving]]:
        """Yield pages of a lane, in its order, without what the other pod has."""
        index = 0
        while True:
            _, looked_at, flat = self._said("export_lane", self._mover, queue, index, PAGE_JOBS)
            yield _moving(flat)
            index += looked_at
            if looked_at < PAGE_JOBS:
                return

    def since(self) -> Since:
        """Return the first page of what has changed since it was brought."""
        _, upto, noted, flat, gone, locks, ended = self._said("export_since", self._mover, PAGE_JOBS)
        parts = iter(locks)
        return Since(upto, noted, _moving(flat), gone, list(zip(parts, parts, strict=True)), ended)

    # Storing and marking

    def bring(
        self,
        jobs: Sequence[Moving] = (),
        gone: Sequence[bytes] = (),
        locks: Sequence[tuple[bytes, bytes]] = (),
        ended: Sequence[bytes] = (),
    ) -> None:
        """Store jobs in their places, and take away what is gone."""
        arguments: list[Argument] = [self.epoch, self._mover, len(jobs)]
        for job in jobs:
            arguments += job
        arguments += (len(gone), *gone, len(locks))
        for lock in locks:
            arguments += lock
        self._said("bring", *arguments, *ended)

    def bring_policies(self, weight: bytes, holds: Sequence[tuple[bytes, bytes]]) -> None:
        """Let the shop's weight and holds be here as they are there."""
        flat = [part for hold in holds for part in hold]
        self._said("bring_policies", self.epoch, self._mover, weight, *flat)

    def mark(self, ids: Sequence[bytes], gone: Sequence[bytes] = (), upto: bytes = b"") -> None:
        """Write down what the other pod has, and up to where what was noted is brought."""
        self._said("mark", self._mover, upto, len(ids), *ids, *gone)

    # What is left behind

    def leave(self, *, also_late: bool) -> bool:
        """Put the shop's jobs out of reach; False: some are not on the other pod, and nothing was changed."""
        return bool(self._said("leave", self._mover, "1" if also_late else "")[0] == b"LEFT")

    def sweep(self, marks: str, cursor: bytes, there: Sequence[bytes]) -> Left | None:
        """Forget a page of what was left behind; None: call it again."""
        answer = self._said("sweep", self._mover, marks, cursor, PAGE_JOBS, *there)
        if answer[0] == b"SWEEPING":
            return None
        return Left(answer[1], answer[2], _moving(answer[3]))

    def push_dead(self, epoch: int, job: Moving) -> None:
        """Accept a job that has failed for good elsewhere."""
        answer = self._ask("push_dead", epoch, job.id, job.record, job.at)
        if answer[0] != b"accepted":
            raise self.refused(self.store.command("HGET", keys.GATE, self.shop) or b"")

    def manifest(self, soon_ms: int, members: Sequence[bytes]) -> list[bytes]:
        """Return states with their counts and digests, flat; `soon_ms`: what is due by then counts as due."""
        return list(self._ask("manifest", soon_ms, *members))

    def _said(self, script: str, *arguments: Argument) -> list[Any]:
        """Call a script that answers with a word first; raise what it refuses."""
        answer = self._ask(script, *arguments)
        if answer[0] == b"GATE":
            raise self.refused(answer[1])
        if answer[0] == b"HELD":
            raise JobsHeld(self.shop_id, [job_id.decode() for job_id in answer[1:]])
        return answer

    def _ask(self, script: str, *arguments: Argument) -> list[Any]:
        reach(f"transfer.{script}")
        answer: list[Any] = self.store.call(script, self.shop, *arguments)
        reach(f"transfer.{script}.done")
        return answer


def _moving(flat: Sequence[bytes]) -> list[Moving]:
    parts = iter(flat)
    return [Moving(*one) for one in zip(parts, parts, parts, parts, strict=True)]


def _class_of(stored: bytes) -> str:
    try:
        return record.decode_payload(record.split(stored)[1]).job_class
    except (ValueError, msgspec.DecodeError):
        return ""
