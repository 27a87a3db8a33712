"""A pod's Redis, as a relay speaks to it: begin, push, ask what ended, forget it.

Owns: the calls of the relay's scripts and the meaning of their answers. Promises: each is one step; pushes
and forgetting are refused to a relay when another has begun since. Leaves to others: the order of the steps
(`relay`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from podwork import keys, store
from podwork.gate import read_gate
from podwork.queues import Queues
from podwork.unique import Lock
from podwork_pods.errors import RelaySuperseded
from podwork_pods.outbox.rows import OutboxRow


class Job(NamedTuple):
    """A row with its locks read."""

    row: OutboxRow
    locks: Sequence[Lock]


class Found(NamedTuple):
    """What Redis says: its name ('': none yet), its last batch, since when it has keys, if it lost some."""

    generation: str
    batch: int
    since: str
    lost: bool


class Arrivals:
    """Where the outbox's jobs arrive."""

    def __init__(self, queues: Queues) -> None:
        self.queues = queues
        self.store = queues.store

    def begin(self, token: str, generation: str, highest_batch: int) -> Found:
        """Refuse the pushes of every relay before this one, if Redis is of the generation, or of none."""
        found, batch, since, lost = self.store.call("relay_begin", token, generation, highest_batch)
        return Found(found.decode(), int(batch), since.decode(), bool(lost))

    def push(self, token: str, jobs: Sequence[Job]) -> tuple[int, list[str]]:
        """Store jobs that are not here; return the batch and the fate of each (`scripts/relay.lua`).

        Raises:
            RelaySuperseded: another relay has begun since; nothing was stored.
            StoreUnavailable: it may or may not have happened, or may still.
            StoreRefused: nothing was stored.
        """
        answer = self.store.call("relay", token, 0, *_flat(jobs))
        if not answer:
            raise RelaySuperseded(token)
        return int(answer[0]), [fate.decode() for fate in answer[1:]]

    def look(self, jobs: Sequence[Job]) -> list[str]:
        """Return the fates that a push would have; changes nothing."""
        return [fate.decode() for fate in self.store.call("relay", "", 1, *_flat(jobs))[1:]]

    def ended(self, limit: int) -> list[str]:
        """Return ids of jobs that have ended and whose rows are to be deleted, in no order.

        Without those whose shops are on their way to another pod: their rows are compared on both, and what
        ended is told there by the ids.
        """
        found = [job_id.decode() for job_id in self.store.command("SRANDMEMBER", keys.ENDED, limit)]
        shops = sorted({_shop_of(job_id) for job_id in found})
        gates = self.store.command("HMGET", keys.GATE, *shops) if shops else []
        travelling = {
            shop
            for shop, gate in zip(shops, gates, strict=True)
            if read_gate(gate or b"").state in ("pausing", "hold")
        }
        return [job_id for job_id in found if _shop_of(job_id) not in travelling]

    def forget(self, token: str, job_ids: Sequence[str]) -> None:
        """Forget ended jobs whose rows are deleted. Raises as `push` does."""
        if not self.store.call("relay_forget", token, *job_ids):
            raise RelaySuperseded(token)

    def name(self, generation: str, batch: int = 0) -> str:
        """Say which Redis this is, unless that was said before; return what holds."""
        return str(self.store.call("generation", generation, batch, "", 0).decode())

    def complete(self, generation: str, batch: int, since: str, last_batch: int) -> bool:
        """Say that Redis was given back what it lacked. False: it lost something again meanwhile."""
        return bool(self.store.call("generation", generation, batch, since, last_batch))

    def found(self) -> Found:
        """Return which Redis this says it is; changes nothing."""
        fields = ("id", "batch", "since", "lost")
        generation, batch, since, lost = self.store.command("HMGET", keys.GENERATION, *fields)
        return Found((generation or b"").decode(), int(batch or 0), (since or b"").decode(), bool(lost))

    def wait(self, seconds: float) -> bool:
        """Wait for a hint; False: none came in time. Raises StoreUnavailable."""
        patience = seconds + self.store.timeout_seconds
        return self.store.command("BLPOP", keys.BELL, f"{seconds:.3f}", timeout_seconds=patience) is not None


def _shop_of(job_id: str) -> str:
    return job_id.partition("-")[2]


def _flat(jobs: Sequence[Job]) -> list[store.Argument]:
    arguments: list[store.Argument] = []
    for row, locks in jobs:
        arguments += (row.queue, row.shop, row.epoch, row.due_ms, row.job_id, row.record, len(locks))
        for lock in locks:
            arguments += lock
    return arguments
