"""podwork's backfills on MariaDB, beside the loop that a developer would write by hand.

A million rows of `n = n + 1` (`alone/backfills.py`) by a real worker process, `podctl workers`, with
checkpoints, lease checks, two throttles and progress on; against a loop over PyMySQL (`alone/by_hand.py`)
that sends the same two statements and a commit for a batch, and promises nothing. MariaDB has a core, the
loop or the worker the other. They go through the table in turns, in an order that turns; the ratio is that
of the round's times. `cpu_share` is the same of processor time, client and database together: on a machine
with other work it says more. Both have batches of one size, of which there are two:

- 20,000 rows (`share`): what podwork's own pacing comes to here by its defaults (`paced_rows`, measured in
  the same round): ever more rows, as the target is 200 ms, up to the clamp of a class that says nothing else.
- 1,000 rows (`small_share`), a figure without a target: what a batch costs more than by hand, it costs at any
  size (`batch_more_us`).

`paced` is a run with podwork's own sizes, from 100 rows on; `paced_freely` the same without the clamp.

An item: `each` with nothing to do, against reading the same batches with the same SELECT over PyMySQL and an
empty loop over the rows. What podwork takes longer, over the rows, is what an item costs beyond the read: its
share of the batch's cost, SQLAlchemy's rows, and the call.

The curve: one, two and four processes of one thread, with as many partitions at once. MariaDB and the workers
share all cores then; where there are two, as here, the second process finds the rest of both, and four only
change places: the cores are the limit, not the partitions.

What stops a backfill is measured in `alone/stopping.py`, on the same pod.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import mean
from typing import NamedTuple

from podwork import IterationJob
from tests.benchmarks.alone import backfills, stopping
from tests.benchmarks.alone.backfill_pod import BackfillPod, Passed, backfill_pod
from tests.benchmarks.alone.by_hand import ByHand
from tests.benchmarks.harness import cores
from tests.benchmarks.harness.measured import Figures
from tests.benchmarks.harness.stage import Stage
from tests.benchmarks.harness.tree import Tree

ROWS, FEWEST_ROWS = 1_000_000, 40_000
NOTE = "batches of 20,000 rows, as podwork's own pacing chooses; with 1,000 see small_share"
CURVE_NOTE = "" if cores.COUNT > 2 else f"{cores.COUNT} cores, which the database shares"
TURNS, FEW_TURNS = 4, 1
"""Pairs of passes in a round: where the ratio is near its target, and where it is not."""
CURVE: tuple[tuple[int, type[IterationJob]], ...] = (
    (1, backfills.Increment),
    (2, backfills.IncrementBy2),
    (4, backfills.IncrementBy4),
)


class Beside(NamedTuple):
    """Means of some turns: seconds for all rows, and processor time of a row."""

    by_hand: float
    ours: float
    by_hand_cpu_us: float
    ours_cpu_us: float


def measure(stage: Stage, scale: float) -> Figures:
    """Measure everything once. Raises Trouble."""
    with backfill_pod(stage, max(FEWEST_ROWS, int(ROWS * scale))) as pod, ByHand(pod.url) as loop:
        worker = pod.worker()
        try:
            pod.pass_by_worker(backfills.Increment, worker)  # warms everything up
            figures = _contest(pod, loop, worker) | _items(pod, loop, worker) | _paced(pod, worker)
        finally:
            worker.kill()
        figures |= stopping.measure(pod, scale)
        return figures | _curve(pod)


def _contest(pod: BackfillPod, loop: ByHand, worker: Tree) -> Figures:
    chosen = _in_turns(pod, loop.increment, backfills.Increment, backfills.CHOSEN_ROWS, worker, TURNS)
    small = _in_turns(pod, loop.increment, backfills.IncrementSmall, backfills.SMALL_ROWS, worker, FEW_TURNS)
    return {
        "backfill_by_hand_per_s": pod.rows / chosen.by_hand,
        "backfill_per_s": pod.rows / chosen.ours,
        "backfill_share": chosen.by_hand / chosen.ours,
        "backfill_cpu_share": chosen.by_hand_cpu_us / chosen.ours_cpu_us,
        "backfill_small_by_hand_per_s": pod.rows / small.by_hand,
        "backfill_small_per_s": pod.rows / small.ours,
        "backfill_small_share": small.by_hand / small.ours,
        "backfill_small_cpu_share": small.by_hand_cpu_us / small.ours_cpu_us,
        "backfill_batch_more_us": (small.ours - small.by_hand) / pod.rows * backfills.SMALL_ROWS * 1e6,
    }


def _items(pod: BackfillPod, loop: ByHand, worker: Tree) -> Figures:
    times = _in_turns(pod, loop.read, backfills.Look, backfills.CHOSEN_ROWS, worker, FEW_TURNS)
    return {
        "item_read_by_hand_us": times.by_hand / pod.rows * 1e6,
        "item_beyond_read_us": (times.ours - times.by_hand) / pod.rows * 1e6,
    }


def _paced(pod: BackfillPod, worker: Tree) -> Figures:
    figures: Figures = {}
    for name, job in (("paced", backfills.IncrementPaced), ("paced_freely", backfills.IncrementPacedFreely)):
        passed = pod.pass_by_worker(job, worker)
        figures |= {
            f"backfill_{name}_per_s": pod.rows / passed.seconds,
            f"backfill_{name}_rows": passed.batch_rows,
        }
    return figures


def _curve(pod: BackfillPod) -> Figures:
    """Measure the rates of several processes, and the gain of the second."""
    pod.on_all_cores()
    figures: Figures = {}
    for processes, job in CURVE:
        worker = pod.worker("--processes", str(processes), "--threads", "1", several=True)
        try:
            pod.await_processes(worker, processes)
            figures[f"backfill_{processes}_processes_per_s"] = (
                pod.rows / pod.pass_by_worker(job, worker).seconds
            )
        finally:
            worker.kill()
    gain = figures["backfill_2_processes_per_s"] / figures["backfill_1_processes_per_s"]
    return figures | {"backfill_2_processes_gain": gain}


def _in_turns(
    pod: BackfillPod,
    loop: Callable[[int], float],
    job: type[IterationJob],
    rows: int,
    worker: Tree,
    turns: int,
) -> Beside:
    """Let both go through all rows in turns, each first as often as the other."""
    by_hand = partial(pod.pass_by_hand, loop, rows, increments=job is not backfills.Look)
    ours = partial(pod.pass_by_worker, job, worker)
    passed: tuple[list[Passed], list[Passed]] = ([], [])
    for turn in range(turns):
        for which in (0, 1) if turn % 2 else (1, 0):
            passed[which].append((by_hand, ours)[which]())
    return Beside(
        *(mean(one.seconds for one in each) for each in passed),
        *(mean(one.cpu_us for one in each) for each in passed),
    )
