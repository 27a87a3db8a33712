"""The jobs of a child that are claimed and not started, handed from the dispatcher to the processors.

Owns: their order, and waking as many idle processors as can find something. Promises: a job is given out
once; who finds nothing waits and is woken when there is something. Only deques and `SimpleQueue`s, whose
operations are atomic: no lock a job. Leaves to others: which jobs, and how many (`Manager`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podwork.lease import Lease


class ReadyJobs:
    """What waits in a child for one of its `threads` processors."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._jobs: deque[Lease] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()
        """A token makes one idle processor look."""

    def __len__(self) -> int:
        return len(self._jobs)

    # Called by processors

    def first(self) -> Lease | None:
        """Return the first job, if there is one; it is the caller's from here on."""
        try:
            return self._jobs.popleft()
        except IndexError:
            return None

    def wait(self) -> None:
        """Return when there may be something."""
        self._wake.get()

    # Called by the dispatcher

    def put(self, leases: Sequence[Lease]) -> None:
        """Add jobs at the end."""
        self._jobs.extend(leases)
        self.rouse()

    def rouse(self) -> None:
        """See to it that as many processors will look as can find something."""
        for _ in range(min(len(self._jobs), self._threads) - self._wake.qsize()):
            self._wake.put(None)

    def take_back(self, shop: str | None = None) -> list[Lease]:
        """Take all away from the processors, or those of a shop: from here on nobody starts them."""
        taken: list[Lease] = []
        kept: list[Lease] = []
        while (lease := self.first()) is not None:
            (taken if shop is None or lease.shop == shop else kept).append(lease)
        if kept:
            self.put(kept)
        return taken
