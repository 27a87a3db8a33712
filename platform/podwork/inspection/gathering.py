"""What stands on a pod, by queue, by class, by shop, and the dead by their errors.

Owns: the questions that put many jobs together, and the bounds within which they do. Nothing is counted ahead
for them: a push would pay for it. Promises: a bound that was reached is said (`is_partial`), and then every
number is at least so high. What they cost is said with each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import structs

from podwork import keys
from podwork.inspection.filters import Filter
from podwork.inspection.paging import fitting
from podwork.inspection.reading import job_state
from podwork.inspection.states import (
    STATES,
    DeadGroup,
    DeadGroups,
    Group,
    Groups,
    JobState,
    QueueState,
    State,
)
from podwork.inspection.walk import PORTION, SHOPS_AT_ONCE, Step, read_lanes, shops_of, walk
from podwork.store import Store

LANES_LOOKED_AT: Final = 2000
"""Of how many lanes a queue's oldest job is looked for: half of them first in the ring, half last."""
JOBS_LOOKED_AT: Final = 10_000
"""How many jobs in each state the views by class and by shop look at."""


def queue_state(store: Store, name: str, now: float, lanes: int = LANES_LOOKED_AT) -> QueueState:
    """Return one queue. Costs the heads of at most `lanes` lanes, a hundred in a script."""
    ready = int(store.command("HGET", keys.SIZES, name) or 0)
    ring, outside = shops_of(store, name)
    looked_at = ring if len(ring) <= lanes else ring[: lanes // 2] + ring[-(lanes - lanes // 2) :]
    jobs = _jobs(_heads(store, name, looked_at))
    oldest, latency = _ages(jobs, now)
    partial = len(ring) > len(looked_at)
    return QueueState(name, ready, len(ring) + len(outside), oldest, latency, len(outside), partial)


def by_class(store: Store, now: float, most: int = JOBS_LOOKED_AT) -> Groups:
    """Return the pod's jobs by class. Reads `most` in each state at most; every lane has its share."""
    groups, partial = _Groups(now), False
    for state in STATES:
        each = _share(store, most) if state == "ready" else 0
        for looked_at, step in enumerate(walk(store, state, each=each), 1):
            if step.found is not None:
                job = job_state(step.found)
                groups.add(job.job_class, job)
            if each and step.place.number + 1 == each:
                partial = True  # the lane gave all that it may give, and may have more
            if looked_at >= most:
                partial = True
                break
    return groups.result(partial)


def by_shop(store: Store, now: float, most: int = JOBS_LOOKED_AT) -> Groups:
    """Return the pod's jobs by shop, `pod` for work without one.

    Ready jobs are counted by the length of lanes, which includes jobs that were cancelled there a moment ago;
    their ages are those of the heads of lanes. Costs two commands a lane; reads at most `most` lanes, and
    jobs in each other state.
    """
    groups, partial, left = _Groups(now), False, most
    for name in sorted(queue.decode() for queue in store.command("HKEYS", keys.SIZES)):
        ring, outside = shops_of(store, name)
        shops = [*ring, *outside][:left]
        partial = partial or len(ring) + len(outside) > len(shops)
        left -= len(shops)
        for shop, length in zip(shops, _lengths(store, name, shops), strict=True):
            groups.count(shop, "ready", length)
        for job in _jobs(_heads(store, name, shops)):
            groups.age(job.id.partition("-")[2], job)
    for state in STATES:
        if state != "ready":
            for looked_at, step in enumerate(walk(store, state), 1):
                if step.found is not None:
                    groups.add(step.found.id.partition("-")[2], job_state(step.found))
                if looked_at >= most:
                    partial = True
                    break
    return groups.result(partial)


def dead_groups(store: Store, wanted: Filter, most: int = JOBS_LOOKED_AT) -> DeadGroups:
    """Return the dead that fit by fingerprint. Reads at most `most` of the dead, the last buried first."""
    groups: dict[str, list[JobState]] = defaultdict(list)
    partial = False
    for looked_at, (_, found) in enumerate(fitting(store, structs.replace(wanted, states=("dead",))), 1):
        if found is not None:
            job = job_state(found)
            groups[job.fingerprint].append(job)
        if looked_at >= most:
            partial = True
            break
    made = [_dead_group(fingerprint, jobs) for fingerprint, jobs in groups.items()]
    return DeadGroups(sorted(made, key=lambda group: (-group.jobs, -group.last)), partial)


class _Groups:
    """Adds up jobs by some name."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._ages: dict[str, tuple[float, float]] = {}

    def add(self, name: str, job: JobState) -> None:
        """Count one job, and mind its age."""
        self.count(name, job.state, 1)
        if job.state != "dead":
            self.age(name, job)

    def count(self, name: str, state: State, number: int) -> None:
        """Count jobs of a state."""
        self._counts[name][state] += number

    def age(self, name: str, job: JobState) -> None:
        """Mind the job's age; only what is ready has been waiting since it was due."""
        oldest, latency = self._ages.get(name, (0.0, 0.0))
        waited = self._now - job.due_at if job.state == "ready" else 0.0
        self._ages[name] = max(oldest, self._now - job.pushed_at), max(latency, waited)

    def result(self, partial: bool) -> Groups:
        """Return the groups, the largest first."""
        made = [self._group(name, counts) for name, counts in self._counts.items()]
        return Groups(sorted(made, key=lambda group: (-group.jobs, group.name)), partial)

    def _group(self, name: str, counts: Counter[str]) -> Group:
        oldest, latency = self._ages.get(name, (0.0, 0.0))
        held, ready, scheduled, parked, dead = (counts[state] for state in STATES)
        return Group(name, held, ready, scheduled, parked, dead, oldest, latency)


def _share(store: Store, most: int) -> int:
    """Return how many jobs of each lane are read so that every lane has its part of `most`."""
    queues = [name.decode() for name in store.command("HKEYS", keys.SIZES)]
    lengths = store.commands(
        *(("LLEN", keys.ring(name)) for name in queues), *(("SCARD", keys.outside(name)) for name in queues)
    )
    return max(1, most // max(1, sum(map(int, lengths))))


def _heads(store: Store, queue: str, shops: Sequence[str]) -> Iterable[Step]:
    for start in range(0, len(shops), SHOPS_AT_ONCE):
        portion = shops[start : start + SHOPS_AT_ONCE]
        yield from read_lanes(store, queue, portion, PORTION, each=1)


def _lengths(store: Store, queue: str, shops: Sequence[str]) -> list[int]:
    lengths: list[int] = []
    for start in range(0, len(shops), PORTION):
        asked = [("LLEN", keys.lane(queue, shop)) for shop in shops[start : start + PORTION]]
        lengths += map(int, store.commands(*asked))
    return lengths


def _jobs(steps: Iterable[Step]) -> list[JobState]:
    return [job_state(step.found) for step in steps if step.found is not None]


def _ages(jobs: Sequence[JobState], now: float) -> tuple[float, float]:
    """Return the age of the oldest since its push, and since it was due."""
    oldest = max((now - job.pushed_at for job in jobs), default=0.0)
    return max(0.0, oldest), max(0.0, max((now - job.due_at for job in jobs), default=0.0))


def _dead_group(fingerprint: str, jobs: Sequence[JobState]) -> DeadGroup:
    last = jobs[0]  # the walk begins with the last buried
    times = [job.buried_at or 0.0 for job in jobs]
    return DeadGroup(fingerprint, last.job_class, last.error, len(jobs), min(times), max(times))
