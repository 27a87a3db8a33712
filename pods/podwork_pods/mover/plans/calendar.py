"""The freeze calendar: spans of time in which no cut-over begins.

Owns: `Freeze`, `why_frozen`. A freeze is written as people say it, by the clock of a zone (UTC without one):

    Fri 18:00-Mon 08:00 Europe/Paris       every week
    12:00-14:00                            every day
    2026-12-20 00:00-2027-01-03 08:00 UTC  once

Promises: the clock on the wall decides, also on days on which it is put forward or back; the first minute
belongs to the freeze, the last one does not. Leaves to others: what is not begun then (`holding`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from podwork_pods.mover.plans.errors import InvalidMovePlan

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES: Final = 24 * 60
_WEEK_MINUTES: Final = 7 * _DAY_MINUTES
_POINT: Final = (
    r"(?:(?P<{0}_date>\d{{4}}-\d{{2}}-\d{{2}}) |(?P<{0}_day>[A-Za-z]{{3}}) )?(?P<{0}_time>\d{{1,2}}:\d{{2}})"
)
_SPAN: Final = re.compile(
    rf"{_POINT.format('first')}\s*-\s*{_POINT.format('last')}(?:\s+(?P<zone>[A-Za-z][\w/+-]*))?"
)
_REMEDY: Final = 'write "Fri 18:00-Mon 08:00 Europe/Paris", "12:00-14:00" or two dates with times'


class Freeze(NamedTuple):
    """One line of the calendar.

    `first`, `last`: minutes of the period, `period` minutes long (a day or a week, from Monday on); or, if it
    is once, with `period` 0, minutes since the year 1 by the zone's clock.
    """

    text: str
    first: int
    last: int
    period: int
    zone: tzinfo

    @classmethod
    def parse(cls, text: str) -> Freeze:
        """Read a line. Raises InvalidMovePlan."""
        found = _SPAN.fullmatch(" ".join(text.split()))
        if found is None:
            raise InvalidMovePlan(f"{text!r} is no freeze", _REMEDY)
        kinds = {_kind(found, point) for point in ("first", "last")}
        if len(kinds) > 1:
            raise InvalidMovePlan(f"{text!r} begins and ends in different ways", _REMEDY)
        period = {"date": 0, "day": _WEEK_MINUTES, "": _DAY_MINUTES}[kinds.pop()]
        first, last = (_minutes(text, found, point) for point in ("first", "last"))
        if first == last or (period == 0 and last < first):
            raise InvalidMovePlan(f"{text!r} is over before it begins", _REMEDY)
        return cls(text, first, last, period, _zone(found["zone"]))

    def ends_at(self, now: float) -> float | None:
        """Return when the freeze that there is now ends; None: there is none. Wall time, seconds."""
        local = datetime.fromtimestamp(now, self.zone).replace(tzinfo=None)
        if self.period == 0:
            left = self.last - _since_year_one(local) if _since_year_one(local) >= self.first else 0
        else:
            minute = (local.weekday() * _DAY_MINUTES + local.hour * 60 + local.minute) % self.period
            length = (self.last - self.first) % self.period
            left = length - (minute - self.first) % self.period
        if left <= 0:
            return None
        end = local.replace(second=0, microsecond=0) + timedelta(minutes=left)
        return end.replace(tzinfo=self.zone).timestamp()


def why_frozen(freezes: Iterable[Freeze], now: float) -> str:
    """Say for people why no cut-over begins now; "": it may."""
    found = [(end, freeze) for freeze in freezes if (end := freeze.ends_at(now)) is not None]
    if not found:
        return ""
    end, freeze = max(found, key=lambda each: each[0])
    return f"the freeze {freeze.text} lasts until {datetime.fromtimestamp(end, UTC):%Y-%m-%d %H:%M} UTC"


def _kind(found: re.Match[str], point: str) -> str:
    return next((kind for kind in ("date", "day") if found[f"{point}_{kind}"]), "")


def _minutes(text: str, found: re.Match[str], point: str) -> int:
    hour, minute = (int(part) for part in found[f"{point}_time"].split(":"))
    if hour > 24 or minute > 59 or (hour == 24 and minute):
        raise InvalidMovePlan(f"{text!r} has no such time: {found[f'{point}_time']}", _REMEDY)
    of_day = hour * 60 + minute
    day, date = found[f"{point}_day"], found[f"{point}_date"]
    if day:
        if day.lower() not in _DAYS:
            raise InvalidMovePlan(f"{text!r} has no such day: {day}", "days are Mon Tue Wed Thu Fri Sat Sun")
        return (_DAYS.index(day.lower()) * _DAY_MINUTES + of_day) % _WEEK_MINUTES
    if date:
        try:
            return _since_year_one(datetime.fromisoformat(date)) + of_day
        except ValueError:
            raise InvalidMovePlan(f"{text!r} has no such date: {date}", _REMEDY) from None
    return of_day % _DAY_MINUTES


def _since_year_one(local: datetime) -> int:
    return local.toordinal() * _DAY_MINUTES + local.hour * 60 + local.minute


def _zone(name: str | None) -> tzinfo:
    if name is None or name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidMovePlan(f"{name} is no time zone", "name one, such as Europe/Paris or UTC") from None
