"""The end of a run, on its way from a processor to the manager."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from podwork.lease import Lease
from podwork.parcel import Parcel
from podwork.queues import End


class Ended(NamedTuple):
    """A job that is to end; `outcome` as in `podwork.observation.OUTCOMES`; the times as there.

    Only one that succeeded has follow-ups.
    """

    lease: Lease
    outcome: str
    duration_seconds: float | None
    wait_seconds: float | None
    follow_ups: Sequence[Parcel] = ()

    @property
    def end(self) -> End:
        """What Redis is told."""
        return End(self.lease, "" if self.outcome == "succeeded" else self.outcome, self.follow_ups)
