"""What can go wrong with a move, below `podwork.errors.PodworkError`.

Owns: errors about a move as such: its row, its state, its mover. Leaves to others: fences
(`podwork_pods.errors`) and tables (`mover.tables`).
"""

from __future__ import annotations

from podwork.errors import PodworkError


class UnknownMove(PodworkError):
    """Raised when a move is named that there is not."""

    def __init__(self, move_id: int) -> None:
        self.move_id = move_id
        super().__init__(f"unknown move {move_id}", "see the moves of the shop or of the pods")


class InvalidMove(PodworkError):
    """Raised when a move is wanted that cannot be one."""

    def __init__(self, shop_id: int, why: str, remedy: str) -> None:
        self.shop_id = shop_id
        self.why = why
        super().__init__(f"shop {shop_id} cannot be moved: {why}", remedy)


class MoveUnderWay(PodworkError):
    """Raised when a move of a shop is wanted that has one already."""

    def __init__(self, shop_id: int, move_id: int) -> None:
        self.shop_id = shop_id
        self.move_id = move_id
        super().__init__(
            f"shop {shop_id} has move {move_id}, which has not ended", "wait for its end, or abort it"
        )


class MoveConflict(PodworkError):
    """Raised when a move cannot go from its state to the one that is wanted."""

    def __init__(self, move_id: int, why: str, remedy: str) -> None:
        self.move_id = move_id
        self.why = why
        super().__init__(f"move {move_id}: {why}", remedy)


class MoveLost(PodworkError):
    """Raised when a mover acts on a move that another mover has taken over."""

    def __init__(self, move_id: int, mover: int, latest: int) -> None:
        self.move_id = move_id
        self.mover = mover
        self.latest = latest
        super().__init__(
            f"move {move_id}: mover {mover} has lost it to mover {latest}", "nothing was changed; leave it"
        )
