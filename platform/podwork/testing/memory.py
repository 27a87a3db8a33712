"""A pod's Redis for an application's tests: the scripts that pushing and running jobs call, in memory.

Owns: `MemoryStore`. Above it everything is as in production: `Client`, `Queues`, `Lease`. Promises: unique
jobs, follow-ups, retries and times come out as in Redis, by the test's clock; a contract test runs the same
histories against both. Leaves out what one process that never dies does not meet: leases that expire, gates,
holds, limits, the bounds of the dead set. It is not for tests of podwork itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from podwork import identity, record
from podwork.errors import ConfigurationError
from podwork.lease import Lease
from podwork.store import Argument, Store
from podwork.testing.clock import VirtualClock
from podwork.testing.places import Places


class _Lock(NamedTuple):
    """What a push asks for."""

    digest: str
    period_ms: int
    conflict: str


class MemoryStore(Store):
    """One pod's jobs. `pushed` is called with id and record of every job that is stored, or stored anew."""

    def __init__(self, pod_id: int, clock: VirtualClock, pushed: Callable[[int, str, bytes], None]) -> None:
        super().__init__(f"redis://memory/{pod_id}")  # connects nothing
        self.pod_id = pod_id
        self.places = Places()
        self._clock = clock
        self._pushed = pushed
        self._locks: dict[tuple[str, str], tuple[str, int]] = {}
        self._one_at_a_time = threading.RLock()

    def call_many(
        self,
        calls: Sequence[tuple[str, Sequence[Argument]]],
        *,
        timeout_seconds: float | None = None,  # noqa: ARG002 - as Store has it
    ) -> list[Any]:
        """Run scripts, each as one step."""
        answers = []
        for script, arguments in calls:
            step: Callable[..., Any] | None = getattr(self, f"_{script}", None)
            if step is None:
                raise _missing(script)
            with self._one_at_a_time:
                answers.append(step(*map(_as_redis_reads, arguments)))
        return answers

    def begin(self, script: str, *arguments: Argument) -> Callable[[], Any]:
        """Run a script; its answer is here at once."""
        answer = self.call(script, *arguments)
        return lambda: answer

    def take(
        self, incarnation: str, queues: Sequence[str], wanted: Callable[[str, bytes], bool]
    ) -> Lease | None:
        """Claim the next job that is due and wanted; None: there is none."""
        with self._one_at_a_time:
            self.places.promote(self._clock.now_ms())
            job_id = self.places.take(queues, wanted)
            if job_id is None:
                return None
            self.places.held[job_id] = incarnation
            return Lease(incarnation, identity.shop_text(job_id), job_id, self.places.records[job_id])

    def forget(self) -> None:
        """Forget all jobs and locks."""
        with self._one_at_a_time:
            self.places = Places()
            self._locks.clear()

    def _exchange(self, commands: Sequence[Sequence[Argument]], _timeout_seconds: float | None) -> list[Any]:
        raise _missing(str(commands[0][0]))

    # Pushing

    def _push(self, *arguments: bytes) -> list[int]:
        parts, stored = iter(arguments), 0
        for _queue in parts:
            _shop, _epoch, due, fresh, count = (next(parts) for _ in range(5))
            for job_id, body in [(next(parts).decode(), next(parts)) for _ in range(int(count))]:
                if fresh == b"1" or job_id not in self.places.records:
                    self._store(job_id, body, int(due))
                    stored += 1
        return [stored]

    def _push_locked(
        self,
        _queue: bytes,
        _shop: bytes,
        _epoch: bytes,
        due: bytes,
        job_id: bytes,
        body: bytes,
        *locks: bytes,
    ) -> list[bytes]:
        asked = _locks(iter(locks), len(locks) // 3)
        what, stands = self._store_locked(job_id.decode(), body, int(due), asked)
        return [what.encode(), stands.encode()]

    def _store(self, job_id: str, body: bytes, due_ms: int) -> None:
        self.places.store(job_id, body, due_ms)
        self._pushed(self.pod_id, job_id, body)

    # Locks (scripts/parts/storing.lua, ending.lua)

    def _store_locked(self, job_id: str, body: bytes, due_ms: int, locks: Sequence[_Lock]) -> tuple[str, str]:
        shop, now_ms = identity.shop_text(job_id), self._clock.now_ms()
        for lock in locks:
            owner = self._owner(shop, lock.digest)
            if owner == job_id:
                return "accepted", job_id
            if owner is not None:
                return self._yield(owner, lock.conflict, job_id, body, due_ms)
        for lock in locks:
            self._locks[shop, lock.digest] = job_id, now_ms + lock.period_ms if lock.period_ms else 0
        self._store(job_id, body, due_ms)
        return "accepted", job_id

    def _owner(self, shop: str, digest: str) -> str | None:
        owner, until_ms = self._locks.get((shop, digest), ("", 0))
        lives = until_ms > self._clock.now_ms() if until_ms else self.places.state(owner) != "ended"
        return owner if owner and lives else None

    def _yield(self, owner: str, conflict: str, job_id: str, body: bytes, due_ms: int) -> tuple[str, str]:
        """Answer what becomes of a job whose lock another has."""
        places, state = self.places, self.places.state(owner)
        if conflict == "drop" or state in ("ended", "dead"):
            return "kept", owner
        if conflict == "replace" and state != "held":
            places.records[owner] = body
            if state == "scheduled":
                places.unschedule(owner)
                places.store(owner, body, due_ms)
            self._pushed(self.pod_id, owner, body)
            return "replaced", owner
        if state != "held":
            return "kept", owner
        waiting = places.waiting_for(owner)
        if waiting is not None and conflict == "replace":
            places.records[waiting] = body
            self._pushed(self.pod_id, waiting, body)
            return "replaced", waiting
        if waiting is not None:
            return "kept", waiting
        places.records[job_id] = body
        places.wait_for(owner, job_id)
        self._pushed(self.pod_id, job_id, body)
        return "after", job_id

    def _unlock(self, job_id: str, digest: str) -> None:
        key = identity.shop_text(job_id), digest
        if self._locks.get(key, ("", 0))[0] == job_id:
            del self._locks[key]
        waiting = self.places.let_in(job_id)
        if waiting is not None:
            self._locks[key] = waiting, 0

    def _outlive(self, job_id: str, digest: str) -> None:
        """A period's lock stays until its time is over, one that was handed on ends with its job."""
        if self._locks.get((identity.shop_text(job_id), digest)) == (job_id, 0):
            self._unlock(job_id, digest)
        else:
            self.places.let_in(job_id)

    # Running and ending

    def _claim(self, incarnation: bytes, want: bytes, *queues: bytes) -> list[bytes]:
        names, claimed = [queue.decode() for queue in queues], []
        for _ in range(int(want)):
            job_id = self.places.take(names, _any)
            if job_id is None:
                break
            self.places.held[job_id] = incarnation.decode()
            claimed += [
                identity.shop_text(job_id).encode(),
                job_id.encode(),
                self.places.records[job_id],
            ]
        return claimed

    def _start(
        self, incarnation: bytes, _shop: bytes, job_id: bytes, _flags: bytes, digest: bytes = b""
    ) -> int:
        if self.places.held.get(job_id.decode()) != incarnation.decode():
            return 0
        if digest:
            self._unlock(job_id.decode(), digest.decode())
        return 1

    def _acknowledge(self, incarnation: bytes, *jobs: bytes) -> list[bytes]:
        return [job_id for job_id in jobs[1::2] if not self._ends(incarnation, job_id, "succeeded")]

    def _complete(self, incarnation: bytes, _shop: bytes, job_id: bytes, *follow_ups: bytes) -> int:
        if not self._ends(incarnation, job_id, "succeeded"):
            return 0
        parts = iter(follow_ups)
        for _queue in parts:
            due, follower, body, count = (next(parts) for _ in range(4))
            self._store_locked(follower.decode(), body, int(due), _locks(parts, int(count)))
        return 1

    def _discard(self, incarnation: bytes, _shop: bytes, job_id: bytes, counter: bytes) -> int:
        return int(self._ends(incarnation, job_id, counter.decode()))

    def _retry(
        self, incarnation: bytes, _shop: bytes, job_id: bytes, due: bytes, body: bytes, _counter: bytes
    ) -> int:
        if not self._let_go(incarnation, job_id):
            return 0
        self.places.records[job_id.decode()] = body
        self.places.schedule(job_id.decode(), int(due))
        return 1

    def _bury(self, incarnation: bytes, _shop: bytes, job_id: bytes, body: bytes, *_bounds: bytes) -> int:
        if not self._let_go(incarnation, job_id):
            return 0
        buried = job_id.decode()
        self.places.records[buried] = body
        self.places.dead.add(buried)
        extras = _extras(body)
        if digest := extras.get("u") or extras.get("w"):
            self._unlock(buried, digest)
        elif "p" in extras:
            self._outlive(buried, extras["p"])
        return 1

    def _release(self, incarnation: bytes, *jobs: bytes) -> int:
        released = 0
        for job_id, body in reversed(list(zip(jobs[2::4], jobs[3::4], strict=True))):
            if self._let_go(incarnation, job_id):
                released += 1
                if body:
                    self.places.records[job_id.decode()] = body
                self.places.enter([job_id.decode()], front=True)
        return released

    def _promote(self, _limit: bytes) -> int:
        return self.places.promote(self._clock.now_ms())

    def _ends(self, incarnation: bytes, job_id: bytes, outcome: str) -> bool:
        if not self._let_go(incarnation, job_id):
            return False
        ended = job_id.decode()
        extras = _extras(self.places.end(ended, outcome))
        digest = extras.get("u") or extras.get("w") or (outcome != "succeeded" and extras.get("p"))
        if digest:
            self._unlock(ended, digest)
        elif "p" in extras:
            self._outlive(ended, extras["p"])
        return True

    def _let_go(self, incarnation: bytes, job_id: bytes) -> bool:
        if self.places.held.get(job_id.decode()) != incarnation.decode():
            return False
        del self.places.held[job_id.decode()]
        return True


def _any(_job_id: str, _record: bytes) -> bool:
    return True


def _as_redis_reads(argument: Argument) -> bytes:
    return argument if isinstance(argument, bytes) else str(argument).encode()


def _locks(parts: Iterator[bytes], count: int) -> list[_Lock]:
    triples: Iterable[tuple[bytes, ...]] = [tuple(next(parts) for _ in range(3)) for _ in range(count)]
    return [_Lock(digest.decode(), int(period), conflict.decode()) for digest, period, conflict in triples]


def _extras(body: bytes) -> dict[str, str]:
    return record.read_extras(record.split(body)[0].extras)


def _missing(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"a test's memory does not know {what!r}", "test it against a Redis: podwork.testing.worker(app, url)"
    )
