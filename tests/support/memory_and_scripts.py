"""The memory of `podwork.testing` beside the scripts: each step is done on both, and answers are compared.

Jobs are known by the order in which they were pushed, from 0. Time passes by multiples of 5 seconds, and
nothing should last such a multiple: then no step is a close finish.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podwork import keys, record
from podwork.client import Client
from podwork.job import Call, JobClass
from podwork.lease import Lease
from podwork.parcel import Parcel, PushOptions
from podwork.queues import End, Queues
from podwork.single import SingleRouter
from podwork.store import Store
from podwork.testing.clock import VirtualClock
from podwork.testing.memory import MemoryStore

QUEUES = ["default", "low"]
WHO = "host:1:a"


class Side:
    """One of the two."""

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self.store = store
        self.queues = Queues(store, lease_seconds=3600)
        self.client = Client(SingleRouter(), lambda _pod: self.queues, clock=clock)
        self.clock = clock
        self.ids: list[str] = []
        self.held: dict[int, Lease] = {}

    def number(self, job_id: str) -> int:
        """Return which push made the job; a new one counts on."""
        if job_id not in self.ids:
            self.ids.append(job_id)
        return self.ids.index(job_id)

    def claim(self) -> int | None:
        self.queues.promote()
        leases = self.queues.claim(WHO, QUEUES, 1)
        for lease in leases:
            self.held[self.number(lease.id)] = lease
        return self.number(leases[0].id) if leases else None

    def due(self) -> float:
        return self.clock.now() + 12

    def turn(self, end: End) -> list[int]:
        refused, _ = self.queues.turn(WHO, [end], [], 0)
        return [self.number(job_id) for job_id in refused]

    def followers(self, lease: Lease, job: JobClass[Any]) -> list[Parcel]:
        where: dict[str, Any] = {"pod": 1} if lease.shop_id is None else {"shop_id": lease.shop_id}
        made = [self.client.parcel(Call(job, (), {"n": n}), **where, options=PushOptions()) for n in (0, 1)]
        self.ids += [parcel.id for parcel in made]  # also those for which another stands: on both sides
        return made

    def content(self, job_id: str) -> tuple[Any, ...] | None:
        """Return what can be compared of the job's record; None: it is not stored."""
        stored = self.record(job_id)
        if stored is None:
            return None
        head, payload, error = record.split(stored)
        decoded = record.decode_payload(payload)
        counted = (head.attempts, head.interruptions, error)
        return head.queue, decoded.job_class, decoded.args, counted, sorted(record.read_extras(head.extras))

    def record(self, job_id: str) -> bytes | None:
        raise NotImplementedError

    def place(self, job_id: str) -> str:
        raise NotImplementedError

    def pass_time(self, seconds: int) -> None:
        raise NotImplementedError


class Memory(Side):
    """The model, by a clock that is turned."""

    store: MemoryStore

    def __init__(self) -> None:
        clock = VirtualClock()
        super().__init__(MemoryStore(1, clock, lambda _pod, _id, _record: None), clock)

    def record(self, job_id: str) -> bytes | None:
        return self.store.places.records.get(job_id)

    def place(self, job_id: str) -> str:
        return self.store.places.state(job_id)

    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)


class Scripts(Side):
    """The scripts, on a Redis whose stored times are put back instead of waiting."""

    def __init__(self, url: str) -> None:
        super().__init__(Store(url), VirtualClock(ticking=True))
        self.redis: Any = self.store.client
        self.redis.flushdb()
        self.queues.register(WHO, {"pid": 1})

    def record(self, job_id: str) -> bytes | None:
        stored: bytes | None = self.redis.hget(keys.jobs(job_id.partition("-")[2]), job_id)
        return stored

    def place(self, job_id: str) -> str:
        if self.record(job_id) is None:
            return "ended"
        if self.redis.zscore(keys.DEAD, job_id) is not None:
            return "dead"
        if self.redis.zscore(keys.SCHEDULE, job_id) is not None:
            return "scheduled"
        if self.redis.hexists(keys.PARKED, job_id):
            return "parked"
        return "held" if self.redis.hexists(keys.held(WHO), job_id) else "ready"

    def pass_time(self, seconds: int) -> None:
        for job_id, due_ms in self.redis.zrange(keys.SCHEDULE, 0, -1, withscores=True):
            self.redis.zadd(keys.SCHEDULE, {job_id: due_ms - seconds * 1000})
        for key in self.redis.keys(keys.locks("*")):
            for digest, lock in self.redis.hgetall(key).items():
                owner, until_ms = lock.split()
                if until_ms != b"0":
                    self.redis.hset(key, digest, b"%b %d" % (owner, int(until_ms) - seconds * 1000))


_WAYS: dict[str, Callable[[Side, Lease, JobClass[Any] | None], Any]] = {
    "succeed": lambda side, lease, _: side.queues.acknowledge(WHO, [lease]),
    "follow": lambda side, lease, job: side.turn(
        End(lease, follow_ups=side.followers(lease, job) if job else ())
    ),
    "discard": lambda side, lease, _: side.turn(End(lease, "discarded")),
    "retry": lambda side, lease, _: side.queues.retry(WHO, lease, side.due(), "error"),
    "snooze": lambda side, lease, _: side.queues.snooze(WHO, lease, side.due()),
    "bury": lambda side, lease, _: side.queues.bury(WHO, lease, "error"),
    "release": lambda side, lease, _: side.queues.release(WHO, [lease], interrupted=True),
}


class Both:
    """Does each step on both sides."""

    WAYS = tuple(_WAYS)

    def __init__(self, url: str) -> None:
        self._memory, self._scripts = Memory(), Scripts(url)

    @property
    def held(self) -> list[int]:
        """The jobs that are held."""
        return sorted(self._memory.held)

    def push(
        self,
        job: JobClass[Any],
        *,
        place: int | None = 1,
        n: int = 0,
        note: int = 0,
        in_: int | None = None,
        key: str | None = None,
    ) -> int:
        """Push to a shop, or with None to the pod; return the number of the job that stands for it."""
        where: dict[str, Any] = {"pod": 1} if place is None else {"shop_id": place}
        call = Call(job, (), {"n": n, "note": note})
        return int(
            self._step(
                lambda side: side.number(side.client.push(call, **where, in_=in_, idempotency_key=key))
            )
        )

    def claim(self) -> int | None:
        """Claim the next job that is due."""
        claimed: int | None = self._step(lambda side: side.claim())
        return claimed

    def start(self, number: int) -> None:
        """Say that a held job starts."""
        self._step(lambda side: side.queues.start(WHO, side.held[number]))

    def end(
        self, number: int, way: str, *, follower: JobClass[Any] | None = None, late: bool = False
    ) -> None:
        """End a held job; `late`: say something else of it afterwards, which must change nothing."""
        self._step(lambda side: _WAYS[way](side, side.held[number], follower))
        if late:
            assert self._step(lambda side: side.queues.snooze(WHO, side.held[number], 1.0)) is False
        for side in (self._memory, self._scripts):
            del side.held[number]

    def promote(self) -> None:
        """Let enter what is due."""
        self._step(lambda side: side.queues.promote())

    def pass_time(self, seconds: int) -> None:
        """Let time pass."""
        self._step(lambda side: side.pass_time(seconds))

    def note(self, number: int) -> int:
        """Return the argument `note` of a job."""
        content = self._step(lambda side: side.content(side.ids[number]))
        return int(content[2].get("note", 0))

    def compare(self) -> None:
        """Compare all jobs: where they stand, and what they are."""
        self._step(lambda side: [(side.place(job_id), side.content(job_id)) for job_id in side.ids])

    def close(self) -> None:
        """Close the connection."""
        self._scripts.store.close()

    def _step(self, step: Callable[[Any], Any]) -> Any:
        """Do it on both sides, and compare the answers. Nothing happens twice in a millisecond."""
        for side in (self._memory, self._scripts):
            side.clock.advance(0.01)
        model, real = step(self._memory), step(self._scripts)
        assert model == real
        return model
