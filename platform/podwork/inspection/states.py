"""What the read side answers with: jobs, queues, processes and groups, each as it stands at one moment.

Owns: the named tuples. All times are seconds since 1970, all ages seconds; a shop of None is work without a
shop. Leaves to others: asking (`podwork.inspection.inspection`) and the forms in Redis (`podwork.record`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

State = Literal["held", "ready", "scheduled", "parked", "dead"]
STATES: Final[tuple[State, ...]] = ("held", "ready", "scheduled", "parked", "dead")
"""Where a job may stand, in the order in which lists show them."""


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


class QueueState(NamedTuple):
    """One queue: ready jobs, how many shops wait, and the ages of the oldest job at the head of a lane.

    `oldest_seconds` counts from the push, `latency_seconds` from when the job was due (a retry is due anew).
    Neither counts shops whose lane a gate or a hold keeps out of the ring: there are `outside` of them.
    `is_partial`: more shops wait than were looked at, and one of the others may be older.
    """

    name: str
    ready: int
    shops: int
    oldest_seconds: float
    latency_seconds: float = 0.0
    outside: int = 0
    is_partial: bool = False


class ProcessState(NamedTuple):
    """A worker's child: what it says of itself, what it holds, how long its lease still lasts."""

    incarnation: str
    fields: dict[str, str]
    held: int
    lease_seconds: float


class HeldJob(NamedTuple):
    """A job in the hands of a process: it runs, or is about to. `is_cancelled`: it is asked to stop."""

    id: str
    job_class: str
    queue: str
    shop_id: int | None
    since: float
    incarnation: str
    is_cancelled: bool = False
    has_started: bool = False
    """Surely: said only where it matters (`scripts/start.lua`); False says nothing."""


class JobState(NamedTuple):
    """Where a job is. `state` is held, ready, scheduled, parked or dead; see `podwork.record` for its fields.

    `holder` is the process that holds it, since `claimed_at`; `room` is what a parked job waits in;
    `buried_at` is when it died; `fingerprint` that of its last error.
    """

    id: str
    state: State
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
    version: int = 1
    room: str = ""
    snoozes: int = 0
    fingerprint: str = ""
    schedule: str = ""
    expires_at: float | None = None
    failed_first_at: float | None = None
    claimed_at: float | None = None
    buried_at: float | None = None
    is_cancelled: bool = False
    is_unique: bool = False
    is_from_outbox: bool = False


class Page(NamedTuple):
    """Some jobs of a list, and the cursor behind them; None: there are no more.

    A page may be short, even empty, and have a cursor: `looked_at` jobs were looked at, and that was the
    bound.
    """

    jobs: Sequence[JobState]
    cursor: str | None
    looked_at: int


class Group(NamedTuple):
    """The jobs of one class or one shop by state, and the ages of its oldest as in `QueueState`.

    Dead jobs count for neither age.
    """

    name: str
    held: int
    ready: int
    scheduled: int
    parked: int
    dead: int
    oldest_seconds: float
    latency_seconds: float

    @property
    def jobs(self) -> int:
        """How many jobs it has, in all states."""
        return self.held + self.ready + self.scheduled + self.parked + self.dead


class Groups(NamedTuple):
    """Groups, the largest first. `is_partial`: not all was looked at; every number is at least so high."""

    groups: Sequence[Group]
    is_partial: bool


class DeadGroup(NamedTuple):
    """Dead jobs of one fingerprint: the last one's error, how many, and when first and last were buried."""

    fingerprint: str
    job_class: str
    error: str
    jobs: int
    first: float
    last: float


class DeadGroups(NamedTuple):
    """The dead, the largest group first; `is_partial` as in `Groups`."""

    groups: Sequence[DeadGroup]
    is_partial: bool
