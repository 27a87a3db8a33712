"""What people see of plans, as plain values.

Owns: `read` and its values: `Status`, `PlanLine`, `PodLine`, `VersionLine`, `MovingLine`, `Lag`, `Outcome`.
Promises: as many queries for 500 versions of 200 pods as for one of one; a status changes nothing. Leaves to
others: printing, the pods' own truth (their ledgers), and times to completion (`outlook`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from podwork_migrations.ledger.states import EntryState
from podwork_migrations.plan.cells import Cell
from podwork_migrations.plan.states import PlacementState, PlanState


class Outcome(StrEnum):
    """What is to be told by an exit code.

    | outcome | what it means |
    | ok | no plan is under way, and every pod has what the plans shown say |
    | running | it goes on by itself: a plan is under way, or pods catch up |
    | failed | a plan halted, or a migration of a pod failed; a person is needed |
    | blocked | nothing goes on until a person releases a plan or a pod |
    """

    OK = "ok"
    RUNNING = "running"
    FAILED = "failed"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class PlanLine:
    """A plan on one line. `done` to `waiting` count pods; one that is blocked and not done counts as that.

    `wave`, `leg`: the open ones, from 0, of `waves` and `legs`. `eta_seconds`: a guess, or None.
    """

    number: int
    state: PlanState
    reason: str
    purpose: str
    digest: str
    versions: int
    leg: int
    legs: int
    wave: int
    waves: int
    pods: int
    done: int
    running: int
    failed: int
    blocked: int
    waiting: int
    throttled: int
    slowest_pod_id: int | None
    soak_seconds_left: float | None
    eta_seconds: float | None
    created: float
    started: float | None
    ended: float | None
    next_action: str


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version of the plan: a column of the matrix, and how many pods stand how with it."""

    version: str
    name: str
    kind: str
    leg: int
    pods: Mapping[Cell, int]


@dataclass(frozen=True, slots=True)
class PodLine:
    """A pod of the plan: a row of the matrix. `cells` has a letter for each version; see `Cell`.

    `blocked`: why it is left out; `heard_seconds_ago`: since it last asked whether it may go, or reported.
    """

    pod_id: int
    wave: int
    state: PlacementState
    blocked: str | None
    cells: str
    heard_seconds_ago: float | None
    error: str
    next_action: str


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a shard's slowest replica is behind; None: it does not follow, or that could not be asked.

    `why` says more then; not `is_known`: it could not be asked.
    """

    seconds: float | None
    why: str = ""
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class MovingLine:
    """A pod in the middle of a migration, or one that failed there, or was let go and has not begun.

    `state` is None for the last. `rows_per_second`: of late. `heartbeat_seconds`: its age. `lag`: of
    replicas, where there are some and somebody asked them.
    """

    pod_id: int
    version: str
    plan: int | None
    state: EntryState | None
    stage: str
    route: str
    rows_done: int | None
    rows_total: int | None
    rows_per_second: float | None
    eta_seconds: float | None
    throttle_reason: str
    heartbeat_seconds: float
    attempts: int
    error: str
    next_action: str
    lag: Lag | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """All of it at one moment. `number`: of the plan whose matrix it is; None: there is none."""

    at: float
    outcome: Outcome
    plans: Sequence[PlanLine]
    number: int | None
    versions: Sequence[VersionLine]
    pods: Sequence[PodLine]
    moving: Sequence[MovingLine]
