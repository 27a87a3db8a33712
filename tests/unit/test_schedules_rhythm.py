"""Rhythms: the slots of cron over changes of the clock, of intervals, and of computed intervals."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwork.errors import ConfigurationError
from podwork.schedules.rhythm import Computed, Cron, Every, NoSlots

ZONES = (
    "UTC",
    "America/Toronto",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Pacific/Apia",
)
HOUR_MS = 3_600_000


def ms(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def slots(rhythm: Cron | Every, after: int, count: int) -> list[str]:
    found = itertools.islice(rhythm.after(after), count)
    return [datetime.fromtimestamp(slot / 1000, UTC).strftime("%m-%dT%H:%M") for slot in found]


# In 2026 Toronto goes forward on 8 March at 07:00 UTC, back on 1 November at 06:00 UTC; Berlin forward on
# 29 March, back on 25 October, both at 01:00 UTC.


def test_a_fixed_time_keeps_to_the_wall_clock_of_its_zone() -> None:
    nightly = Cron("0 3 * * *", "America/Toronto")
    assert slots(nightly, ms("2026-03-06T12:00"), 4) == [
        "03-07T08:00",
        "03-08T07:00",
        "03-09T07:00",
        "03-10T07:00",
    ]
    assert slots(nightly, ms("2026-10-30T12:00"), 3) == ["10-31T07:00", "11-01T08:00", "11-02T08:00"]


@pytest.mark.parametrize(
    ("zone", "day", "after_the_gap"),
    [("America/Toronto", "2026-03-08", "03-08T07:00"), ("Europe/Berlin", "2026-03-29", "03-29T01:00")],
)
def test_a_fixed_time_inside_the_gap_runs_once_right_after_it(
    zone: str, day: str, after_the_gap: str
) -> None:
    start = ms(f"{day}T00:00", zone)
    found = slots(Cron("0,30 2 * * *", zone), start, 2)
    assert found[0] == after_the_gap
    assert found[1][:5] != day[5:]


@pytest.mark.parametrize(
    ("zone", "day", "first"),
    [("America/Toronto", "2026-11-01", "11-01T05:30"), ("Europe/Berlin", "2026-10-25", "10-25T00:30")],
)
def test_a_fixed_time_in_the_hour_that_comes_twice_runs_once(zone: str, day: str, first: str) -> None:
    cron = Cron("30 1 * * *" if zone.startswith("America") else "30 2 * * *", zone)
    found = slots(cron, ms(f"{day}T00:00", zone), 2)
    assert found[0] == first
    assert found[1][:5] != day[5:]


@pytest.mark.parametrize(
    ("zone", "day"), [("America/Toronto", "2026-11-01"), ("Europe/Berlin", "2026-10-25")]
)
def test_in_the_hour_that_comes_twice_nothing_of_the_first_one_returns(zone: str, day: str) -> None:
    """Whoever looks for the first time in the second hour must not see slots of the first."""
    hour = 1 if zone.startswith("America") else 2
    again = datetime.fromisoformat(f"{day}T0{hour}:15").replace(tzinfo=ZoneInfo(zone), fold=1)
    looked = int(again.timestamp() * 1000)
    assert next(Cron(f"30 {hour} * * *", zone).after(looked)) > looked + 12 * HOUR_MS


@pytest.mark.parametrize("zone", ["America/Toronto", "Europe/Berlin"])
@pytest.mark.parametrize("day", ["2026-03-08", "2026-03-29", "2026-10-25", "2026-11-01"])
def test_what_runs_every_hour_goes_by_elapsed_time(zone: str, day: str) -> None:
    start = ms(f"{day}T00:00", zone)
    found = list(itertools.islice(Cron("5 * * * *", zone).after(start), 30))
    assert {later - earlier for earlier, later in itertools.pairwise(found)} == {HOUR_MS}


def test_leap_days() -> None:
    found = itertools.islice(Cron("0 12 29 2 *").after(ms("2026-01-01T00:00")), 3)
    assert [datetime.fromtimestamp(slot / 1000, UTC).year for slot in found] == [2028, 2032, 2036]
    assert slots(Cron("0 0 * * *"), ms("2028-02-28T00:00"), 2) == ["02-29T00:00", "03-01T00:00"]
    assert slots(Cron("0 0 L 2 *"), ms("2028-02-01T00:00"), 1) == ["02-29T00:00"]


def test_seconds_may_stand_in_front() -> None:
    found = list(itertools.islice(Cron("*/20 * * * * *").after(ms("2026-01-01T00:00")), 3))
    assert found == [ms("2026-01-01T00:00") + 20_000 * n for n in (1, 2, 3)]


@given(
    zone=st.sampled_from(ZONES),
    expression=st.sampled_from(
        [
            "0 3 * * *",
            "30 2 * * *",
            "0,30 2 * * *",
            "*/15 * * * *",
            "0 0 * * *",
            "59 23 * * 0",
            "30 1,2 * * *",
        ]
    ),
    begin=st.datetimes(datetime(2011, 1, 1), datetime(2028, 1, 1)),  # noqa: DTZ001 - hypothesis wants it bare
    later=st.timedeltas(timedelta(0), timedelta(days=4)),
)
def test_the_slots_are_the_same_from_wherever_one_starts(
    zone: str, expression: str, begin: datetime, later: timedelta
) -> None:
    cron = Cron(expression, zone)
    start = ms(begin.isoformat())
    middle = start + int(later.total_seconds() * 1000)
    horizon = middle + 2 * 24 * HOUR_MS
    whole = list(itertools.takewhile(lambda slot: slot <= horizon, cron.after(start)))
    rest = list(itertools.takewhile(lambda slot: slot <= horizon, cron.after(middle)))
    assert rest == [slot for slot in whole if slot > middle]
    assert whole == sorted(set(whole))


def test_an_interval_is_counted_from_1970() -> None:
    every = Every(300_000)
    assert list(itertools.islice(every.after(599_999), 2)) == [600_000, 900_000]
    assert next(every.after(600_000)) == 900_000


@pytest.mark.parametrize(
    ("rhythm", "complete"), [(Every(1000), False), (Every(HOUR_MS), True), (Cron("0 3 * * *"), True)]
)
def test_due_gives_the_latest_slots_of_a_span(rhythm: Cron | Every, complete: bool) -> None:
    begin, end = ms("2026-01-01T00:00"), ms("2026-01-20T12:00")
    everything = list(itertools.takewhile(lambda slot: slot <= end, rhythm.after(begin)))
    due = rhythm.due(everything[0], begin, end, 1000)
    assert due.slots == everything[-1000:]
    assert due.complete is complete
    assert due.following == next(rhythm.after(end))


def test_ten_years_of_minutes_cost_no_more_than_a_day() -> None:
    looked: list[int] = []

    class Counting(Cron):
        def after(self, moment_ms: int) -> Iterator[int]:
            for slot in Cron.after(self, moment_ms):
                looked.append(slot)
                yield slot

    due = Counting("* * * * *").due(0, ms("2016-01-01T00:00"), ms("2026-01-01T00:00"), 1000)
    assert len(due.slots) == 1000
    assert not due.complete
    assert len(looked) < 5000


@pytest.mark.parametrize(
    ("rhythm", "says"),
    [
        (Cron("61 * * * *"), "Bad minute"),
        (Cron("* * * *"), "Wrong number of fields"),
        (Cron("0 0 31 2 *"), "Bad day-of-month"),
        (Cron("* * */20 * 1L"), "never comes about"),
        (Cron("0 3 * * *", "America/Metropolis"), "no time zone"),
        (Cron("0 3 * * *", "../../etc/passwd"), "no time zone"),
        (Every(999), "one second or more"),
    ],
)
def test_what_is_no_rhythm_is_refused(rhythm: Cron | Every, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        rhythm.check()


def test_rhythms_in_words() -> None:
    assert Cron("0 3 * * *", "America/Toronto").words == "At 03:00 every day, America/Toronto"
    assert [Every(period).words for period in (86_400_000, 300_000, 1000, 90_000, 1500)] == [
        "Every day", "Every 5 minutes", "Every second", "Every 90 seconds", "Every 1.5 seconds",
    ]  # fmt: skip


# Computed intervals


def later_by(minutes: float) -> Callable[[datetime | None], datetime]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return lambda last: start if last is None else last + timedelta(minutes=minutes)


MIDNIGHT, MINUTE_MS = ms("2026-01-01T00:00"), 60_000


def test_a_computed_interval_goes_on_from_its_last_slot() -> None:
    computed = Computed(later_by(10))
    assert computed.first_after(MIDNIGHT - 1) == MIDNIGHT
    assert computed.first_after(MIDNIGHT + 1, [MIDNIGHT]) == MIDNIGHT + 10 * MINUTE_MS
    assert computed.first_after(MIDNIGHT + 35 * MINUTE_MS, [MIDNIGHT]) == MIDNIGHT + 40 * MINUTE_MS


def test_a_computed_interval_goes_on_from_an_earlier_slot_when_the_clock_goes_back() -> None:
    recent = [MIDNIGHT + n * 10 * MINUTE_MS for n in range(5)]
    assert Computed(later_by(10)).first_after(recent[1] + 5, recent) == recent[2]


def test_the_first_slot_of_a_computed_interval_is_asked_for_without_a_last_one() -> None:
    asked: list[datetime | None] = []

    def next_run(last: datetime | None) -> datetime:
        asked.append(last)
        return datetime(2026, 1, 2, tzinfo=UTC)

    assert Computed(next_run).first_after(MIDNIGHT) == ms("2026-01-02T00:00")
    assert asked == [None]


def test_a_computed_interval_that_lags_hopelessly_begins_anew_from_now() -> None:
    now = MIDNIGHT + 20_000 * MINUTE_MS
    computed = Computed(later_by(1))
    assert computed.first_after(now + 7, [MIDNIGHT]) == now + 7 + MINUTE_MS
    due = computed.due(MIDNIGHT, MIDNIGHT, now, 1000)
    assert (len(due.slots), due.complete) == (1000, False)
    assert due.following == now + MINUTE_MS


def test_due_of_a_computed_interval() -> None:
    due = Computed(later_by(10)).due(MIDNIGHT, MIDNIGHT - 1, MIDNIGHT + 25 * MINUTE_MS, 1000)
    assert due.slots == [MIDNIGHT + n * 10 * MINUTE_MS for n in range(3)]
    assert due.complete
    assert due.following == MIDNIGHT + 30 * MINUTE_MS


@pytest.mark.parametrize(
    ("next_run", "says"),
    [
        (later_by(0), "not later"),
        (later_by(-5), "not later"),
        (lambda last: last.replace(tzinfo=None) + timedelta(days=1), "with a zone"),
        (lambda _last: 17, "with a zone"),
        (lambda last: last + 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_function_that_gives_no_next_slot_is_told_of(
    next_run: Callable[[datetime | None], datetime], says: str
) -> None:
    with pytest.raises(NoSlots, match=says):
        Computed(next_run).first_after(MIDNIGHT, [MIDNIGHT])
