"""kill -9 of a worker and all that it forked, in mid-drain; then a new worker, and a look at every job.

Jobs sleep 1 ms. At two fifths everything is killed at once and started again at once. A job without a mark
when the watch ends is lost, or so late that nobody can tell; one with two marks ran twice. All contestants
are killed at the same time, each with a Redis of its own, because only counts are taken here: no figure is a
time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from tests.benchmarks.harness.contest import present, say
from tests.benchmarks.harness.measured import Figures, Measured
from tests.benchmarks.harness.stage import Stage, stage
from tests.benchmarks.harness.tree import wait
from tests.benchmarks.harness.trouble import Trouble
from tests.benchmarks.peers.roster import Contestant

KILL_AT, MILLISECONDS = 0.4, 1
DRAIN_SECONDS = 180.0
LINGER_SECONDS = 20.0
"""How long doubles are waited for after the last job has its first mark: a job that ended without being
acknowledged runs again when its lease ends (podwork's: 15 s)."""


def run(contestants: Sequence[Contestant], measured: Measured, watch_seconds: float, scale: float) -> None:
    """Kill everybody's worker once; the figures go into `measured`."""
    able = present(contestants, measured)
    say(f"kill -9: {len(able)} workers at once, watched for {watch_seconds:g} s")
    # The stages are made one after the other: what they import is not to be imported by two threads at once.
    with ExitStack() as stages, ThreadPoolExecutor(max(1, len(able))) as threads:
        places = [(contestant, stages.enter_context(stage())) for contestant in able]
        ends = {
            contestant.name: threads.submit(_one, contestant, place, watch_seconds, scale)
            for contestant, place in places
        }
        for name, end in ends.items():
            try:
                measured.add(name, end.result())
            except Trouble as trouble:
                measured.miss(name, f"kill -9: {trouble}")
                say(f"{name}: {trouble}")


def _one(contestant: Contestant, place: Stage, watch_seconds: float, scale: float) -> Figures:
    jobs = max(200, int(contestant.amounts.kill * scale))
    with place.pusher(contestant) as pusher:
        pusher.bulk("pause", jobs, MILLISECONDS)
    worker, kill_at = place.worker(contestant), jobs * KILL_AT
    try:
        wait(lambda: place.marks.done(jobs) >= kill_at, worker, DRAIN_SECONDS, "two fifths of the jobs")
    finally:
        worker.kill()
    return {"kill_jobs": jobs} | _watch(contestant, place, jobs, watch_seconds)


def _watch(contestant: Contestant, place: Stage, jobs: int, watch_seconds: float) -> Figures:
    """Start again and wait until all is done, or until nothing has happened for the watch's time."""
    began = moved_at = time.monotonic()
    done = place.marks.done(jobs)
    worker = place.worker(contestant)
    try:
        while done < jobs and time.monotonic() - moved_at < watch_seconds:
            time.sleep(0.1)
            now_done = place.marks.done(jobs)
            if now_done != done:
                done, moved_at = now_done, time.monotonic()
        seconds = moved_at - began
        time.sleep(LINGER_SECONDS)
    finally:
        worker.kill()
    done = place.marks.done(jobs)
    figures: Figures = {"lost": jobs - done, "doubled": place.marks.doubled(jobs)}
    return figures | ({"all_done_s": seconds} if done == jobs else {})
