"""A process of movers: `python -m tests.benchmarks.alone.moving.mover CONFIG`.

It is what the job `podwork.move` is in a worker's process, without the pauses between its turns. A request
names a move and the states in one of which it is to end; or shops that are to leave for another pod, and how
many at once: as many threads as a worker would have for them, which share the readers of the logs.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from podwork.settings import load
from podwork_ops.composition import open_platform
from podwork_pods.mover.joined.crossings import Crossings
from podwork_pods.mover.move import Wanted
from podwork_pods.mover.mover import Ending, Mover, Turn
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.states import MoveState
from podwork_pods.topology import Topology
from tests.benchmarks.alone.moving import shop
from tests.benchmarks.harness.conversation import serve

TURNS = 20
"""More of them bring a move nowhere."""
REST_SECONDS = 0.02


class Movers:
    """Moves what is asked for."""

    def __init__(self, topology: Topology, small_rows: int) -> None:
        self._crossings = Crossings(topology, shop.tables, small_rows=small_rows)
        self._store = Moves(topology.directory)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what a request asks for; say how long it took."""
        began = time.monotonic()
        if "evacuate" in request:
            return self._evacuate(**request) | {"seconds": time.monotonic() - began}
        turn = self._bring(request["move"], request["states"])
        return {"state": turn.state, "reason": turn.reason, "seconds": time.monotonic() - began}

    def close(self) -> None:
        """Follow no log any more."""
        self._crossings.close()

    def _bring(self, move_id: int, states: list[str]) -> Turn:
        for _ in range(TURNS):
            turn = Mover(self._store, self._crossings, f"bench:{os.getpid()}").turn(move_id)
            if turn.state in states or turn.ending is not Ending.RESTS:
                break
            time.sleep(REST_SECONDS)
        return turn

    def _evacuate(self, evacuate: list[int], to: int, at_once: int) -> dict[str, Any]:
        def move(shop_id: int) -> bool:
            planned = self._store.plan(Wanted(shop_id, to, "the bench", "evacuated", grace_seconds=0))
            return self._bring(planned.id, [MoveState.DONE]).state is MoveState.DONE

        with ThreadPoolExecutor(at_once) as threads:
            return {"moved": sum(threads.map(move, evacuate))}


def main(config: Path) -> None:
    """Move until the harness hangs up."""
    settings = load(file=config, environment={}).settings
    with open_platform(settings) as platform:
        movers = Movers(platform.topology, settings.moves.small_rows)
        try:
            serve(movers.answer)
        finally:
            movers.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
