"""What a pod has of a plan: one letter for each of the plan's versions, in their order.

Owns: `Cell`, and what a row of cells says. Promises: 500 versions of 200 pods are 200 short texts, which are
read in a moment; a row follows from the pod's reports alone, so that it can be made again at any time. Leaves
to others: the reports (`reports`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

from podwork_migrations.ledger.states import EntryState
from podwork_migrations.plan.states import PlacementState


class Cell(StrEnum):
    """How a version stands on a pod."""

    PENDING = "."
    RUNNING = "r"
    FAILED = "f"
    APPLIED = "a"
    EDITED = "e"  # applied, from a file that is not the one that the plan was signed over
    SKIPPED = "s"
    REVERTING = "v"
    REVERTED = "u"
    ELSEWHERE = "-"  # not for this pod

    @property
    def word(self) -> str:
        """Its name, for people."""
        return self.name.lower()


SETTLED: Final = frozenset({Cell.APPLIED, Cell.EDITED, Cell.SKIPPED, Cell.ELSEWHERE})
"""What the plan has nothing more to do about."""

_OF: Final = {
    EntryState.RUNNING: Cell.RUNNING,
    EntryState.FAILED: Cell.FAILED,
    EntryState.APPLIED: Cell.APPLIED,
    EntryState.SKIPPED: Cell.SKIPPED,
    EntryState.REVERTING: Cell.REVERTING,
    EntryState.REVERTED: Cell.REVERTED,
}


def cell_of(state: EntryState, checksum: str, signed: str) -> Cell:
    """Return the cell of an entry whose file had `checksum` where the plan was signed over `signed`."""
    if state is EntryState.APPLIED and checksum != signed:
        return Cell.EDITED
    return _OF[state]


def legs_done(cells: str, legs: Sequence[int]) -> int:
    """Return how many legs, from the first on, are settled; `legs` has the leg of each version."""
    open_legs = [leg for cell, leg in zip(cells, legs, strict=True) if cell not in SETTLED]
    return min(open_legs, default=1 + max(legs, default=-1))


def state_of(cells: Iterable[str]) -> PlacementState:
    """Return how far the pod is with the plan."""
    found = set(cells)
    if Cell.FAILED in found:
        return PlacementState.FAILED
    if found & {Cell.RUNNING, Cell.REVERTING}:
        return PlacementState.RUNNING
    return PlacementState.DONE if found <= SETTLED else PlacementState.WAITING
