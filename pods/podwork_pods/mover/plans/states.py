"""The states of a plan of moves, and the ways between them, as one table.

| state | what it means |
| --- | --- |
| running | shops begin when there is room |
| paused | a person said so: none begins, and no cut-over |
| halted | it stopped by itself, because moves were given up: as paused |
| ended | every shop has arrived, was given up or was skipped |
| cancelled | a person gave it up: none begins; what has begun goes on |
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from podwork_pods.mover.plans.errors import MovePlanConflict


class PlanState(StrEnum):
    """How a plan stands; see the table of the module."""

    RUNNING = "running"
    PAUSED = "paused"
    HALTED = "halted"
    ENDED = "ended"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether it stays so."""
        return not WAYS[self]


_S = PlanState

WAYS: Final[Mapping[PlanState, frozenset[PlanState]]] = {
    _S.RUNNING: frozenset({_S.PAUSED, _S.HALTED, _S.ENDED, _S.CANCELLED}),
    _S.PAUSED: frozenset({_S.RUNNING, _S.ENDED, _S.CANCELLED}),
    _S.HALTED: frozenset({_S.RUNNING, _S.PAUSED, _S.ENDED, _S.CANCELLED}),
    _S.ENDED: frozenset(),  # for good
    _S.CANCELLED: frozenset(),  # for good: its shops may be planned anew
}
"""From a state to those that may follow it."""

LIVE: Final = frozenset(state for state in PlanState if not state.is_over)
STANDING: Final = frozenset({_S.PAUSED, _S.HALTED})
"""In which no move of the plan cuts over."""


def check(plan_id: int, state: PlanState, to: PlanState) -> None:
    """Raise MovePlanConflict unless a plan may go from a state to another."""
    if to is state:
        raise MovePlanConflict(plan_id, f"it is {state} already", "there is nothing to do")
    if to not in WAYS[state]:
        raise MovePlanConflict(plan_id, f"it is {state} and cannot become {to}", "see: podctl moves plans")
