"""What `podctl top` knows of each pod: two looks, some time apart, kept current in the background.

Owns: `Look`, `Glance` and `Watch`. Promises: each pod is asked in a thread of its own over one connection,
so that a pod that does not answer delays none of the others and costs no new connections; a pod's last look
stays while it is silent, with its error beside it. Leaves to others: rates and order (`top_frame`), and the
screen (`top`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from podwork.errors import PodworkError
from podwork.holds import Hold, Holds
from podwork.inspection import Counts, ProcessState, QueueState
from podwork_ops.composition import Platform

LANES_LOOKED_AT = 200
"""Of each queue, for its oldest job: this is asked once a second."""


class Look(NamedTuple):
    """One pod at one moment; `at` is monotonic."""

    at: float
    counts: Counts
    totals: Mapping[str, int]
    queues: Sequence[QueueState]
    processes: Sequence[ProcessState]
    holds: Sequence[Hold]


class Glance(NamedTuple):
    """A pod's two last looks, and why it does not answer now (None: it does)."""

    before: Look | None
    now: Look | None
    error: PodworkError | None

    def has(self, looks: int) -> bool:
        """Whether there have been so many looks, two for rates, or there is no answer."""
        return self.error is not None or (self.before if looks > 1 else self.now) is not None


class Watch:
    """Looks at the pods again and again until it is closed."""

    def __init__(self, platform: Platform, pods: Sequence[int], every_seconds: float) -> None:
        self._platform = platform
        self._every_seconds = every_seconds
        self._glances = dict.fromkeys(pods, Glance(None, None, None))
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._fault: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._watch, args=(pod_id,), name=f"top-{pod_id}", daemon=True)
            for pod_id in pods
        ]
        for thread in self._threads:
            thread.start()

    def glances(self) -> dict[int, Glance]:
        """Return what is known now, by pod. Raises what ended a thread, if anything did."""
        with self._changed:
            if self._fault is not None:
                raise self._fault
            return dict(self._glances)

    def wait_for(self, looks: int, timeout_seconds: float) -> None:
        """Return when every pod was looked at once or twice, or does not answer, or the time is over."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._fault or all(glance.has(looks) for glance in self._glances.values()),
                timeout_seconds,
            )

    def close(self) -> None:
        """Ask no more; a question that nobody answers is not waited for."""
        self._over.set()
        for thread in self._threads:
            thread.join(0.2)

    def _watch(self, pod_id: int) -> None:
        due = time.monotonic()
        try:
            while not self._over.is_set():
                self._note(pod_id)
                due = max(due + self._every_seconds, time.monotonic())
                self._over.wait(due - time.monotonic())
        except BaseException as fault:  # an error of podctl's own: who looks at the screen must see it
            with self._changed:
                self._fault = fault
                self._changed.notify_all()

    def _note(self, pod_id: int) -> None:
        old = self._glances[pod_id]
        try:
            glance = Glance(old.now, look_at(self._platform, pod_id), None)
        except PodworkError as error:
            glance = old._replace(error=error)
        with self._changed:
            self._glances[pod_id] = glance
            self._changed.notify_all()


def look_at(platform: Platform, pod_id: int) -> Look:
    """Ask a pod for everything that a frame shows of it."""
    inspection = platform.inspection(pod_id)
    counts, totals = inspection.counts(), inspection.totals()
    at = time.monotonic()
    holds = Holds(platform.store(pod_id)).list()
    queues = [inspection.queue(name, lanes=LANES_LOOKED_AT) for name in inspection.queue_names()]
    return Look(at, counts, totals, queues, inspection.processes(), holds)
