"""The time of a test: it stands until the test moves it.

Owns: `VirtualClock`. Promises: what podwork dates by it (when jobs are due, when they expire, how long locks
last) changes only by `advance` and `travel_to`, so that `in_=60` is due exactly 60 seconds later. Leaves to
others: the time that the application itself reads. A suite that turns `time.time` anyway (time-machine,
freezegun) makes a clock that follows it: `VirtualClock(ticking=True)`.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta


class VirtualClock:
    """Seconds since 1970, to the millisecond, moved by hand.

    Args:
        start: where it begins; now, unless given. Seconds since 1970, or a datetime with a zone.
        ticking: go on with the machine's clock, moved by what `advance` and `travel_to` add.
    """

    def __init__(self, start: float | datetime | None = None, *, ticking: bool = False) -> None:
        self._ticking = ticking
        self._moved_ms = 0
        self.travel_to(time.time() if start is None else start)

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        now_ms = self.now_ms()
        seconds = now_ms / 1000
        # One quotient in 160 falls short of its millisecond, and a job would be due one millisecond late.
        return seconds if int(seconds * 1000) == now_ms else math.nextafter(seconds, math.inf)

    def now_ms(self) -> int:
        """Return the time in milliseconds since 1970."""
        return self._base_ms() + self._moved_ms

    def moment(self) -> datetime:
        """Return the time as a datetime in UTC."""
        return datetime.fromtimestamp(self.now(), UTC)

    def advance(self, by: float | timedelta) -> None:
        """Let time pass, in seconds or as a timedelta."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"time does not advance by {by}: travel_to() goes back")
        self._moved_ms += round(seconds * 1000)

    def travel_to(self, when: float | datetime) -> None:
        """Set the time; also back, as a machine's clock may be set back."""
        if isinstance(when, datetime):
            if when.tzinfo is None:
                raise ValueError(f"{when} has no zone: give it one, datetime.UTC for example")
            when = when.timestamp()
        self._moved_ms = round(when * 1000) - self._base_ms()

    def _base_ms(self) -> int:
        return int(time.time() * 1000) if self._ticking else 0

    def __repr__(self) -> str:
        return f"<VirtualClock {self.moment().isoformat(sep=' ', timespec='milliseconds')}>"
