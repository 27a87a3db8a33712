"""What a running job may raise to steer its own fate; none of these is an error.

Owns: `JobSignal` and its kinds. The processor turns each into exactly one transition of the queue.
"""

from __future__ import annotations

import math


class JobSignal(Exception):
    """The root of the signals."""


class Interrupted(JobSignal):
    """Raised inside a job to give it back: it is queued again and no attempt is spent (promise J6)."""


class Discard(JobSignal):
    """Raised inside a job to end it without success and without a retry, for the stated reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Retry(JobSignal):
    """Raised inside a job to run it again after `after_seconds`; it spends one attempt."""

    def __init__(self, after_seconds: float, reason: str = "asked for by the job") -> None:
        if not math.isfinite(after_seconds):  # here it fails the job; in the worker it would end the process
            raise ValueError(f"a job cannot run again after {after_seconds} seconds")
        self.after_seconds = after_seconds
        self.reason = reason
        super().__init__(reason)
