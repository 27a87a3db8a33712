"""What a processor does with a job that cannot run here now: no turning in a circle."""

from __future__ import annotations

import time
from typing import Any

import pytest

from podwork import record
from podwork.identity import new_job_id
from podwork.lease import Lease
from podwork.observation import Tally
from podwork.worker.fates import NOT_ADMITTED_PAUSE_SECONDS, Fates
from podwork.worker.life import Life
from podwork.worker.outage import Outage

ME = "host:1:aaaa"


class Platform:
    """Queues, client and manager in one; writes down what is asked of it."""

    def __init__(self, shop_is_on: int) -> None:
        self.log: list[str] = []
        self._shop_is_on = shop_is_on

    def forward(self, _lease: Lease) -> int:
        return self._shop_is_on

    def release(self, *_arguments: Any, **_options: Any) -> int:
        self.log.append("released")
        return 1

    def forget(self, *_arguments: Any) -> bool:
        self.log.append("forgotten")
        return True

    def settled(self, _lease: Lease) -> None:
        self.log.append("settled")


@pytest.mark.parametrize(
    ("shop_is_on", "expected"),
    [
        (1, [f"paused {NOT_ADMITTED_PAUSE_SECONDS}", "released", "settled"]),
        (2, ["forgotten", "settled"]),
    ],
)
def test_a_stale_epoch_at_home_comes_round_after_a_pause(
    monkeypatch: pytest.MonkeyPatch, shop_is_on: int, expected: list[str]
) -> None:
    platform: Any = Platform(shop_is_on)
    fates = Fates(1, platform, platform, platform, Tally(), Life(ME, 10.0), Outage())
    stored = record.encode_first("default", 1, record.payload_prefix("collect", 1), b"{}")
    monkeypatch.setattr(time, "sleep", lambda seconds: platform.log.append(f"paused {seconds}"))
    fates.forward(Lease(ME, "7", new_job_id(1, "7"), stored))
    assert platform.log == expected
