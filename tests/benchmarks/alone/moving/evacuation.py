"""Many small shops leave a pod: how many a second, and what the jobs of others wait meanwhile.

Two movers, as many as a plan lets work on a pod by default, the threads of one process as in a worker, take
one shop after the other to its end: planned, moved, and, as no grace is given, its old rows deleted. Jobs of
one shop on each pod, which does not move, are pushed at a steady rate before and meanwhile, and note how long
they waited; workers of both pods run them.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from tests.benchmarks.alone.moving import shop
from tests.benchmarks.alone.moving.pods import B, MovePods
from tests.benchmarks.harness.conversation import Conversation
from tests.benchmarks.harness.marks import Marks
from tests.benchmarks.harness.measured import Figures, percentile
from tests.benchmarks.harness.tree import wait
from tests.benchmarks.harness.trouble import Trouble

AT_ONCE: Final = 2
LINES: Final = 20
JOBS_PER_SECOND: Final = 50.0
BASELINE_JOBS: Final = 500
WARM_JOBS: Final = 50
PATIENCE_SECONDS: Final = 1_800.0


def measure(
    pods: MovePods, movers: Conversation, marks: Marks, shops: range, others: tuple[int, int]
) -> Figures:
    """Evacuate the shops; `others` stay, one on each pod. Raises Trouble."""
    rows = pods.add_shops(dict.fromkeys(shops, LINES))
    marks.clear()
    with pods.workers() as workers:
        pusher = _Pusher(others)
        pusher.push(WARM_JOBS)
        for worker in workers.values():
            wait(lambda: marks.all_done(WARM_JOBS), worker, PATIENCE_SECONDS, "workers to be warm")
        first = pusher.pushed
        pusher.push(BASELINE_JOBS)
        calm = (first, pusher.pushed)
        with pusher.pushing():
            answer = movers.ask(PATIENCE_SECONDS, evacuate=list(shops), to=B, at_once=AT_ONCE)
        for worker in workers.values():
            wait(lambda: marks.all_done(pusher.pushed), worker, PATIENCE_SECONDS, "the jobs of others")
    if answer["moved"] != len(shops):
        raise Trouble(f"{answer['moved']} of {len(shops)} shops have left")
    before, meanwhile = (
        marks.waits_ms(last - first, first) for first, last in (calm, (calm[1], pusher.pushed))
    )
    return {
        "evacuated_shops_per_s": len(shops) / answer["seconds"],
        "evacuated_rows_per_s": rows / answer["seconds"],
        "evacuated_shops": len(shops),
        "job_wait_calm_p50_ms": percentile(before, 50),
        "job_wait_calm_p99_ms": percentile(before, 99),
        "job_wait_evacuating_p50_ms": percentile(meanwhile, 50),
        "job_wait_evacuating_p99_ms": percentile(meanwhile, 99),
    }


class _Pusher:
    """Pushes stamped jobs of the other shops, at a steady rate."""

    def __init__(self, others: tuple[int, int]) -> None:
        self._others = others
        self._due = 0.0
        self.pushed = 0

    def push(self, jobs: int) -> None:
        """Push so many."""
        for _ in range(jobs):
            self._due = max(self._due + 1 / JOBS_PER_SECOND, time.monotonic() - 1.0)
            time.sleep(max(0.0, self._due - time.monotonic()))
            now_ns = time.monotonic_ns()
            shop.stamp.enqueue(shop_id=self._others[self.pushed % 2], n=self.pushed, pushed_ns=now_ns)
            self.pushed += 1

    def pushing(self) -> _Pushing:
        """Push all the while."""
        return _Pushing(self)


class _Pushing:
    def __init__(self, pusher: _Pusher) -> None:
        self._pusher = pusher
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_said: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.is_set():
            self._pusher.push(1)
