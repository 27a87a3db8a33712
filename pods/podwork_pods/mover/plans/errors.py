"""What can go wrong with a plan of moves, below `podwork.errors.PodworkError`."""

from __future__ import annotations

from podwork.errors import PodworkError


class UnknownMovePlan(PodworkError):
    """Raised when a plan of moves is named that there is not."""

    def __init__(self, plan_id: int) -> None:
        self.plan_id = plan_id
        super().__init__(f"unknown plan of moves {plan_id}", "see: podctl moves plans")


class InvalidMovePlan(PodworkError):
    """Raised when a plan of moves is wanted that cannot be one."""


class MovePlanConflict(PodworkError):
    """Raised when a plan of moves is in another state than was asked for."""

    def __init__(self, plan_id: int, why: str, remedy: str) -> None:
        self.plan_id = plan_id
        self.why = why
        super().__init__(f"plan {plan_id}: {why}", remedy)
