"""The states of a plan, and the ways between them, as one table; the states of a pod in it.

Owns: `PlanState`, `PlacementState`, `REASONS`, `WAYS`, `check`.

| state | what it means | what begins |
| --- | --- | --- |
| draft | signed and stored; nobody has started it | nothing |
| running | the pods of the open waves take what is pending there, a few at a time | yes |
| soaking | a wave is done; before the next one opens it is watched for a while | nothing |
| halted | a rule stopped it: a failure, an alarm; a person resumes it | nothing |
| held | a person stopped it; a person releases it | nothing |
| succeeded | every pod is done, or is blocked and catches up when it is back | late pods only |
| cancelled | a person gave it up; what was applied stays | nothing |

Promises: nothing here ends a migration that has begun: a halt, a hold and a cancellation only keep others
from beginning. Leaves to others: changing a state under the lock of all plans (`store`), and when it is right
(`moving`, `halting`, `plans`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from podwork_migrations.plan.errors import PlanConflict


class PlanState(StrEnum):
    """How a plan stands; see the table of the module."""

    DRAFT = "draft"
    RUNNING = "running"
    SOAKING = "soaking"
    HALTED = "halted"
    HELD = "held"
    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"

    @property
    def is_live(self) -> bool:
        """Whether it was started and is not over; one plan at a time is."""
        return self in LIVE

    @property
    def is_over(self) -> bool:
        """Whether it stays so."""
        return not WAYS[self]


class PlacementState(StrEnum):
    """How far a pod is with a plan, from its own reports. That it is blocked is said beside it."""

    WAITING = "waiting"
    RUNNING = "running"
    FAILED = "failed"
    DONE = "done"


REASONS: Final[Mapping[PlanState, Mapping[PlanState, str]]] = {
    PlanState.DRAFT: {
        PlanState.RUNNING: "a person started it",
        PlanState.CANCELLED: "a person gave it up",
    },
    PlanState.RUNNING: {
        PlanState.SOAKING: "the open waves are done, and another one follows",
        PlanState.HALTED: "a pod failed, or an alarm",
        PlanState.HELD: "a person held it",
        PlanState.SUCCEEDED: "the last wave is done",
        PlanState.CANCELLED: "a person gave it up",
    },
    PlanState.SOAKING: {
        PlanState.RUNNING: "its time is over, and the next wave is open; or a pod is not done after all",
        PlanState.HALTED: "a pod failed, or an alarm",
        PlanState.HELD: "a person held it",
        PlanState.CANCELLED: "a person gave it up",
    },
    PlanState.HALTED: {
        PlanState.RUNNING: "a person resumed it",
        PlanState.HELD: "a person held it",
        PlanState.CANCELLED: "a person gave it up",
    },
    PlanState.HELD: {
        PlanState.RUNNING: "a person released it",
        PlanState.SOAKING: "a person released it; its soak is not over",
        PlanState.CANCELLED: "a person gave it up",
    },
    PlanState.SUCCEEDED: {},  # for good: pods that were blocked, or that are added, catch up
    PlanState.CANCELLED: {},  # for good: its versions may be planned again
}
"""From a state to those that may follow it, each with its reason. To stay is none of them."""

WAYS: Final[Mapping[PlanState, frozenset[PlanState]]] = {
    state: frozenset(reasons) for state, reasons in REASONS.items()
}
"""The same without the reasons."""

WATCHED: Final = (PlanState.RUNNING, PlanState.SOAKING)
"""In which a plan may halt."""

LIVE: Final = frozenset({PlanState.RUNNING, PlanState.SOAKING, PlanState.HALTED, PlanState.HELD})


def check(number: int, old: PlanState, new: PlanState) -> None:
    """Raise PlanConflict unless a plan may go from one state to the other."""
    if new in WAYS[old]:
        return
    onward = ", ".join(REASONS[old])
    remedy = f"from there it becomes: {onward}" if onward else "it stays so; make another plan"
    raise PlanConflict(number, f"it is {old} and cannot become {new}", remedy)
