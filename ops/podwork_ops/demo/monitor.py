"""Watching the run: how far it is, whether it stalls, and the kill in its middle.

Owns: waiting for workers to be there, for a share of the jobs, for empty queues; and the kill. Promises:
it fails when nothing finishes for `STALL_SECONDS` or a worker ends by itself; the worker that `kill_one`
killed held at least one job, so that a reclaim must follow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from podwork.inspection import Counts, Inspection
from podwork_ops.demo.errors import Stalled
from podwork_ops.demo.report import Kill
from podwork_ops.demo.workers import Workers

STALL_SECONDS = 60.0
POLL_SECONDS = 0.2
QUICK_POLL_SECONDS = 0.005
NEAR_JOBS = 2000

Progress = Callable[[int], None]
"""Told a number of jobs: how many are unfinished."""


class Monitor:
    """Watches the pods of one run."""

    def __init__(self, inspections: Mapping[int, Inspection], workers: Workers, logs: Path) -> None:
        self._inspections = inspections
        self._workers = workers
        self.logs = logs
        self._begun = self._moved = time.monotonic()
        self._last_seen: object = None
        self.emptied_seconds: dict[int, float] = {}
        """When each pod had no unfinished jobs left, counted from the first job."""

    @property
    def pod_ids(self) -> list[int]:
        """The pods, in ascending order."""
        return sorted(self._inspections)

    def wait_for_workers(self, progress: Callable[[int], None]) -> None:
        """Wait until every pod has a process that may claim jobs; `progress` is told how many have."""
        while True:
            waiting = [pod_id for pod_id in self.pod_ids if not self._inspections[pod_id].processes()]
            progress(len(self.pod_ids) - len(waiting))
            if not waiting:
                return
            self._check(f"pods whose worker does not register: {waiting}", waiting)
            time.sleep(POLL_SECONDS)

    def begin(self) -> None:
        """Start the clock: the first job is about to be enqueued."""
        self._begun = self._moved = time.monotonic()

    def wait_until_left(self, left: int, progress: Progress) -> None:
        """Wait until at most `left` jobs are unfinished."""
        self._wait(lambda unfinished: unfinished <= left, progress, left)

    def wait_until_reclaimed(self, kill: Kill, progress: Progress) -> int:
        """Wait until what the killed worker held was reclaimed, or all is done; return how many jobs were."""

        def reclaimed() -> int:
            return self.totals(kill.pod_id).get("reclaimed", 0)

        self._wait(lambda unfinished: reclaimed() >= kill.held or unfinished == 0, progress, 0)
        return reclaimed()

    def look_beside(self, progress: Progress) -> None:
        """Look once at jobs and workers while something else is waited for. Raises WorkerEnded."""
        self._workers.check()
        progress(sum(each.unfinished for each in self._all_counts().values()))

    def kill_one(self) -> Kill | None:
        """Kill the worker of the pod with most to do, at a moment when it holds jobs, and start another.

        Returns None if everything was done too soon.
        """
        while True:
            pod_id = max(self._inspections, key=lambda each: self._inspections[each].counts().ready)
            inspection, worker = self._inspections[pod_id], self._workers.of(pod_id)
            while not inspection.counts().held:
                if not inspection.counts().unfinished:
                    self.emptied_seconds.clear()  # there will be more to do
                    return None
                self._check(f"a worker of pod {pod_id} that claims nothing", self._done())
                time.sleep(QUICK_POLL_SECONDS)
            worker.kill()
            held = inspection.counts().held  # nobody else claims on this pod: this is what it held
            self._workers.start(pod_id)
            if held:
                return Kill(pod_id, worker.pid, held)

    def counts(self, pod_id: int) -> Counts:
        """Return how many jobs of the pod stand where."""
        return self._inspections[pod_id].counts()

    def totals(self, pod_id: int) -> dict[str, int]:
        """Return the pod's counters."""
        return self._inspections[pod_id].totals()

    def run_seconds(self) -> float:
        """Return the time since the first job."""
        return time.monotonic() - self._begun

    def _wait(self, over: Callable[[int], bool], progress: Progress, mark: int) -> None:
        while True:
            counts = self._all_counts()
            unfinished = sum(each.unfinished for each in counts.values())
            progress(unfinished)
            for pod_id, each in counts.items():
                if not each.unfinished:
                    self.emptied_seconds.setdefault(pod_id, self.run_seconds())
            if over(unfinished):
                return
            self._check(_describe(counts), self._done())
            # Near a mark look often: a short run must not be over before its worker is killed.
            time.sleep(QUICK_POLL_SECONDS if mark and unfinished < mark + NEAR_JOBS else POLL_SECONDS)

    def _all_counts(self) -> dict[int, Counts]:
        """Return every pod's counts."""
        return {pod_id: self.counts(pod_id) for pod_id in self.pod_ids}

    def _done(self) -> object:
        return [inspection.totals() for inspection in self._inspections.values()]

    def _check(self, stuck: str, seen: object) -> None:
        """Raise if a worker has ended, or nothing has moved for too long."""
        self._workers.check()
        if seen != self._last_seen:
            self._last_seen, self._moved = seen, time.monotonic()
        idle_seconds = time.monotonic() - self._moved
        if idle_seconds > STALL_SECONDS:
            raise Stalled(idle_seconds, stuck, self.logs)


def _describe(counts: Mapping[int, Counts]) -> str:
    return "; ".join(
        f"pod {pod_id}: {each.ready} ready, {each.held} held, "
        f"{each.scheduled} scheduled, {each.parked} parked"
        for pod_id, each in counts.items()
        if each.unfinished
    )
