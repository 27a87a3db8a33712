"""The harness's side of the marks that jobs leave (`peers/protocol.py` has the other)."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.benchmarks.peers import protocol


class Marks:
    """The file of marks of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("wb") as file:
            file.truncate(protocol.MARKS_BYTES)
        self._map = protocol.open_marks(path)

    def clear(self) -> None:
        """Forget everything. Only while no worker runs jobs."""
        self._map[:] = bytes(protocol.MARKS_BYTES)

    def done(self, count: int) -> int:
        """Return how many of the first `count` jobs have ended at least once."""
        return count - self._map[:count].count(0)

    def all_done(self, count: int) -> bool:
        """Tell the same as `done(count) == count`, cheaply."""
        return self._map.find(b"\0", 0, count) == -1

    def doubled(self, count: int) -> int:
        """Return how many of the first `count` jobs have ended more than once."""
        ends = self._map[:count]
        return count - ends.count(0) - ends.count(1)

    def waits_ms(self, count: int, first: int = 0) -> list[float]:
        """Return how long each of `count` stamped jobs waited, from the `first` on, in ascending order."""
        begin = protocol.JOBS_LIMIT + 8 * first
        waits = struct.unpack(f"={count}q", self._map[begin : begin + 8 * count])
        return sorted(wait / 1e6 for wait in waits)
