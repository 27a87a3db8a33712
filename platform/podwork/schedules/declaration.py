"""What a schedule is declared to be: what it pushes, and when.

Owns: `Timing`, `Work` and `Declaration`, in the form in which they lie in Redis, so that a leader of any
revision can tick a schedule whose job class it does not know. Promises: a declaration that was made is
usable: its arguments fit the job, its rhythm has slots. Leaves to others: where declarations come from
(`catalogue`, `file`), when a slot becomes a job (`plan`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec

from podwork import record
from podwork.errors import ConfigurationError, InvalidArguments, InvalidRoute
from podwork.job import QUEUE_NAME, Call
from podwork.parcel import parcel_of
from podwork.schedules.plan import CATCH_UPS, CatchUp
from podwork.schedules.rhythm import Computed, Cron, Every, NextRun, Rhythm, zone_named
from podwork.unique import Lock

SCHEDULE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""Schedules are named in job records beside other words, and in labels of metrics."""
Length = float | timedelta


class Timing(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a schedule runs, and how often it has to succeed; what an operator may change.

    Exactly one of `cron`, `every_ms` and `computed` is set. `at_least_every_ms` of 0: nothing was promised.
    """

    cron: str = ""
    zone: str = "UTC"
    every_ms: int = 0
    computed: bool = False
    jitter_ms: int = 0
    catch_up: CatchUp = "one"
    at_least_every_ms: int = 0

    def check(self, name: str, keys: Mapping[str, str] | None = None) -> None:
        """Raise ConfigurationError if it cannot be meant so; `keys` says how its maker calls the fields."""
        flaw = self._flaw()
        if flaw is not None:
            field, what, remedy = flaw
            raise ConfigurationError(f"{name}: {(keys or {}).get(field, field)}: {what}", remedy)

    def rhythm(self, next_run: NextRun | None = None) -> Rhythm | None:
        """Return its rhythm; None for a computed one whose function this process does not have."""
        if self.computed:
            return None if next_run is None else Computed(next_run)
        return Cron(self.cron, self.zone) if self.cron else Every(self.every_ms)

    def has_rhythm_of(self, other: Timing) -> bool:
        """Return whether both have the same slots."""
        return self._beat() == other._beat()

    def _beat(self) -> tuple[str, str, int, bool]:
        return self.cron, self.zone, self.every_ms, self.computed

    def _flaw(self) -> tuple[str, str, str] | None:
        """Return field, flaw and remedy of the first flaw."""
        lengths = [field for field in ("jitter_ms", "at_least_every_ms") if getattr(self, field) < 0]
        if bool(self.cron) + bool(self.every_ms) + self.computed != 1:
            return "rhythm", "when does it run?", "give one of cron, every and next_run"
        if self.zone != "UTC" and not self.cron:
            return "zone", "only a cron expression has a zone", "leave it out"
        if self.catch_up not in CATCH_UPS:
            return "catch_up", repr(self.catch_up), "give none, one or all"
        if lengths:
            return lengths[0], "less than nothing", "give a length of time"
        return self._flaw_of_rhythm()

    def _flaw_of_rhythm(self) -> tuple[str, str, str] | None:
        field = "zone"
        try:
            zone_named(self.zone)
            field = "cron" if self.cron else "every_ms"
            rhythm = self.rhythm()
            if rhythm is not None:
                rhythm.check()
        except ConfigurationError as error:
            return field, error.what, error.remedy
        return None


class Work(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a schedule pushes: all that a job's record needs. `args` is JSON, written at the declaration."""

    job_class: str
    queue: str
    args: str = "{}"
    version: int = 1
    extras: str = record.NO_EXTRAS
    locks: tuple[Lock, ...] = ()
    expires_in_ms: int = 0


class Declaration(msgspec.Struct, frozen=True, omit_defaults=True):
    """One schedule of an application."""

    name: str
    app: str
    work: Work
    timing: Timing
    description: str = ""


def work_of(name: str, call: Call, queue: str | None) -> Work:
    """Return what the schedule pushes. Raises ConfigurationError: the job cannot be pushed like this."""
    job_class = call.job_class
    if call.shop_id is not None or job_class.parameters.takes_shop_id:
        raise ConfigurationError(
            f"schedule {name}: {job_class.name} works for one shop, a schedule for its whole pod",
            "schedule a job without shop_id that pushes one for each shop",
        )
    if queue is not None and not QUEUE_NAME.fullmatch(queue):
        raise ConfigurationError(
            f"schedule {name}: {queue!r} is not a queue's name", "use lower-case letters"
        )
    try:
        parcel = parcel_of(job_class, call.args, None, 0)
    except (InvalidArguments, InvalidRoute) as error:
        raise ConfigurationError(f"schedule {name}: {error.what}", error.remedy) from None
    extras = record.read_extras(parcel.extras)
    expires_in_ms = int(extras.pop("x", "0"))  # it was pushed at 0
    return Work(
        job_class.name,
        queue or parcel.queue,
        parcel.args.decode(),
        parcel.version,
        record.write_extras(extras),
        parcel.locks,
        expires_in_ms,
    )


def check_name(name: Any) -> None:
    """Raise ConfigurationError if it is not a schedule's name."""
    if not isinstance(name, str) or not SCHEDULE_NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is not a schedule's name", "use up to 64 letters, digits, _, - and ."
        )


def length_ms(name: str, key: str, length: Length | None) -> int:
    """Return a length of time in milliseconds; None is 0. Raises ConfigurationError: it is none."""
    if length is None:
        return 0
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e11:
        raise ConfigurationError(f"{name}: {key}: {length!r} is no length of time", "give seconds, above 0")
    return max(1, round(seconds * 1000))
