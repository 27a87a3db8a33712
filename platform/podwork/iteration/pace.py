"""How many rows a batch holds, and how many a run may do in a second.

Owns: `Pace` and `RateLimit`. Both are of one partition, in one process; nothing of them is stored.

The size of a batch follows the duration that was set as the target. After a full batch of `seconds`

    size <- size * sqrt(target_seconds / seconds)     but at most 2 size, and at least size / 4

GitLab's batched background migrations divide the size by their efficiency, `duration / interval`, smoothed
over the last jobs (`0.4` new, `0.6` old), and grow by a fifth at most. This is the same with the root in
place of the memory: the size goes half of the way, on a logarithmic scale, to the one that would have taken
`target_seconds`. Where a batch costs `a + b * rows` it comes there from both sides without swinging past it,
as long as `a` is below the target. The average of pt-table-checksum, which decays rows and seconds apart (`N
<- 0.75 N + n`, `T <- 0.75 T + t`, `size <- target * N / T`), was tried: with `a` near the target the earlier,
smaller batches drag it back, and it stays at 1 row or 2 where 10 would fit (0.19 s and 1 ms a row, for 0.2
s).

Promises: one strange measurement is half believed; a batch that came out shorter than asked, as the last one
of a partition does, says nothing about the size. Leaves to others: what is a batch, the clock (monotonic
seconds), and what is done about a batch that fails (halve it, until the one row that cannot be done is
alone).
"""

from __future__ import annotations

import math
from typing import Final

GROW: Final = 2
SHRINK: Final = 0.25
SHORTEST_SECONDS: Final = 1e-6
"""No batch is taken to have been quicker: a clock may stand still."""


class Pace:
    """The size of the next batch.

    Args:
        target_seconds: how long a batch should take, its commit included.
        size: of the first batch. least, most: between which it moves.

    `target_seconds`, `least` and `most` may be set at any time; they count from the next batch on.
    """

    def __init__(
        self, target_seconds: float = 0.2, size: int = 100, least: int = 1, most: int = 20_000
    ) -> None:
        self.target_seconds = target_seconds
        self.least = least
        self.most = most
        self._exact = float(size)  # with its fraction, so that small sizes change by less than a row
        self._doubted_rows = 0

    @property
    def size(self) -> int:
        """How many rows to ask for now."""
        return max(1, min(round(self._exact), self.most))

    def measured(self, rows: int, seconds: float, asked: int | None = None) -> None:
        """Take in a batch that was committed.

        Args:
            rows: how many it held. seconds: how long it took.
            asked: how many were asked for, if fewer than `size`; then it counts only if it was too slow.
        """
        size = self.size
        in_doubt = self._doubted_rows > 0
        self._doubted_rows = max(0, self._doubted_rows - rows)
        is_full = asked is None or asked >= size
        if rows < max(1, size if asked is None else asked):
            return
        if not is_full and seconds <= self.target_seconds:
            return
        exact = min(self._exact, self.most) if is_full else rows
        wanted = exact * math.sqrt(self.target_seconds / max(seconds, SHORTEST_SECONDS))
        highest = size if in_doubt else min(size * GROW, self.most)
        lowest = min(max(math.ceil(size * SHRINK), self.least), highest)
        self._exact = float(min(max(wanted, lowest), highest))

    def halve(self, rows: int | None = None) -> None:
        """Let the next batch be half of one that has failed, and down to a single row, also below `least`.

        It does not grow again before as many rows are done as the failed one had: among them is the one that
        cannot be done, and each batch that holds it is lost. `rows`: how many it had, if not `size`.
        """
        failed = max(1, self.size if rows is None else rows)
        self._doubted_rows = failed
        self._exact = max(1.0, failed // 2)


class RateLimit:
    """At most so many rows a second, on average; None: as many as can be done.

    What was done too early is owed and waited for. What could have been done meanwhile is not saved up: after
    an hour of standing still one batch goes free, not an hour's.
    """

    def __init__(self, rows_per_second: float | None) -> None:
        self.rows_per_second = rows_per_second
        self._owed_rows = 0.0
        self._asked_at: float | None = None

    @property
    def rows_per_second(self) -> float | None:
        """The limit; it may be set at any time, and counts from the last question on."""
        return self._rows_per_second

    @rows_per_second.setter
    def rows_per_second(self, rows_per_second: float | None) -> None:
        """Set it. Raises ValueError when it is no rate."""
        if rows_per_second is not None and not 0 < rows_per_second < math.inf:
            raise ValueError(f"{rows_per_second} rows a second: give a number above 0, or None")
        self._rows_per_second = rows_per_second

    def portion(self, rows: int) -> int:
        """Return how many of so many rows to ask for at once: what a second allows, and at least one.

        A larger batch would be followed by a longer standstill; the average would be the same.
        """
        if self.rows_per_second is None:
            return rows
        return max(1, min(rows, int(self.rows_per_second)))

    def wait_seconds(self, rows: int, now: float) -> float:
        """Return how long to wait before the next batch.

        Args:
            rows: how many were done since the last question; 0 to ask again, when the wait is over or when
            the
                limit has been changed meanwhile.
            now: the monotonic time in seconds.
        """
        elapsed = 0.0 if self._asked_at is None else max(0.0, now - self._asked_at)
        self._asked_at = now
        if self.rows_per_second is None:
            self._owed_rows = 0.0
            return 0.0
        self._owed_rows = max(0.0, self._owed_rows + rows - elapsed * self.rows_per_second)
        return self._owed_rows / self.rows_per_second
