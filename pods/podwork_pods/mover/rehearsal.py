"""What a rehearsal of a move has found, in words for its log.

Owns: `has_rehearsed`, `rehearsed`. Leaves to others: giving it up where it is ready (`mover`).
"""

from __future__ import annotations

from typing import Final

from podwork_pods.mover.move import Move
from podwork_pods.mover.states import MoveState

COPIED: Final = "copied"
UNDER_FENCE: Final = "while writes stand still"
"""What preflight writes down of shards whose rows are not copied before (SQLite)."""


def has_rehearsed(move: Move) -> bool:
    """Whether it is a rehearsal that has come to where a move would cut over."""
    return move.is_rehearsal and MoveState.READY in move.times


def rehearsed(move: Move) -> str:
    """Say of a rehearsal that is ready how long it took to get there."""
    copied = _seconds(move, MoveState.COPYING, MoveState.CATCHUP)
    verified = _seconds(move, MoveState.VERIFYING, MoveState.READY)
    rows = sum(int(size["rows"]) for size in move.found.get("tables", {}).values())
    over = "the rehearsal is over, nothing was switched"
    if move.found.get(COPIED) == UNDER_FENCE:
        return f"{over}: nothing is in the way; {rows} rows are copied {UNDER_FENCE}, on SQLite"
    return f"{over}: {rows} rows copied in {copied:.1f} s, compared in {verified:.1f} s, equal"


def _seconds(move: Move, began: MoveState, ended: MoveState) -> float:
    return max(0.0, move.times.get(ended, 0.0) - move.times.get(began, 0.0))
