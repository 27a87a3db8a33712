"""The maintenance window: open and closed by the clock on the wall, also when that is turned."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from podwork.errors import ConfigurationError
from podwork.iteration.throttle import Held, Surroundings
from podwork.testing.clock import VirtualClock
from podwork_pods.iteration.throttles import MaintenanceWindow

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = MaintenanceWindow("22:00", "06:00", zone="Europe/Berlin")
WEEKEND = MaintenanceWindow("22:00", "06:00", zone="Europe/Berlin", days=("fri", "sat"))
HOUR = 3600


def at(window: MaintenanceWindow, moment: str, fold: int = 0) -> Held | None:
    """Ask at a moment of Berlin's time."""
    when = datetime.fromisoformat(moment).replace(tzinfo=BERLIN, fold=fold)
    nothing: Any = None
    return window.held(Surroundings(1, None, nothing, nothing, nothing, VirtualClock(when.timestamp())))


@pytest.mark.parametrize(
    "moment", ["2026-11-24 22:00", "2026-11-24 23:59:59", "2026-11-25 00:00", "2026-11-25 05:59:59"]
)
def test_it_is_open_from_the_first_second_to_the_last(moment: str) -> None:
    assert at(NIGHT, moment) is None


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [("2026-11-25 06:00", 16 * HOUR), ("2026-11-25 12:00", 10 * HOUR), ("2026-11-25 21:59:59", 1)],
)
def test_it_says_when_it_opens(moment: str, seconds: int) -> None:
    assert at(NIGHT, moment) == Held("maintenance_window closed until Wed 22:00 Europe/Berlin", seconds)


def test_a_window_within_a_day() -> None:
    lunch = MaintenanceWindow("12:00", "13:30", zone="Europe/Berlin")
    assert at(lunch, "2026-11-24 12:30") is None
    assert at(lunch, "2026-11-24 13:30") == Held(
        "maintenance_window closed until Wed 12:00 Europe/Berlin", 22.5 * HOUR
    )


def test_a_window_belongs_to_the_day_on_which_it_opens() -> None:
    assert at(WEEKEND, "2026-11-27 05:00") is not None  # Friday morning
    assert at(WEEKEND, "2026-11-27 23:00") is None
    assert at(WEEKEND, "2026-11-29 05:00") is None  # Sunday morning
    held = at(WEEKEND, "2026-11-29 06:00")
    assert held == Held("maintenance_window closed until Fri 22:00 Europe/Berlin", (5 * 24 + 16) * HOUR)


def test_the_same_time_twice_is_the_whole_day() -> None:
    sunday = MaintenanceWindow("00:00", "00:00", zone="Europe/Berlin", days=("sun",))
    assert at(sunday, "2026-11-29 00:00") is None
    assert at(sunday, "2026-11-29 23:59:59") is None
    assert at(sunday, "2026-11-30 00:00") is not None


@pytest.mark.parametrize(
    ("moment", "fold", "seconds"),
    [
        # 2026-03-29: 02:00 becomes 03:00. 2026-10-25: 03:00 becomes 02:00.
        ("2026-03-29 00:30", 0, 2.5 * HOUR),
        ("2026-10-25 00:30", 0, 4.5 * HOUR),
        ("2026-10-25 02:30", 0, 2.5 * HOUR),
        ("2026-10-25 02:30", 1, 1.5 * HOUR),
    ],
)
def test_a_clock_that_is_turned_moves_the_opening(moment: str, fold: int, seconds: float) -> None:
    early = MaintenanceWindow("04:00", "05:00", zone="Europe/Berlin")
    held = at(early, moment, fold)
    assert held == Held("maintenance_window closed until Sun 04:00 Europe/Berlin", seconds)


@pytest.mark.parametrize(
    "given",
    [
        {"opens": "25:00"},
        {"opens": 22},
        {"closes": "06:00+01:00"},
        {"zone": "Mars/Olympus"},
        {"days": ()},
        {"days": ("friday",)},
        {"days": "fri"},
    ],
)
def test_a_window_that_cannot_be_meant_so_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="maintenance_window"):
        MaintenanceWindow(**{"opens": "22:00", "closes": "06:00", **given})
