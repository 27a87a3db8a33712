"""What a person does to jobs and processes: cancel, run again, move, tell a process to stop.

Owns: the calls and the meaning of their answers. Promises: each job is changed as one step and only if it
stands in the state that was meant; a job that runs is asked to stop and never runs again. Orders to a process
are heard at its next heartbeat. Leaves to others: choosing the jobs (`podwork.inspection`,
`podwork.selection`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from podwork import keys
from podwork.store import Store

PORTION: Final = 500
Order = Literal["quiet", "resume", "stop", "dump"]


class Outcome(NamedTuple):
    """What became of one job: ended, stopping, queued, moved, missing, or the state it was in instead."""

    id: str
    what: str


class Interventions:
    """Changes to the jobs and processes of the pod whose Redis is `store`.

    Every method raises StoreUnavailable and StoreRefused.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def cancel(self, job_ids: Sequence[str], *, state: str = "") -> list[Outcome]:
        """End jobs; `state`: only those that stand in it. A running one is `stopping`."""
        return self._each("cancel", [state, "cancelled"], job_ids)

    def discard(self, job_ids: Sequence[str]) -> list[Outcome]:
        """End dead jobs."""
        return self._each("cancel", ["dead", "discarded"], job_ids)

    def retry(self, job_ids: Sequence[str], *, state: str = "") -> list[Outcome]:
        """Queue dead jobs again with all their attempts, and scheduled ones now."""
        return self._each("revive", [state], job_ids)

    def move(self, job_ids: Sequence[str], queue: str) -> list[Outcome]:
        """Let jobs wait in another queue; what runs is left alone."""
        return self._each("move_queue", [queue], job_ids)

    def order(self, incarnation: str, order: Order) -> bool:
        """Tell a process to do something at its next heartbeat. False: there is no such process."""
        if self._store.command("ZSCORE", keys.PROCESSES, incarnation) is None:
            return False
        self._store.command("RPUSH", keys.orders(incarnation), order)
        return True

    def weigh(self, shop_id: int, weight: int) -> None:
        """Let the shop start so many jobs where others start one; 1 is as everybody."""
        if weight == 1:
            self._store.command("HDEL", keys.WEIGHTS, shop_id)
        else:
            self._store.command("HSET", keys.WEIGHTS, shop_id, weight)

    def weights(self) -> dict[int, int]:
        """Return the shops with a weight of their own."""
        flat = iter(self._store.command("HGETALL", keys.WEIGHTS))
        return {int(shop): int(weight) for shop, weight in zip(flat, flat, strict=True)}

    def _each(self, script: str, arguments: list[str], job_ids: Sequence[str]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for start in range(0, len(job_ids), PORTION):
            portion = job_ids[start : start + PORTION]
            answer = self._store.call(script, *arguments, *portion)
            outcomes += [Outcome(job_id, what.decode()) for job_id, what in zip(portion, answer, strict=True)]
        return outcomes
