"""The read side: what podctl, the metrics, the demo and tests may ask about one pod.

Owns reading; changes nothing. Promises: a question about one job or one process costs what it holds, not
what the queues hold; `counts` is one instant. Other answers are put together from several questions, between
which jobs go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import redis

from podwork import identity, keys, record
from podwork.errors import StoreUnavailable
from podwork.interfaces import Clock, SystemClock
from podwork.store import Store


class QueueState(NamedTuple):
    """One queue: ready jobs, how many shops wait, and the age of the oldest job at the head of a lane."""

    name: str
    ready: int
    shops: int
    oldest_seconds: float


class Counts(NamedTuple):
    """How many jobs of the pod stand where."""

    ready: int
    held: int
    scheduled: int
    parked: int
    dead: int

    @property
    def unfinished(self) -> int:
        """Jobs that are still to run."""
        return self.ready + self.held + self.scheduled + self.parked


class ProcessState(NamedTuple):
    """A worker's child: what it says of itself, what it holds, how long its lease still lasts."""

    incarnation: str
    fields: dict[str, str]
    held: int
    lease_seconds: float


class JobState(NamedTuple):
    """Where a job is: `state` is ready, held, scheduled, parked or dead."""

    id: str
    state: str
    job_class: str
    args: dict[str, Any]
    queue: str
    shop_id: int | None
    epoch: int
    attempts: int
    interruptions: int
    reclaims: int
    pushed_at: float
    due_at: float
    error: str
    holder: str | None


class Inspection:
    """Questions about the pod whose Redis is `store`. Every method raises StoreUnavailable."""

    LANES_LOOKED_AT = 200
    """Of how many lanes the heads are read to find the oldest job; those first in the ring."""

    def __init__(self, store: Store, *, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or SystemClock()

    def queue_names(self) -> list[str]:
        """Return the queues that ever had a job, sorted."""
        return sorted(name.decode() for name in self._ask("hkeys", keys.SIZES))

    def queue(self, name: str) -> QueueState:
        """Return one queue's state; an unknown queue is an empty one."""
        ready = int(self._ask("hget", keys.SIZES, name) or 0)
        waiting, outside = self._ask("llen", keys.ring(name)), self._ask("scard", keys.outside(name))
        shops = self._ask("lrange", keys.ring(name), 0, self.LANES_LOOKED_AT - 1)
        heads = [self._ask("lindex", keys.lane(name, shop.decode()), 0) for shop in shops]
        pushed = [identity.pushed_at_seconds(head.decode()) for head in heads if head]
        oldest = max(0.0, self._clock.now() - min(pushed)) if pushed else 0.0
        return QueueState(name, ready, int(waiting) + int(outside), oldest)

    def counts(self) -> Counts:
        """Return how many jobs are ready, held, scheduled, parked and dead, all at one instant."""
        return Counts(*self._store.call("counts"))

    def totals(self) -> dict[str, int]:
        """Return the pod's counters: accepted, acknowledged, retried, buried, reclaimed, released, ..."""
        return {name.decode(): int(value) for name, value in self._ask("hgetall", keys.TOTALS).items()}

    def processes(self) -> list[ProcessState]:
        """Return the registered processes; a negative `lease_seconds` waits to be reclaimed."""
        seconds, microseconds = self._ask("time")
        now_ms = seconds * 1000 + microseconds / 1000
        states = []
        for name, lease_ms in self._ask("zrange", keys.PROCESSES, 0, -1, withscores=True):
            incarnation = name.decode()
            fields = self._ask("hgetall", keys.process(incarnation))
            if not fields:  # it left between the two questions
                continue
            held = int(self._ask("hlen", keys.held(incarnation)))
            said = {key.decode(): value.decode() for key, value in fields.items()}
            states.append(ProcessState(incarnation, said, held, (lease_ms - now_ms) / 1000))
        return states

    def job(self, job_id: str) -> JobState | None:
        """Return the job's state, or None when it is not here (it ended, or is on another pod).

        Raises:
            InvalidJobId: the text is not a job id.
        """
        shop = identity.shop_text(job_id)
        stored = self._ask("hget", keys.jobs(shop), job_id)
        if stored is None:
            return None
        head, encoded, error = record.split(stored)
        payload = record.decode_payload(encoded)
        state, holder = self._where(job_id, payload.job_class)
        shop_id = None if shop == keys.POD_LANE else int(shop)
        pushed_at, due_at = identity.pushed_at_seconds(job_id), head.due_ms / 1000
        return JobState(
            job_id,
            state,
            payload.job_class,
            payload.args,
            head.queue,
            shop_id,
            payload.epoch,
            head.attempts,
            head.interruptions,
            head.reclaims,
            pushed_at,
            due_at,
            error,
            holder,
        )

    def job_ids(self, shop: str) -> Iterator[str]:
        """Yield the ids of a shop's jobs in every state; `shop` as text, `pod` for work without a shop."""
        cursor = 0
        while True:
            cursor, found = self._ask("hscan", keys.jobs(shop), cursor, count=500)
            yield from (job_id.decode() for job_id in found)
            if cursor == 0:
                return

    def _where(self, job_id: str, job_class: str) -> tuple[str, str | None]:
        if self._ask("zscore", keys.DEAD, job_id) is not None:
            return "dead", None
        if self._ask("zscore", keys.SCHEDULE, job_id) is not None:
            return "scheduled", None
        if self._ask("zscore", keys.parked(job_class), job_id) is not None:
            return "parked", None
        for incarnation in self._incarnations():
            if self._ask("hexists", keys.held(incarnation), job_id):
                return "held", incarnation
        return "ready", None

    def _incarnations(self) -> list[str]:
        return [name.decode() for name in self._ask("zrange", keys.PROCESSES, 0, -1)]

    def _ask(self, command: str, *args: Any, **options: Any) -> Any:
        try:
            return getattr(self._store.client, command)(*args, **options)
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
            raise StoreUnavailable(self._store.address, str(error)) from None
