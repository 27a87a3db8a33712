"""The freeze calendar: what is written, and when it holds, by the clock on the wall."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from podwork_pods.mover.plans.calendar import Freeze, why_frozen
from podwork_pods.mover.plans.errors import InvalidMovePlan

WEEKEND = "Fri 18:00-Mon 08:00 Europe/Paris"


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def ends(line: str, now: str) -> str | None:
    end = Freeze.parse(line).ends_at(at(now))
    return None if end is None else f"{datetime.fromtimestamp(end, UTC):%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("line", "now", "end"),
    [
        # Every week; winter in Paris is an hour ahead of UTC, summer two. 2026-12-04 is a Friday.
        (WEEKEND, "2026-12-04T16:59:59", None),
        (WEEKEND, "2026-12-04T17:00:00", "2026-12-07T07:00"),
        (WEEKEND, "2026-12-07T06:59:59", "2026-12-07T07:00"),
        (WEEKEND, "2026-12-07T07:00:00", None),
        (WEEKEND, "2026-07-03T15:59:59", None),
        (WEEKEND, "2026-07-03T16:00:00", "2026-07-06T06:00"),
        # The clock is put forward on 2026-03-29, and back on 2026-10-25: the end is still at 8 there.
        (WEEKEND, "2026-03-28T12:00:00", "2026-03-30T06:00"),
        (WEEKEND, "2026-10-24T12:00:00", "2026-10-26T07:00"),
        ("mon 08:00-fri 18:00", "2026-12-05T12:00:00", None),
        ("mon 08:00-fri 18:00", "2026-12-02T12:00:00", "2026-12-04T18:00"),
        # Every day, in UTC without a zone; over midnight too.
        ("12:00-14:00", "2026-12-04T12:00:00", "2026-12-04T14:00"),
        ("12:00 - 14:00", "2026-12-04T14:00:00", None),
        ("22:00-06:00", "2026-12-04T23:30:00", "2026-12-05T06:00"),
        ("22:00-06:00", "2026-12-04T05:59:00", "2026-12-04T06:00"),
        ("22:00-06:00", "2026-12-04T12:00:00", None),
        ("20:00-24:00", "2026-12-04T23:59:00", "2026-12-05T00:00"),
        # Once.
        ("2026-12-20 00:00-2027-01-03 08:00 UTC", "2026-12-19T23:59:00", None),
        ("2026-12-20 00:00-2027-01-03 08:00 UTC", "2026-12-31T12:00:00", "2027-01-03T08:00"),
        ("2026-12-20 00:00-2027-01-03 08:00 UTC", "2027-01-03T08:00:00", None),
        ("2026-12-20 00:00-2027-01-03 08:00 Asia/Tokyo", "2026-12-19T15:00:00", "2027-01-02T23:00"),
    ],
)
def test_a_freeze_holds_by_the_clock_of_its_zone(line: str, now: str, end: str | None) -> None:
    assert ends(line, now) == end


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("weekends", "is no freeze - write"),
        ("", "is no freeze"),
        ("Fri 18:00-08:00", "begins and ends in different ways"),
        ("Fri 18:00-2026-12-20 08:00", "begins and ends in different ways"),
        ("Fry 18:00-Mon 08:00", "no such day: Fry - days are Mon Tue"),
        ("12:60-14:00", "no such time: 12:60"),
        ("25:00-14:00", "no such time: 25:00"),
        ("2026-13-20 00:00-2027-01-03 08:00", "no such date: 2026-13-20"),
        ("12:00-12:00", "over before it begins"),
        ("2027-01-03 08:00-2026-12-20 00:00", "over before it begins"),
        ("12:00-14:00 Europe/Nowhere", "Europe/Nowhere is no time zone"),
        ("12:00-14:00 Europe", "is no time zone"),
    ],
)
def test_what_cannot_be_read_is_refused_with_an_example(line: str, said: str) -> None:
    with pytest.raises(InvalidMovePlan, match=said):
        Freeze.parse(line)


def test_the_longest_of_several_freezes_is_named() -> None:
    calendar = [Freeze.parse(line) for line in ("12:00-14:00", WEEKEND, "08:00-09:00")]
    assert why_frozen(calendar, at("2026-12-05T13:00")) == (
        "the freeze Fri 18:00-Mon 08:00 Europe/Paris lasts until 2026-12-07 07:00 UTC"
    )
    assert why_frozen(calendar, at("2026-12-08T10:00")) == ""
    assert why_frozen([], at("2026-12-08T10:00")) == ""
