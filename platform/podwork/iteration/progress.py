"""How far a run, or a partition of it, is: its share, its rate, and for how long it goes on.

Owns: `Progress`. Promises: what cannot be known is None, never a guess: without a total there is neither a
share nor an end. The total was counted when the run began; rows that came later make it too small, so that a
share stays at 1.0 until the last of them is done. Leaves to others: counting, adding up over partitions and
pods, and drawing it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """What was done, and when.

    Attributes:
        rows_done: rows committed. rows_total: how many there were at the start; None: not counted.
        started: wall time in seconds; None: not yet. ended: likewise; None: it goes on.
        now: wall time in seconds.
        idle_seconds: how much of the time since the start it was not to work (paused, say).
    """

    rows_done: int
    rows_total: int | None
    started: float | None
    now: float
    ended: float | None = None
    idle_seconds: float = 0.0

    @property
    def worked_seconds(self) -> float:
        """For how long it has been working."""
        if self.started is None:
            return 0.0
        until = self.now if self.ended is None else self.ended
        return max(0.0, until - self.started - self.idle_seconds)

    @property
    def rate(self) -> float:
        """Rows a second, on average over the time that it has been working; 0.0 before the first."""
        worked = self.worked_seconds
        return self.rows_done / worked if worked > 0 else 0.0

    @property
    def rows_left(self) -> int | None:
        """How many rows are to be done; None: nobody knows."""
        return None if self.rows_total is None else max(0, self.rows_total - self.rows_done)

    @property
    def share(self) -> float | None:
        """What part of the rows is done, from 0.0 to 1.0; None: nobody knows."""
        if self.rows_total is None:
            return None
        return 1.0 if self.rows_total <= 0 else min(1.0, self.rows_done / self.rows_total)

    @property
    def eta_seconds(self) -> float | None:
        """For how long it goes on at this rate; None: nobody knows, or it has ended before its end."""
        left = self.rows_left
        if left is None:
            return None
        if left == 0:
            return 0.0
        rate = self.rate
        return left / rate if rate > 0 and self.ended is None else None
