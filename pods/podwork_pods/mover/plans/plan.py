"""A plan of moves: its row and its options, as everybody reads them.

Owns: `MovePlan`, `PlanOptions`, `PlannedShop`, `Standing`, and what a move's state means to its plan
(`stage_of`). Leaves to others: changing it (`plans`, `turns`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Row

from podwork_pods.mover.move import MAX_BLOCK_SECONDS
from podwork_pods.mover.plans.calendar import Freeze
from podwork_pods.mover.plans.errors import InvalidMovePlan
from podwork_pods.mover.plans.states import PlanState
from podwork_pods.mover.states import MoveState

FAILED_SHARE: Final = 0.05
"""A plan halts when more than one move, and more than this share, were given up or taken back."""
GRACE_SECONDS: Final = 86_400.0
MOST_AT_ONCE: Final = 1_000


class PlanOptions(msgspec.Struct, frozen=True, dict=True):
    """How a plan goes about it; the words of `podctl moves plan`.

    `concurrency`: how many of its moves are under way at once; `per_pod`: how many moves, whoever wants them,
    leave a pod or come to it meanwhile. `canary`: the share that goes first. `bandwidth_bytes`: a second,
    from one source pod, of all copies of plans. `max_lag_seconds`, `max_threads_running`: a batch waits while
    a replica of either pod is further behind, or either server runs more. `freezes`: lines of the calendar.
    `grace_seconds`: moves are completed so long after their switch; None: when a person says so.
    """

    concurrency: int = 4
    per_pod: int = 2
    canary: float = 0.05
    bandwidth_bytes: int | None = None
    max_lag_seconds: float | None = None
    max_threads_running: int | None = None
    freezes: tuple[str, ...] = ()
    max_block_seconds: float = MAX_BLOCK_SECONDS
    grace_seconds: float | None = GRACE_SECONDS

    @cached_property
    def calendar(self) -> tuple[Freeze, ...]:
        """The freezes, read. Raises InvalidMovePlan."""
        return tuple(Freeze.parse(text) for text in self.freezes)

    def check(self) -> None:
        """Raise InvalidMovePlan unless a plan can be carried out so."""
        for name, value in (("concurrency", self.concurrency), ("moves per pod", self.per_pod)):
            if not 1 <= value <= MOST_AT_ONCE:
                raise InvalidMovePlan(f"{value} is no {name}", f"give a number from 1 to {MOST_AT_ONCE}")
        if not 0 <= self.canary <= 1:
            raise InvalidMovePlan(f"{self.canary} is no share for a canary", "give 0% to 100%")
        limits = (self.bandwidth_bytes, self.max_lag_seconds, self.max_threads_running)
        if any(limit is not None and not 0 < limit < math.inf for limit in limits):
            raise InvalidMovePlan("a limit is no number above 0", "leave it out for no limit")
        if self.grace_seconds is not None and self.grace_seconds < 0:
            raise InvalidMovePlan("its grace would be over before it began", "give seconds from 0")
        if not 0 < self.max_block_seconds <= 3600:
            raise InvalidMovePlan(
                f"{self.max_block_seconds} s are no time to block", "give 1 to 3600 seconds"
            )
        _ = self.calendar

    def canary_of(self, shops: int) -> int:
        """Return how many of so many shops go first: at least one, if any."""
        return math.ceil(round(self.canary * shops, 6))


class Stage(StrEnum):
    """How a shop of a plan stands."""

    WAITING = "waiting"
    SKIPPED = "skipped"
    UNDER_WAY = "under_way"
    DONE = "done"
    FAILED = "failed"


_ARRIVED: Final = frozenset({MoveState.REVERSIBLE, MoveState.PURGING, MoveState.DONE})
_GIVEN_UP: Final = frozenset({MoveState.ABORTING, MoveState.ABORTED, MoveState.REVERSED})


def stage_of(state: MoveState | None, leg: int, *, is_skipped: bool) -> Stage:
    """Return how a shop stands, by its move: done from `reversible` on; failed: given up, or taken back."""
    if is_skipped:
        return Stage.SKIPPED
    if state is None:
        return Stage.WAITING
    if leg == 2 or state in _GIVEN_UP:
        return Stage.FAILED
    return Stage.DONE if state in _ARRIVED else Stage.UNDER_WAY


class PlannedShop(NamedTuple):
    """A shop of a plan. `load`: what it was chosen by; `state`, `leg` and `why` are its move's."""

    position: int
    shop_id: int
    from_pod: int
    to_pod: int
    load: int
    move_id: int | None
    state: MoveState | None
    stage: Stage
    why: str


class Standing(NamedTuple):
    """How many of a plan's shops stand where; the `canary_` ones are of those that go first."""

    waiting: int = 0
    skipped: int = 0
    under_way: int = 0
    done: int = 0
    failed: int = 0
    canary_left: int = 0
    canary_failed: int = 0
    others_begun: int = 0


@dataclass(frozen=True, slots=True)
class MovePlan:
    """A plan as its row says; see `schema.plans` for what each field means."""

    id: int
    aim: str
    state: PlanState
    reason: str
    options: PlanOptions
    shops: int
    canary_shops: int
    forgiven: int
    wanted_by: str
    created: float
    begun: float | None
    ended: float | None


_options = msgspec.json.Decoder(PlanOptions).decode


def read_plan(row: Row[Any]) -> MovePlan:
    """Return the plan in a row of the whole table."""
    fields = dict(row._mapping)
    return MovePlan(**{**fields, "state": PlanState(row.state), "options": _options(row.options)})


def encoded(options: PlanOptions) -> str:
    """Return what the column of options takes."""
    return msgspec.json.encode(options).decode()
