"""podwork: what a shop waits beside another shop's flood, and what a lone shop gets.

One shop has queued 200,000 jobs and a worker is at it; then 99 shops push 10 jobs each, one bulk push a shop,
as fast as one client can. The same pushes on an idle pod with the same worker are the measure. `together`:
the same 990 jobs in a single bulk push. The jobs are no-ops that note their wait, from before the push to
their start. Each shop has had a job before: worker and client know where it is, as they do when they have run
for a while. `cold`: they do not, and look up every shop in the directory in between.

The lone shop: no-op jobs of one shop only, drained, against as many jobs of 500 shops.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from statistics import median

from podwork import keys
from podwork.inspection import Inspection
from podwork.store import Store
from podwork_ops import connect
from tests.benchmarks.harness.measured import Figures, percentile
from tests.benchmarks.harness.phases import drain
from tests.benchmarks.harness.stage import Stage
from tests.benchmarks.harness.tree import Tree, wait
from tests.benchmarks.peers import podwork, protocol
from tests.benchmarks.peers.roster import PODWORK_ITSELF

FLOOD_JOBS, SHOPS, JOBS_EACH = 200_000, 99, 10
BURSTS = 5
FLOODING_SHOP, FIRST_SHOP = 1, 2
BURST_JOBS = SHOPS * JOBS_EACH
STAMPED = BURSTS * BURST_JOBS
LONE_JOBS = 60_000
PATIENCE_SECONDS = 60.0


def measure(stage: Stage, scale: float) -> Figures:
    """Measure once: idle and flooded, shop by shop and together; then the lone shop. Raises Trouble."""
    platform = connect(podwork.app, config=stage.config)
    try:
        flood = max(20_000, int(FLOOD_JOBS * scale))
        figures: Figures = {}
        for suffix, together, known in (
            ("_cold", False, False),
            ("", False, True),
            ("_together", True, True),
        ):
            figures[f"wait_idle_p99{suffix}_ms"] = _p99_ms(stage, 0, together, known)
            figures[f"wait_flooded_p99{suffix}_ms"] = _p99_ms(stage, flood, together, known)
        jobs = max(5_000, int(LONE_JOBS * scale))
        figures |= _drain_of(stage, [FLOODING_SHOP], jobs, "lone_shop")
        figures |= _drain_of(stage, range(1, protocol.SHOPS + 1), jobs, "many_shops")
        return figures
    finally:
        platform.close()


def _p99_ms(stage: Stage, flood: int, together: bool, known: bool) -> float:
    """Return the 99th percentile of the wait of the 99 shops' jobs, beside a flood or on an idle pod.

    Of all bursts the median: one stop of the virtual machine would otherwise be the figure.
    """
    stage.clear()
    _push_noops([FLOODING_SHOP], flood, first=STAMPED)
    worker = stage.worker(PODWORK_ITSELF)
    p99s: list[float] = []
    try:
        _await_start(stage, worker, flood)
        if known:
            _push_noops(range(FIRST_SHOP, FIRST_SHOP + SHOPS), SHOPS, first=STAMPED + flood)
            last = STAMPED + flood + SHOPS
            wait(lambda: stage.marks.done(last) - stage.marks.done(last - SHOPS) == SHOPS,
                 worker, PATIENCE_SECONDS, "a job of every shop")  # fmt: skip
        for burst in range(BURSTS if known else 1):
            _push_stamped(burst * BURST_JOBS, together)
            done = (burst + 1) * BURST_JOBS
            wait(partial(stage.marks.all_done, done), worker, PATIENCE_SECONDS, f"{done} stamped jobs")
            p99s.append(percentile(stage.marks.waits_ms(BURST_JOBS, burst * BURST_JOBS), 99))
    finally:
        worker.kill()
    return median(p99s)


def _await_start(stage: Stage, worker: Tree, flood: int) -> None:
    """Wait until the worker is there; beside a flood, until it has done a twentieth of it."""
    inspection = Inspection(Store(stage.redis.url))
    wait(inspection.processes, worker, PATIENCE_SECONDS, "the worker is there")
    last = STAMPED + flood
    wait(lambda: stage.marks.done(last) >= flood // 20, worker, PATIENCE_SECONDS, "a twentieth of the flood")
    if not flood:
        idle = partial(Store(stage.redis.url).client.hlen, keys.IDLE)
        wait(idle, worker, PATIENCE_SECONDS, "it waits for work")


def _push_stamped(first: int, together: bool) -> None:
    size = BURST_JOBS if together else JOBS_EACH
    portions = [range(begin, begin + size) for begin in range(first, first + BURST_JOBS, size)]
    for portion in portions:
        now_ns = time.monotonic_ns()
        podwork.stamp.enqueue_bulk(
            [
                {"shop_id": FIRST_SHOP + n % BURST_JOBS // JOBS_EACH, "n": n, "pushed_ns": now_ns}
                for n in portion
            ]
        )


def _push_noops(shops: Sequence[int], count: int, first: int = 0) -> None:
    podwork.noop.enqueue_bulk({"shop_id": shops[n % len(shops)], "n": first + n} for n in range(count))


def _drain_of(stage: Stage, shops: Sequence[int], jobs: int, prefix: str) -> Figures:
    stage.clear()
    _push_noops(shops, jobs)
    worker = stage.worker(PODWORK_ITSELF)
    try:
        return drain(worker, stage, jobs, prefix)
    finally:
        worker.kill()
