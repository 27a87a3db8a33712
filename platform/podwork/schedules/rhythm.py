"""The rhythm of a schedule: at which moments it has a slot.

Owns: `Cron`, `Every` and `Computed`. A slot is a moment in milliseconds since 1970, the same for everybody
who works it out, from wherever it starts: that is what makes a tick unique. Promises: slots ascend
strictly; those of `Cron` and `Every` depend on nothing but the declaration. Leaves to others: what becomes
of a slot (`podwork.schedules.plan`).

Cron is read as Debian's cron reads it, by cronsim. Five fields, or six with the seconds in front. When a
clock is put forward, a job at a fixed time inside the gap runs right after it; when it is put back, it runs
once, the first time. What runs every hour or more often (minutes or hours begin with `*`), and all with six
fields, goes by elapsed time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from podwork.errors import ConfigurationError

NextRun = Callable[[datetime | None], datetime]
"""From the last slot (None: there was none) to the next one; both with a zone."""
SHORTEST_PERIOD_MS: Final = 1000
COMPUTED_STEPS: Final = 10_000
"""How many slots of a computed interval are worked out to get from the last one to now."""
_FIRST_WINDOW_MS: Final = 3_600_000


class NoSlots(Exception):
    """A rhythm that was fine when it was declared gives no slots here and now; the text says why."""


class Due(NamedTuple):
    """The latest slots of a span, whether these are all, the first one after it, and where it ends."""

    slots: list[int]
    complete: bool
    following: int | None
    until_ms: int


@dataclass(frozen=True, slots=True)
class Cron:
    """Slots by a cron expression in a zone."""

    expression: str
    zone: str = "UTC"

    def check(self) -> None:
        """Raise ConfigurationError if it is no cron expression, no zone, or never comes about."""
        zone = zone_named(self.zone)
        try:
            CronSim(self.expression, _moment(0, zone))
        except CronSimError as error:
            raise ConfigurationError(
                f"cron {self.expression!r}: {error}", "give five fields: minute hour day month weekday"
            ) from None
        if self.first_after(0) is None:
            raise ConfigurationError(f"cron {self.expression!r} never comes about", "check day and month")

    def after(self, moment_ms: int) -> Iterator[int]:
        """Yield the slots later than the moment. Raises NoSlots: this machine cannot read it."""
        last_ms = moment_ms
        for found in self._from(moment_ms):
            slot_ms = int(found.timestamp()) * 1000
            # In the hour that comes twice cronsim begins with slots of the first one.
            if slot_ms > last_ms:
                last_ms = slot_ms
                yield slot_ms

    def first_after(self, watched_ms: int, recent: Sequence[int] = ()) -> int | None:  # noqa: ARG002 - see Computed
        """Return the first slot later than the moment; None: there is none in fifty years."""
        return next(self.after(watched_ms), None)

    def due(self, first_ms: int, watched_ms: int, now_ms: int, most: int) -> Due:  # noqa: ARG002 - see Computed
        """Return the latest slots, at most `most`, of those after `watched_ms` and up to `now_ms`."""
        return _latest(self.after, watched_ms, now_ms, most)

    @property
    def words(self) -> str:
        """The rhythm in words."""
        return f"{self._from(0).explain()}, {self.zone}"

    def _from(self, moment_ms: int) -> CronSim:
        """Raises NoSlots: an older cronsim, or a machine without the zone, cannot read what another wrote."""
        try:
            return CronSim(self.expression, _moment(moment_ms, zone_named(self.zone)))
        except (CronSimError, ConfigurationError) as error:
            raise NoSlots(f"cron {self.expression!r} in {self.zone}: {error}") from error


@dataclass(frozen=True, slots=True)
class Every:
    """A slot at every multiple of a period, counted from 1970: no leader's start has a part in it."""

    period_ms: int

    def check(self) -> None:
        """Raise ConfigurationError if the period is too short."""
        if self.period_ms < SHORTEST_PERIOD_MS:
            raise ConfigurationError(f"every {self.period_ms / 1000:g} s", "give one second or more")

    def after(self, moment_ms: int) -> Iterator[int]:
        """Yield the slots later than the moment."""
        return itertools.count((moment_ms // self.period_ms + 1) * self.period_ms, self.period_ms)

    def first_after(self, watched_ms: int, recent: Sequence[int] = ()) -> int | None:  # noqa: ARG002 - see Computed
        """Return the first slot later than the moment."""
        return next(self.after(watched_ms))

    def due(self, first_ms: int, watched_ms: int, now_ms: int, most: int) -> Due:  # noqa: ARG002 - see Computed
        """Return the latest slots, at most `most`, of those after `watched_ms` and up to `now_ms`."""
        return _latest(self.after, watched_ms, now_ms, most)

    @property
    def words(self) -> str:
        """The rhythm in words."""
        for unit, length_ms in (
            ("day", 86_400_000),
            ("hour", 3_600_000),
            ("minute", 60_000),
            ("second", 1000),
        ):
            number, rest = divmod(self.period_ms, length_ms)
            if not rest:
                return f"Every {unit}" if number == 1 else f"Every {number} {unit}s"
        return f"Every {self.period_ms / 1000:g} seconds"


@dataclass(frozen=True, slots=True)
class Computed:
    """Slots that the application works out, each from the one before.

    Unlike the others' they hang on history: `recent` are the last slots, as the clock brought them.
    """

    next_run: NextRun

    def check(self) -> None:
        """Nothing can be said before it is asked."""

    def first_after(self, watched_ms: int, recent: Sequence[int] = ()) -> int | None:
        """Return the first slot later than the moment. Raises NoSlots."""
        last_ms = max((slot for slot in recent if slot <= watched_ms), default=watched_ms if recent else None)
        for _ in range(COMPUTED_STEPS):
            last_ms = self._next(last_ms)
            if last_ms > watched_ms:
                return last_ms
        return self._next(watched_ms)

    def due(self, first_ms: int, watched_ms: int, now_ms: int, most: int) -> Due:  # noqa: ARG002 - see Cron
        """Return the latest slots from `first_ms` on, up to `now_ms`. Raises NoSlots."""
        slots: list[int] = []
        slot = first_ms
        for _ in range(COMPUTED_STEPS):
            if slot > now_ms:
                return Due(slots[-most:], len(slots) <= most, slot, now_ms)
            slots.append(slot)
            try:
                slot = self._next(slot)
            except NoSlots:  # what is known runs all the same; the next look meets the fault itself
                return Due(slots[-most:], len(slots) <= most, None, slot)
        return Due(slots[-most:], False, self._next(now_ms), now_ms)

    @property
    def words(self) -> str:
        """The rhythm in words."""
        return "Computed by the application"

    def _next(self, last_ms: int | None) -> int:
        last = None if last_ms is None else _moment(last_ms, UTC)
        try:
            found = self.next_run(last)
        except Exception as error:
            raise NoSlots(f"next_run raised {type(error).__name__}: {error}") from error
        if not isinstance(found, datetime) or found.tzinfo is None:
            raise NoSlots(f"next_run gave {found!r} instead of a datetime with a zone")
        slot_ms = round(found.timestamp() * 1000)
        if last_ms is not None and slot_ms <= last_ms:
            raise NoSlots(f"next_run gave {found}, which is not later than {last}")
        return slot_ms


Rhythm = Cron | Every | Computed


@cache
def zone_named(name: str) -> tzinfo:
    """Return the zone. Raises ConfigurationError: the machine knows none of that name."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            f"there is no time zone {name!r}", "use a name like America/Toronto, or install tzdata"
        ) from None


def _latest(after: Callable[[int], Iterator[int]], begin_ms: int, end_ms: int, most: int) -> Due:
    """Look back from the end in windows that double, so that ten years of minutes cost no more than a day."""
    window_ms = _FIRST_WINDOW_MS
    while True:
        start_ms = max(begin_ms, end_ms - window_ms)
        slots, following = [], None
        for slot in after(start_ms):
            if slot > end_ms:
                following = slot
                break
            slots.append(slot)
        if start_ms == begin_ms or len(slots) > most:
            return Due(slots[-most:], start_ms == begin_ms and len(slots) <= most, following, end_ms)
        window_ms *= 2


def _moment(moment_ms: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(moment_ms / 1000, zone)
