"""How many rows the next batch of a job holds, and when it may begin.

Owns: `Sizing`: a `Pace` and a `RateLimit` that obey what the run was told last. Promises: the rate of a run
is shared by those who work on it at the moment, in equal parts; what failed before is begun small. Leaves to
others: the formulas (`podwork.iteration.pace`).
"""

from __future__ import annotations

import time

from podwork.iteration.job import IterationJob
from podwork.iteration.pace import Pace, RateLimit
from podwork_pods.iteration.partition import Partition
from podwork_pods.iteration.run import Orders


class Sizing:
    """Of one job, over all partitions that it works through."""

    def __init__(self, job: IterationJob) -> None:
        self._most_rows = job.most_rows
        self._pace = Pace(job.target_seconds, job.batch_size, job.least_rows, job.most_rows)
        self._rate = RateLimit(None)
        self._asked = job.batch_size
        self._rows = 0

    def begin(self, held: Partition) -> None:
        """Begin with a partition: small, if its last batch has failed or its owner has died."""
        if held.attempts:
            self._pace.halve(held.tried_rows)

    def obey(self, orders: Orders, holders: int) -> None:
        """Take in what the run was told, and how many work on it."""
        self._pace.most = min(self._most_rows, orders.batch_most or self._most_rows)
        per_second = orders.rows_per_second
        self._rate.rows_per_second = None if per_second is None else per_second / max(1, holders)

    def limit(self) -> int:
        """Return how many rows to ask for."""
        self._asked = self._rate.portion(self._pace.size)
        return self._asked

    def measured(self, rows: int, seconds: float) -> None:
        """Take in a batch that was committed."""
        self._pace.measured(rows, seconds, self._asked)
        self._rows += rows

    def halve(self, rows: int | None = None) -> None:
        """Let the next batch be half of one that failed; `rows` it had, if not as many as asked for."""
        self._pace.halve(self._asked if rows is None else rows)

    def owed_seconds(self) -> float:
        """Return how long to wait before the next batch."""
        rows, self._rows = self._rows, 0
        return self._rate.wait_seconds(rows, time.monotonic())
