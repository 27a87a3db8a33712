"""podwork after kill -9 of supervisor and child in mid-drain: lost, doubled, in flight, back at full speed.

In flight is what the dead child held by its lease: what it ran and what it had claimed. Full speed is nine
tenths of the speed before the kill, over a quarter of a second. The worker is started again at once, as a
service manager does; its boot counts. The jobs sleep 1 ms.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from podwork.inspection import Inspection
from podwork.store import Store
from tests.benchmarks.harness.measured import Figures
from tests.benchmarks.harness.stage import Stage
from tests.benchmarks.harness.tree import Tree, wait
from tests.benchmarks.peers import protocol
from tests.benchmarks.peers.roster import PODWORK_ITSELF

JOBS, KILL_AT, MILLISECONDS = 40_000, 0.4, 1
WINDOW_SECONDS, FULL_SPEED = 0.25, 0.9
PATIENCE_SECONDS = 60.0


def measure(stage: Stage, scale: float) -> Figures:
    """Kill once and watch. Raises Trouble."""
    jobs = max(20_000, int(JOBS * scale))  # fewer would be done before the worker is back
    stage.clear()
    with stage.pusher(PODWORK_ITSELF) as pusher:
        pusher.bulk("pause", jobs, MILLISECONDS)
    worker = stage.worker(PODWORK_ITSELF)
    try:
        before_per_s = _speed(stage, worker, jobs)
    finally:
        worker.kill()
    killed_at = time.monotonic()
    inspection = Inspection(Store(stage.redis.url))
    in_flight = sum(process.held for process in inspection.processes())
    worker = stage.worker(PODWORK_ITSELF)
    try:
        full_speed_seconds = _full_speed(stage, worker, jobs - in_flight, before_per_s, killed_at)
        # Not by the marks: a job that had ended but was not acknowledged is still to run again.
        all_done_seconds = _waited(lambda: not inspection.counts().unfinished, worker, killed_at)
    finally:
        worker.kill()
    doubled = stage.marks.doubled(jobs)
    return {
        "killed_in_flight": in_flight,
        "killed_lost": jobs - stage.marks.done(jobs),
        "killed_doubled": doubled,
        "killed_doubled_beyond": max(0, doubled - in_flight),
        "killed_before_per_s": before_per_s,
        "killed_full_speed_s": full_speed_seconds,
        "killed_all_done_s": all_done_seconds,
    }


def _speed(stage: Stage, worker: Tree, jobs: int) -> float:
    """Wait until it is time to kill; return the speed since the first tenth."""
    wait(lambda: stage.marks.done(jobs) >= jobs // 10, worker, PATIENCE_SECONDS, "the first jobs")
    began, first = time.monotonic(), stage.marks.done(jobs)
    wait(lambda: stage.marks.done(jobs) >= jobs * KILL_AT, worker, PATIENCE_SECONDS, "two fifths of the jobs")
    return (stage.marks.done(jobs) - first) / (time.monotonic() - began)


def _full_speed(stage: Stage, worker: Tree, free: int, before_per_s: float, killed_at: float) -> float:
    """Return the seconds from the kill to full speed; `free` jobs were not held by the dead."""
    everything = protocol.JOBS_LIMIT
    seen = [stage.marks.done(everything)]

    def fast() -> bool:
        time.sleep(WINDOW_SECONDS)
        seen.append(stage.marks.done(everything))
        at_speed = (seen[-1] - seen[-2]) / WINDOW_SECONDS >= FULL_SPEED * before_per_s
        return at_speed or seen[-1] >= free  # what is left waits for the lease: there is no speed to see

    return _waited(fast, worker, killed_at)


def _waited(condition: Callable[[], bool], worker: Tree, since: float) -> float:
    """Wait until the condition holds or patience ends; return the seconds since the kill."""
    while not condition() and time.monotonic() - since < PATIENCE_SECONDS:
        worker.check()
        time.sleep(0.01)
    return time.monotonic() - since
