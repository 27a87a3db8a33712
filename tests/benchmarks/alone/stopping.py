"""How soon a backfill stands: from TERM to the exit of the whole worker, and after a pause.

Batches of 200 ms, in which the job waits for the database (`backfills.Slow`). TERM goes to the supervisor of
`podctl workers` at a random time of a batch, after the first one that this worker has committed; the time is
until the supervisor is gone, which waits for its child, which waits for the batch. Every TERM is of a new
worker.

A pause is that of `podctl runs pause`, by its own call, at a random time of a batch too. Each batch notes
when it was begun, in its own transaction. Those that are there in the end and were begun after the call had
returned are counted; there may be none. `GRACE_SECONDS` is for the way from the batch's lock, which decides,
to its note; a batch that began wrongly would begin up to 200 ms later.
"""

from __future__ import annotations

import random
import time

from podwork.iteration.states import RunState
from tests.benchmarks.alone import backfills
from tests.benchmarks.alone.backfill_pod import PATIENCE_SECONDS, BackfillPod
from tests.benchmarks.harness.measured import Figures, percentile
from tests.benchmarks.harness.tree import Tree, wait

TERMS, FEWEST_TERMS = 25, 5
PAUSES, FEWEST_PAUSES = 8, 3
GRACE_SECONDS = 0.01


def measure(pod: BackfillPod, scale: float) -> Figures:
    """Stop workers, then pause. Raises Trouble."""
    run_id = pod.start(backfills.Slow)
    exits = sorted(_exit_seconds(pod, run_id) for _ in range(max(FEWEST_TERMS, int(TERMS * scale))))
    worker = pod.worker()
    try:
        figures = _paused(pod, run_id, worker, max(FEWEST_PAUSES, int(PAUSES * scale)))
        pod.control.cancel(run_id)
        wait(lambda: pod.run(run_id).state.is_over, worker, PATIENCE_SECONDS, "the cancelled run to end")
    finally:
        worker.kill()
    pod.forget_counts()
    return figures | {f"term_exit_p{percent}_ms": percentile(exits, percent) * 1000 for percent in (50, 99)}


def _exit_seconds(pod: BackfillPod, run_id: str) -> float:
    """Start a worker and TERM it in the middle of a batch; return the seconds until it is gone."""
    worker = pod.worker()
    try:
        _await_batch(pod, run_id, worker)
        time.sleep(random.uniform(0, backfills.SLOW_SECONDS))
        return worker.exit_seconds(PATIENCE_SECONDS)
    finally:
        worker.kill()


def _paused(pod: BackfillPod, run_id: str, worker: Tree, pauses: int) -> Figures:
    begun_after, waits = 0, []
    for _ in range(pauses):
        _await_batch(pod, run_id, worker)
        time.sleep(random.uniform(0, backfills.SLOW_SECONDS))
        pod.control.pause(run_id)
        paused_at = time.time()
        wait(
            lambda: pod.run(run_id).state is RunState.PAUSED, worker, PATIENCE_SECONDS, "the run to be paused"
        )
        waits.append(time.time() - paused_at)
        begun_after += pod.values(f"SELECT COUNT(*) FROM begun WHERE at > {paused_at + GRACE_SECONDS!r}")[0]
        pod.control.resume(run_id)
    return {
        "pause_batches_begun_after": begun_after,
        "pause_p50_ms": percentile(sorted(waits), 50) * 1000,
        "pause_p99_ms": percentile(sorted(waits), 99) * 1000,
    }


def _await_batch(pod: BackfillPod, run_id: str, worker: Tree) -> None:
    """Wait until one more batch is committed than now."""
    wait(lambda: pod.shard.runs.get(run_id), worker, PATIENCE_SECONDS, "the run to be made")
    before = pod.progress(run_id)
    wait(lambda: pod.progress(run_id) > before, worker, PATIENCE_SECONDS, "a batch to be committed")
