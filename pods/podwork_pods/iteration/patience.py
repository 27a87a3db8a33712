"""For how long a job may work, and how it waits.

Owns: `Patience`. Promises: nobody who waits is deaf: a job that is asked to stop, or whose time slice is
over, wakes within `STEP_SECONDS`. Leaves to others: what is waited for (`walk`).
"""

from __future__ import annotations

import time
from typing import Final

from podwork.context import JobContext

STEP_SECONDS: Final = 0.05


class Patience:
    """Of one job."""

    def __init__(self, context: JobContext, slice_seconds: float) -> None:
        self.context = context
        self._over_at = time.monotonic() + slice_seconds

    def is_asked_to_stop(self) -> bool:
        """Whether the worker wants the job to end."""
        return self.context.should_stop()

    def slice_is_over(self) -> bool:
        """Whether it is the turn of other jobs."""
        return time.monotonic() >= self._over_at

    def sleep(self, seconds: float) -> None:
        """Wait so long, or until the job has to leave."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.is_asked_to_stop() or self.slice_is_over():
                return
            time.sleep(min(left, STEP_SECONDS))
