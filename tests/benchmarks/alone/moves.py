"""podwork: a shop changes pods while it trades, beside `mariadb-dump`, writers, jobs and other shops.

Two pods with a MariaDB and a Redis each (`moving/pods.py`), and:

- the copy of a shop of 41,334 lines and its orders, and the catch-up (`moving/copying.py`);
- how long writers stand still, for 100 moves of that shop, and fewer of one with 4,000 and one with 400,000
  lines (`moving/blocking.py`);
- the fence's share of a transaction (`moving/fencing.py`);
- 1,000 small shops that leave a pod (`moving/evacuation.py`).

Everything has all cores: where there are two, two databases, two workers, a mover and a writer share them.
The scale applies to rows, moves and shops alike. One round is enough: what varies is measured in several
turns, and by many moves.
"""

from __future__ import annotations

from typing import Final

from podwork_pods.mover.states import MoveState
from tests.benchmarks.alone.moving import blocking, copying, evacuation, fencing
from tests.benchmarks.alone.moving.pods import B, move_pods
from tests.benchmarks.harness import cores
from tests.benchmarks.harness.measured import Figures
from tests.benchmarks.harness.stage import Stage

NOTE: Final = "" if cores.COUNT > 2 else f"{cores.COUNT} cores for two databases, workers, mover and writer"
DUMP_NOTE: Final = "which has no writer beside it"
LINES: Final = 41_334
SIZES: Final = (("_4k", 2, 4_000, 20), ("", 3, LINES, 100), ("_400k", 4, 400_000, 4))
"""Suffix of the figures, shop, lines, moves."""
LARGE_SHOP: Final = 3
OTHERS: Final = (10, 11)
SMALL_SHOPS: Final = range(1_000, 2_000)
WARM_SHOP, WARM_LINES, FEWEST_LINES = 1, 200, 100
FULL_SCALE = 0.5
FEWEST_MOVES, FEWEST_SHOPS = 2, 10


def measure(stage: Stage, scale: float) -> Figures:
    """Measure everything once. Raises Trouble."""
    sizes = {shop_id: max(FEWEST_LINES, int(lines * scale)) for _, shop_id, lines, _ in SIZES}
    small = SMALL_SHOPS[: max(FEWEST_SHOPS, int(len(SMALL_SHOPS) * scale))]
    with cores.on(cores.ALL), move_pods(stage) as pods, pods.mover() as mover:
        pods.add_shops({**sizes, WARM_SHOP: WARM_LINES, OTHERS[0]: WARM_LINES})
        pods.add_shops({OTHERS[1]: WARM_LINES}, B)
        pods.bring(mover, pods.plan(WARM_SHOP, grace_seconds=0), MoveState.DONE)
        figures = fencing.measure(pods, LARGE_SHOP, sizes[LARGE_SHOP], scale)
        turns = copying.TURNS if scale >= FULL_SCALE else copying.FEW_TURNS
        figures |= copying.measure(pods, mover, LARGE_SHOP, sizes[LARGE_SHOP], turns)
        for name, shop_id, _, moves in SIZES:
            count = max(FEWEST_MOVES, int(moves * scale))
            figures |= blocking.measure(pods, mover, shop_id, sizes[shop_id], count, name)
        pods.forget_logs()
        return figures | evacuation.measure(pods, mover, stage.marks, small, OTHERS)
