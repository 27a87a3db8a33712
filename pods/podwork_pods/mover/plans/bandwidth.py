"""How many bytes a second the copies of plans read from a pod, however many movers there are.

Owns: `Bandwidth`. A token bucket for each source pod, kept as one row in the directory's database: the
moment at which all that was let pass is through, at the rate of each who passed. Promises: whoever copied
waits for that moment, so that all movers of all processes together are no faster in the long run; a pod that
was idle has saved up `BURST_SECONDS`, no more. Leaves to others: where there are batches (`rows.passing`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, insert, select, update

from podwork_pods.directory import Directory, changes
from podwork_pods.mover.plans.schema import bandwidth

BURST_SECONDS: Final = 1.0
SHARE_SECONDS: Final = 0.05
"""So many seconds' worth of bytes are asked for at a time: a chunk may be small."""
SLEEP_SECONDS: Final = (0.005, 0.25)
"""The shortest and the longest sleep of one that waits."""


class Bandwidth:
    """What one mover copies from a pod, at `bytes_per_second` of all movers together."""

    def __init__(
        self,
        directory: Directory,
        pod_id: int,
        bytes_per_second: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._directory = directory
        self._pod_id = pod_id
        self._rate = bytes_per_second
        self._sleep = sleep
        self._untold = 0.0
        self._through_at = 0.0

    def passed(self, copied_bytes: int) -> None:
        """Say that so many bytes were copied."""
        self._untold += copied_bytes
        if self._untold >= self._rate * SHARE_SECONDS:
            seconds, self._untold = self._untold / self._rate, 0.0
            self._through_at = self._directory.write(lambda connection: self._book(connection, seconds))

    def wait(self, pulse: Callable[[str], None]) -> None:
        """Wait until what was copied is through; calls `pulse` before each short sleep, which may raise."""
        while (left := self._through_at - self._directory.clock.now()) > 0:
            pulse(f"the bandwidth of copies from pod {self._pod_id}: {self._rate / 1e6:g} MB/s")
            shortest, longest = SLEEP_SECONDS
            self._sleep(max(shortest, min(left, longest)))

    def _book(self, connection: Connection, seconds: float) -> float:
        row = bandwidth.c.pod_id == self._pod_id
        query = select(bandwidth.c.free_at).where(row).with_for_update()
        free_at = connection.execute(query).scalar()
        if free_at is None:
            changes.lock(connection)  # two that are the first come one after the other
            free_at = connection.execute(query).scalar()
        since = self._directory.clock.now() - BURST_SECONDS
        through_at: float = max(since if free_at is None else free_at, since) + seconds
        if free_at is None:
            connection.execute(insert(bandwidth).values(pod_id=self._pod_id, free_at=through_at))
        else:
            connection.execute(update(bandwidth).where(row).values(free_at=through_at))
        return through_at
