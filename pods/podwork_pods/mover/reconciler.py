"""The reconciler: sees to it that every move that has not ended has a mover.

Owns: `Reconciler`. A mover dies with its worker, and the job that it was with its Redis; the move's row in
the directory stays. So each pod's leader looks at the moves that its pod has a part in, and pushes the job
of those that nobody has been heard of for `SILENT_SECONDS`: somebody is at work within 30 s. Promises: a
job that is queued or runs already is left as it is (it is unique by its move), and one too many does no
harm: whoever takes over draws a mover epoch. Leaves to others: the job (`service`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from podwork_pods.mover.move import Move
from podwork_pods.mover.moves import Moves

SILENT_SECONDS: Final = 15.0
"""After so long without a heartbeat a mover is taken for dead, or a rest for over."""
SOURCE_SECONDS: Final = 6.0
"""So much later the source's pod pushes the job: rows are written on the target, whose workers go first."""


class Reconciler:
    """Looks after the moves of one pod. `push` pushes a move's job to the pod."""

    def __init__(self, store: Moves, pod_id: int, push: Callable[[Move], object]) -> None:
        self._store = store
        self._pod_id = pod_id
        self._push = push

    def turn(self) -> int:
        """Look once; return how many jobs were pushed."""
        now = self._store.directory.clock.now()
        pushed = 0
        for move in self._store.silent(now - SILENT_SECONDS):
            if self._is_mine(move, now):
                self._push(move)
                pushed += 1
        return pushed

    def _is_mine(self, move: Move, now: float) -> bool:
        if move.away_pod == self._pod_id:
            return True
        return move.home_pod == self._pod_id and move.heartbeat < now - SILENT_SECONDS - SOURCE_SECONDS
