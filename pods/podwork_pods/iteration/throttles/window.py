"""A throttle over the time of day.

Owns: `MaintenanceWindow`. Promises: it opens and closes by the clock on the wall of its zone, also on the
days on which that is turned. Leaves to others: the batch under way when it closes, which is finished.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from podwork.errors import ConfigurationError
from podwork.iteration.throttle import Held, Surroundings, Throttle

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class MaintenanceWindow(Throttle):
    """Lets a run work only between two times of the day.

        throttles = (MaintenanceWindow("22:00", "06:00", zone="Europe/Berlin", days=("fri", "sat")),)

    `days` are those on which it opens; this one is open from Friday 22:00 to Saturday 06:00, and from
    Saturday 22:00 to Sunday 06:00. Where both times are the same it is open for the whole day.
    """

    opens: str
    closes: str
    zone: str = "UTC"
    days: tuple[str, ...] = DAYS

    name: ClassVar[str] = "maintenance_window"

    def __post_init__(self) -> None:
        try:
            times = [time.fromisoformat(self.opens), time.fromisoformat(self.closes)]
            ZoneInfo(self.zone)
        except (ValueError, TypeError, LookupError) as error:
            raise self._unusable(str(error)) from None
        if any(one.tzinfo is not None for one in times):
            raise self._unusable("a time with an offset; the zone is given by itself")
        if type(self.days) is not tuple or not self.days or set(self.days) - set(DAYS):
            raise self._unusable(f"days = {self.days!r}, of {', '.join(DAYS)}")

    def held(self, around: Surroundings) -> Held | None:
        """Look at the clock."""
        now = datetime.fromtimestamp(around.clock.now(), UTC)
        begin, _ = next(window for window in self._windows(now) if window[1] > now)
        if begin <= now:
            return None
        opening = begin.astimezone(ZoneInfo(self.zone))
        reason = f"{self.name} closed until {opening:%a %H:%M} {self.zone}"
        return Held(reason, (begin - now).total_seconds())

    def _windows(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the begin and end of each window from yesterday's on."""
        day = now.astimezone(ZoneInfo(self.zone)).date() - timedelta(days=1)
        opens, closes = time.fromisoformat(self.opens), time.fromisoformat(self.closes)
        while True:
            if DAYS[day.weekday()] in self.days:
                last = day if closes > opens else day + timedelta(days=1)
                yield self._moment(day, opens), self._moment(last, closes)
            day += timedelta(days=1)

    def _moment(self, day: date, at: time) -> datetime:
        """Return the moment in UTC: between two times of one zone Python would not see the clock turned."""
        return datetime.combine(day, at, ZoneInfo(self.zone)).astimezone(UTC)

    def _unusable(self, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.name} {self.opens!r} to {self.closes!r} {self.zone!r}: {why}",
            'give two times such as "22:00" and "06:00", a zone such as "Europe/Berlin", and a tuple of days',
        )
