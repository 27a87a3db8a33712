"""The clock of a test stands, moves as told, and says no millisecond too little."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

import pytest

from podwork.testing import VirtualClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_it_stands_until_it_is_moved() -> None:
    clock = VirtualClock(NOON)
    assert clock.moment() == NOON
    clock.advance(1.5)
    clock.advance(timedelta(minutes=1))
    assert clock.now() == NOON.timestamp() + 61.5


def test_it_travels_both_ways() -> None:
    clock = VirtualClock(NOON)
    clock.travel_to(NOON - timedelta(days=1))
    assert clock.moment() == datetime(2026, 2, 28, 12, tzinfo=UTC)
    clock.travel_to(1_000.25)
    assert clock.now() == 1_000.25


def test_what_is_no_time_is_refused() -> None:
    clock = VirtualClock(NOON)
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="advance"):
            clock.advance(wrong)
    with pytest.raises(ValueError, match="zone"):
        clock.travel_to(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of this test


def test_its_seconds_are_its_milliseconds() -> None:
    # The client multiplies: of plain quotients one in 160 would be read as the millisecond before.
    clock = VirtualClock(NOON)
    for _ in range(2_000):
        clock.travel_to(random.randrange(10**12, 4 * 10**12) / 1000)
        assert int(clock.now() * 1000) == clock.now_ms()


def test_a_ticking_clock_follows_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 500.0)
    clock = VirtualClock(ticking=True)
    clock.advance(60)
    monkeypatch.setattr(time, "time", lambda: 507.0)
    assert clock.now() == 567.0
