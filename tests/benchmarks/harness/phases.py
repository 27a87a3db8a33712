"""One contestant's round: every phase, the same for all.

| phase | what is measured |
| --- | --- |
| push single, push bulk | jobs a second, the client's and Redis's time a job, bytes a queued job |
| drain | no-op jobs a second, time of the whole worker and of Redis a job; from a tenth done to all done |
| idle | commands and processor time of a worker without jobs |
| latency | from before the push to the start of the job, 100 jobs a second |
| pause | jobs that sleep 5 ms; the arithmetic limit is slots / 5 ms |
| memory | peaks of the worker's processes over drain, idle and latency |

Promises: a window is closed when the last mark is seen (2 ms); what the worker does before the first tenth
(its boot) is not counted. Leaves to others: order and repetition (`contest`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.benchmarks.harness.measured import Figures, percentile
from tests.benchmarks.harness.pusher import Pusher
from tests.benchmarks.harness.stage import Stage
from tests.benchmarks.harness.tree import Tree, wait
from tests.benchmarks.peers.protocol import SHOPS
from tests.benchmarks.peers.roster import Contestant

PAUSE_MILLISECONDS = 5
SETTLE_SECONDS = 2.0
LATENCY_RATE = 100.0
PHASE_SECONDS = 90.0
END_POLL_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Extent:
    """How long to measure: `scale` multiplies the jobs, `idle_seconds` and `latency_jobs` are as they are."""

    scale: float = 1.0
    idle_seconds: float = 3.0
    latency_jobs: int = 300

    def of(self, jobs: int) -> int:
        """Return the number of jobs of a phase."""
        return max(100, int(jobs * self.scale))


def play(contestant: Contestant, stage: Stage, extent: Extent, figures: Figures) -> None:
    """Run one contestant's round; what is measured goes into `figures`, also before Trouble is raised."""
    amounts = contestant.amounts
    with stage.pusher(contestant) as pusher:
        stage.clear()
        if contestant.pushes:
            figures |= _push(pusher, stage, "single", extent.of(amounts.single))
            if amounts.bulk:
                figures |= _push(pusher, stage, "bulk", extent.of(amounts.bulk))
        jobs = extent.of(amounts.drain)
        pusher.bulk("noop", jobs)
        worker = stage.worker(contestant)
        try:
            figures |= drain(worker, stage, jobs)
            figures |= _idle(worker, stage, extent.idle_seconds)
            figures |= _latency(worker, pusher, stage, extent.latency_jobs)
            peaks = worker.peaks_bytes()
            figures |= {"memory_mib": sum(peaks) / 2**20, "largest_process_mib": max(peaks) / 2**20}
        finally:
            worker.kill()
        pusher.come_back()
        figures |= _pause(contestant, pusher, stage, extent.of(amounts.pause))


def drain(worker: Tree, stage: Stage, jobs: int, prefix: str = "drain") -> Figures:
    """Measure while the worker runs `jobs` jobs that are already queued."""
    marks = stage.marks
    wait(lambda: marks.done(jobs) >= jobs // 10, worker, PHASE_SECONDS, f"a tenth of {jobs} jobs")
    began, first, redis, cpu = time.perf_counter(), marks.done(jobs), stage.redis.read(), worker.cpu_seconds()
    wait(lambda: marks.all_done(jobs), worker, PHASE_SECONDS, f"{jobs} jobs", END_POLL_SECONDS)
    seconds, ran = time.perf_counter() - began, jobs - first
    cpu, after = worker.cpu_seconds() - cpu, stage.redis.read()
    if not ran:  # a scale so small that everything ended at once
        return {}
    return {
        f"{prefix}_per_s": ran / seconds,
        f"{prefix}_cpu_us": cpu / ran * 1e6,
        f"{prefix}_redis_us": (after.cpu_seconds - redis.cpu_seconds) / ran * 1e6,
        f"{prefix}_redis_commands": (after.commands - redis.commands - 1) / ran,
    }


def _push(pusher: Pusher, stage: Stage, way: str, jobs: int) -> Figures:
    """Measure the client; a job of every shop goes ahead: connections, scripts and the directory's cache."""
    push = pusher.single if way == "single" else pusher.bulk
    push("noop", SHOPS)
    stage.redis.clear()
    before = stage.redis.read()
    pushed = push("noop", jobs)
    after = stage.redis.read()
    stage.redis.clear()
    return {
        f"{way}_per_s": jobs / pushed.seconds,
        f"{way}_cpu_us": pushed.cpu_seconds / jobs * 1e6,
        f"{way}_redis_us": (after.cpu_seconds - before.cpu_seconds) / jobs * 1e6,
        "bytes_per_job": (after.used_bytes - before.used_bytes) / jobs,
    }


def _idle(worker: Tree, stage: Stage, seconds: float) -> Figures:
    time.sleep(SETTLE_SECONDS)  # what a worker does right after its last job is not idling
    began, redis, cpu = time.perf_counter(), stage.redis.read(), worker.cpu_seconds()
    time.sleep(seconds)
    after, cpu, elapsed = stage.redis.read(), worker.cpu_seconds() - cpu, time.perf_counter() - began
    worker.check()
    return {
        "idle_commands_per_s": (after.commands - redis.commands - 1) / elapsed,
        "idle_cpu_percent": cpu / elapsed * 100,
    }


def _latency(worker: Tree, pusher: Pusher, stage: Stage, jobs: int) -> Figures:
    marks = stage.marks
    pusher.step_aside()
    marks.clear()
    pusher.paced(jobs, LATENCY_RATE)
    wait(lambda: marks.all_done(jobs), worker, PHASE_SECONDS, f"{jobs} stamped jobs")
    waits = marks.waits_ms(jobs)
    return {f"latency_p{percent}_ms": percentile(waits, percent) for percent in (50, 95, 99)}


def _pause(contestant: Contestant, pusher: Pusher, stage: Stage, jobs: int) -> Figures:
    stage.clear()
    pusher.bulk("pause", jobs, PAUSE_MILLISECONDS)
    worker = stage.worker(contestant)
    try:
        figures = drain(worker, stage, jobs, "pause")
    finally:
        worker.kill()
    if figures:
        limit = contestant.slots / PAUSE_MILLISECONDS * 1000
        figures["pause_share"] = figures["pause_per_s"] / limit
    return figures
