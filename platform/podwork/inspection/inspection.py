"""The read side: what podctl, the dashboard, the metrics and tests may ask about one pod.

Owns: `Inspection`, the one door to it. Promises: it changes nothing, and each answer says what it costs.
`counts` and `job` are one instant; what goes through many jobs is put together from several steps, between
which jobs go on. Leaves to others: why a job waits (`podwork.why`), acting on jobs (`podwork.interventions`,
`podwork.selection`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from podwork import identity, keys
from podwork.inspection import gathering, paging
from podwork.inspection.filters import Filter
from podwork.inspection.reading import Found, held_job, job_state
from podwork.inspection.states import (
    Counts,
    DeadGroups,
    Groups,
    HeldJob,
    JobState,
    Page,
    ProcessState,
    QueueState,
)
from podwork.inspection.walk import Place, walk
from podwork.interfaces import Clock, SystemClock
from podwork.store import Store


class Inspection:
    """Questions about the pod whose Redis is `store`. Every method raises StoreUnavailable."""

    def __init__(self, store: Store, *, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or SystemClock()

    # The pod as a whole

    def counts(self) -> Counts:
        """Return how many jobs are ready, held, scheduled, parked and dead, all at one instant.

        Costs what there are of queues, processes and rooms.
        """
        return Counts(*self._store.call("counts"))

    def totals(self) -> dict[str, int]:
        """Return the pod's counters: accepted, acknowledged, retried, buried, reclaimed, released, ..."""
        return {name: int(value) for name, value in self._hash(keys.TOTALS).items()}

    def queue_names(self) -> list[str]:
        """Return the queues that ever had a job, sorted."""
        return sorted(name.decode() for name in self._store.command("HKEYS", keys.SIZES))

    def queue(self, name: str, *, lanes: int = gathering.LANES_LOOKED_AT) -> QueueState:
        """Return one queue; an unknown one is empty. Costs the heads of at most `lanes` lanes."""
        return gathering.queue_state(self._store, name, self._clock.now(), lanes)

    def classes(self, *, most: int = gathering.JOBS_LOOKED_AT) -> Groups:
        """Return the jobs by class. Reads at most `most` jobs in each state (10,000: about half a second)."""
        return gathering.by_class(self._store, self._clock.now(), most)

    def shops(self, *, most: int = gathering.JOBS_LOOKED_AT) -> Groups:
        """Return the jobs by shop. Looks at `most` lanes at most, and at `most` jobs in each other state."""
        return gathering.by_shop(self._store, self._clock.now(), most)

    def dead_groups(
        self, wanted: Filter | None = None, *, most: int = gathering.JOBS_LOOKED_AT
    ) -> DeadGroups:
        """Return the dead that fit by the fingerprint of their error. Reads at most `most` of the dead."""
        return gathering.dead_groups(self._store, wanted or Filter(), most)

    # Processes

    def processes(self) -> list[ProcessState]:
        """Return the registered processes; a negative `lease_seconds` waits to be reclaimed.

        Two round trips, three commands for each process.
        """
        (seconds, microseconds), flat = self._store.commands(
            ("TIME",), ("ZRANGE", keys.PROCESSES, 0, -1, "WITHSCORES")
        )
        now_ms = int(seconds) * 1000 + int(microseconds) / 1000
        leases = [(name.decode(), float(lease_ms)) for name, lease_ms in zip(*[iter(flat)] * 2, strict=True)]
        answers = iter(
            self._store.commands(
                *(
                    command
                    for name, _ in leases
                    for command in (("HGETALL", keys.process(name)), ("HLEN", keys.held(name)))
                )
            )
        )
        return [
            ProcessState(name, _fields(said), int(held), (lease_ms - now_ms) / 1000)
            for (name, lease_ms), said, held in zip(leases, answers, answers, strict=True)
            if said  # else it left between the two questions
        ]

    def held_jobs(self, incarnation: str = "") -> list[HeldJob]:
        """Return what the processes, or one of them, have in their hands, the longest held first.

        What a process runs and what only waits in it is not told apart: the first ones run. Reads every such
        job.
        """
        steps = walk(self._store, "held", Place("held", incarnation))
        if incarnation:
            steps = takewhile(lambda step: step.place.where == incarnation, steps)
        jobs = [held_job(step.found) for step in steps if step.found is not None]
        return sorted(jobs, key=lambda job: (job.incarnation, job.since, job.id))

    # Jobs

    def job(self, job_id: str) -> JobState | None:
        """Return the job's state, or None when it is not here (it ended, or is on another pod). One script.

        Raises:
            InvalidJobId: the text is not a job id.
        """
        identity.shop_text(job_id)
        return self.jobs_of([job_id])[0]

    def jobs_of(self, job_ids: Sequence[str]) -> list[JobState | None]:
        """Return the states of some jobs, all at one instant; None for those that are not here."""
        if not job_ids:
            return []
        answer = self._store.call("look", *job_ids)
        return [
            None if looked is None else job_state(_found(job_id, looked))
            for job_id, looked in zip(job_ids, answer, strict=True)
        ]

    def jobs(
        self,
        wanted: Filter,
        cursor: str | None = None,
        limit: int = 50,
        *,
        most_looked_at: int = paging.MOST_LOOKED_AT,
    ) -> Page:
        """Return the next `limit` jobs that fit; see `podwork.inspection.walk` for their order.

        Reads at most `most_looked_at` jobs, and the ring of each queue on the way. A page that reached the
        bound may be short and has a cursor.

        Raises:
            InvalidFilter, InvalidCursor: nothing can be listed so.
        """
        return paging.page(self._store, wanted, cursor, limit, most_looked_at)

    def find(
        self, prefix: str, limit: int = 10, *, most_looked_at: int = 10 * paging.MOST_LOOKED_AT
    ) -> list[JobState]:
        """Return jobs whose id begins so. Goes through all, up to a bound: only a whole id says its shop."""
        return list(self.jobs(Filter(prefix=prefix), limit=limit, most_looked_at=most_looked_at).jobs)

    def job_ids(self, shop: str) -> Iterator[str]:
        """Yield the ids of a shop's jobs in every state; `shop` as text, `pod` for work without a shop."""
        cursor = b"0"
        while True:
            cursor, flat = self._store.command("HSCAN", keys.jobs(shop), cursor, "COUNT", 500)
            yield from (job_id.decode() for job_id in flat[::2])
            if cursor == b"0":
                return

    def _hash(self, key: str) -> dict[str, str]:
        return _fields(self._store.command("HGETALL", key))


def _fields(flat: Sequence[bytes]) -> dict[str, str]:
    parts = iter(flat)
    return {name.decode(): value.decode() for name, value in zip(parts, parts, strict=True)}


def _found(job_id: str, looked: Sequence[bytes]) -> Found:
    state, where, more, stored = looked
    return Found(job_id, state.decode(), where.decode(), more.decode(), stored)  # type: ignore[arg-type]  # place_of answers a State
