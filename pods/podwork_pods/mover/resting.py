"""How long a move rests where it waits, or where its mover has met trouble.

Owns: the seconds. A person's order is found when the rest is over, at the latest. Kept rows are fed more and
more seldom, the longer they are kept, for there may be a thousand such moves at a time. Leaves to others: the
rests themselves (`mover`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from podwork_pods.mover.states import MoveState

REST_SECONDS: Final[Mapping[MoveState, float]] = {
    MoveState.PREFLIGHT: 5.0,
    MoveState.READY: 1.0,
    MoveState.REVERSING: 1.0,
    MoveState.REVERSIBLE: 2.0,
}
LONGEST_REVERSIBLE_SECONDS: Final = 15.0
REVERSIBLE_SHARE: Final = 1 / 60
TROUBLE_REST_SECONDS: Final = 5.0


def reversible_rest_seconds(age_seconds: float) -> float:
    """Return the rest of a move that has been reversible for so long."""
    first = REST_SECONDS[MoveState.REVERSIBLE]
    return min(max(first, age_seconds * REVERSIBLE_SHARE), LONGEST_REVERSIBLE_SECONDS)
