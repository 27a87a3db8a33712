"""What can go wrong with plans, as part of the one tree of errors."""

from __future__ import annotations

from podwork.errors import PodworkError


class UnknownPlan(PodworkError):
    """Raised when a plan is named that is not there."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"there is no plan {number}", "see: podctl migrations status")


class InvalidPlan(PodworkError):
    """Raised when a plan is asked for that nobody could carry out."""


class PlanConflict(PodworkError):
    """Raised when a plan is asked for what its state, or that of another plan, does not allow."""

    def __init__(self, number: int, why: str, remedy: str) -> None:
        self.number = number
        self.why = why
        super().__init__(f"plan {number}: {why}", remedy)


class PlanChanged(PodworkError):
    """Raised when files, findings or routes are not those that a plan was signed over."""

    def __init__(self, number: int, what: str) -> None:
        self.number = number
        self.changed = what
        super().__init__(
            f"plan {number}: {what} is not what the plan was signed over",
            "nothing was started; cancel it and plan again",
        )
