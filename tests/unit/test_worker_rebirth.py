"""Children that die young are replaced with growing pauses, and it is said once."""

from __future__ import annotations

import logging

import pytest

from podwork.worker.outage import LONGEST_PAUSE_SECONDS, Outage, pause_seconds
from podwork.worker.rebirth import Rebirth, early_pause_seconds


def test_the_pause_doubles_up_to_a_bound() -> None:
    assert [early_pause_seconds(deaths) for deaths in (1, 2, 3, 4, 40)] == [0.0, 0.5, 1.0, 2.0, 30.0]


def test_a_grown_up_child_is_replaced_at_once() -> None:
    rebirth = Rebirth()
    rebirth.died(0.1, 100.0, "x")
    rebirth.died(0.1, 100.0, "x")
    assert rebirth.not_before == 100.5
    rebirth.lived(11.0)
    rebirth.died(60.0, 200.0, "x")
    assert rebirth.not_before <= 200.0
    rebirth.died(0.1, 300.0, "x")
    assert rebirth.not_before == 300.0


def test_dying_young_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    rebirth = Rebirth()
    for _ in range(5):
        rebirth.died(0.1, 0.0, "exit code 3")
    rebirth.lived(11.0)
    rebirth.lived(12.0)
    said = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 2
    assert "exit code 3" in said[0]


def test_an_outage_is_said_once_when_it_begins_and_once_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = Outage()
    outage.over()
    for _ in range(3):
        outage.began(OSError("refused"))
    assert outage.lasting
    for _ in range(3):
        outage.over()
    assert not outage.lasting
    assert len(caplog.records) == 2


def test_pauses_grow_to_a_bound_and_never_vanish() -> None:
    assert all(0.02 < pause_seconds(0) <= 0.05 for _ in range(50))
    assert all(LONGEST_PAUSE_SECONDS / 2 <= pause_seconds(1000) <= LONGEST_PAUSE_SECONDS for _ in range(50))
