"""The small threads that look again and again."""

from __future__ import annotations

import logging

import pytest

from podwork.errors import PodworkError
from podwork_pods.ticking import Ticker
from tests.support.wait import until


@pytest.mark.parametrize("error", [PodworkError("away", "wait"), RuntimeError("away")])
def test_a_failure_is_logged_when_it_begins_and_when_it_ends(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    acts: list[int] = []

    def act() -> None:
        acts.append(1)
        if len(acts) < 5:
            raise error

    with caplog.at_level(logging.INFO, "podwork_pods.ticking"):
        ticker = Ticker("ticking", 0.001, act)
        until(lambda: len(acts) > 6)
        ticker.close()
    assert not ticker.alive
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "away" in said[0]
    assert said[1] == "ticking: works again"
