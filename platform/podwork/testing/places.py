"""Where the jobs of one pod stand in a test: the model of what the scripts keep in Redis.

Owns: `Places`: records, lanes and rings, the schedule, the dead, who waits for whose end, and what has ended.
Promises: jobs move as the scripts move them, with the same turns of the ring; a contract test compares both
over random histories. Leaves to others: locks and the scripts' arguments (`podwork.testing.memory`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, NamedTuple

from podwork import identity, record

State = Literal["ready", "scheduled", "parked", "held", "dead", "ended"]
EVERYTHING: Final = "*"


class Ended(NamedTuple):
    """A job that is no more: its last record, and how it ended (`succeeded`, `discarded`, ...)."""

    record: bytes
    outcome: str


class Places:
    """The jobs of one pod. Ids tell the shop (`podwork.identity`)."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self.held: dict[str, str] = {}
        self.dead: set[str] = set()
        self.ended: dict[str, Ended] = {}
        self._schedule: dict[str, int] = {}
        self._waiting: dict[str, str] = {}
        self._lanes: dict[tuple[str, str], list[str]] = {}
        self._rings: dict[str, list[str]] = {}

    def state(self, job_id: str) -> State:
        """Return where the job stands."""
        if job_id not in self.records:
            return "ended"
        if job_id in self.dead:
            return "dead"
        if job_id in self._schedule:
            return "scheduled"
        if job_id in self._waiting.values():
            return "parked"
        return "held" if job_id in self.held else "ready"

    def store(self, job_id: str, stored: bytes, due_ms: int) -> None:
        """Take a job; `due_ms` of 0 is now."""
        self.records[job_id] = stored
        if due_ms:
            self._schedule[job_id] = due_ms
        else:
            self.enter([job_id])

    def enter(self, job_ids: Iterable[str], *, front: bool = False) -> None:
        """Put jobs into their lanes, at the end or at the head, each in front of the one before."""
        for job_id in job_ids:
            queue, shop = self.queue_of(job_id), identity.shop_text(job_id)
            lane = self._lanes.setdefault((queue, shop), [])
            if not lane:
                self._rings.setdefault(queue, []).append(shop)
            lane.insert(0 if front else len(lane), job_id)

    def take(self, queues: Sequence[str], wanted: Callable[[str, bytes], bool]) -> str | None:
        """Take the next job out of its lane, by queue and by the turns of the ring; None: none is wanted."""
        for queue in self._named(queues):
            ring = self._rings.get(queue, [])
            for shop in list(ring):
                lane = self._lanes[queue, shop]
                for job_id in lane:
                    if wanted(job_id, self.records[job_id]):
                        lane.remove(job_id)
                        ring.remove(shop)
                        if lane:
                            ring.append(shop)
                        return job_id
        return None

    def schedule(self, job_id: str, due_ms: int) -> None:
        """Let the job wait until it is due, also if it waits for another time by now."""
        self._schedule[job_id] = due_ms

    def unschedule(self, job_id: str) -> None:
        """Take the job out of the schedule."""
        self._schedule.pop(job_id, None)

    def promote(self, now_ms: int) -> int:
        """Let enter what is due; return how many."""
        due = sorted((due_ms, job_id) for job_id, due_ms in self._schedule.items() if due_ms <= now_ms)
        for _, job_id in due:
            del self._schedule[job_id]
            self.enter([job_id])
        return len(due)

    def next_due_ms(self) -> int | None:
        """Return when the next scheduled job is due."""
        return min(self._schedule.values(), default=None)

    def waiting_for(self, job_id: str) -> str | None:
        """Return the job that waits for this one's end."""
        return self._waiting.get(job_id)

    def wait_for(self, job_id: str, waiting: str) -> None:
        """Let a job wait for the end of another."""
        self._waiting[job_id] = waiting

    def let_in(self, job_id: str) -> str | None:
        """Let enter the job that waited for this one's end, and return it."""
        waiting = self._waiting.pop(job_id, None)
        if waiting is not None:
            self.enter([waiting])
        return waiting

    def end(self, job_id: str, outcome: str) -> bytes:
        """End a job; return the record that it had."""
        stored = self.records.pop(job_id)
        self.ended[job_id] = Ended(stored, outcome)
        return stored

    def queue_of(self, job_id: str) -> str:
        """Return the queue of a job that has not ended."""
        return record.split(self.records[job_id])[0].queue

    def _named(self, queues: Sequence[str]) -> Sequence[str]:
        """Return the queues in their order; `*` stands for all others, by name."""
        others = sorted(self._rings.keys() - set(queues))
        return [name for queue in queues for name in (others if queue == EVERYTHING else [queue])]
