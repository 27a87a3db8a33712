"""Moves what is due from the schedule into the lanes, and what was parked to workers that know its class.

Owns: the portions. Promises: everything due is moved in one call of `promote_due`, in portions that keep one
script short. Leaves to others: the rhythm (`Timekeeper`), the scripts (`Queues`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from podwork.queues import Queues

PORTION: Final = 500


def promote_due(queues: Queues) -> int:
    """Queue every job that is due; return how many there were."""
    promoted = 0
    while True:
        portion = queues.promote(PORTION)
        promoted += portion
        if portion < PORTION:
            return promoted


def unpark_known(queues: Queues, known: Mapping[str, int]) -> int:
    """Queue again what was parked of the classes and versions that are known here (J7); return how many."""
    unparked = 0
    while known:
        portion = queues.unpark(known, PORTION)
        unparked += portion
        if portion < PORTION:
            break
    return unparked
