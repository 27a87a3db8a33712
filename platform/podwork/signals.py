"""What a running job may raise or return to steer its own fate; none of these is an error.

Owns: `JobSignal` and its kinds.

| signal | what becomes of the job | attempt spent |
| --- | --- | --- |
| `Interrupted()` | queued again, at the head of its lane | no |
| `Snooze(after_seconds, reason)` | scheduled to run again then | no |
| `Retry(after_seconds, reason)` | scheduled to run again then, or dead when its retries are used up | yes |
| `Discard(reason)` | ended: there was nothing to do | - |
| `Cancel(reason)` | ended: it was not to be done | - |
| `Bury(reason)` | dead, for a person to look at, however many retries are left | yes |

`return Snooze(60, "not yet")` and `raise Snooze(60, "not yet")` are the same; raising ends code that lies
deeper. What a job has collected to follow it is dropped with each of them. A job of an at-most-once class
never starts again, so `Interrupted` and `Snooze` bury it. Leaves to others: the transition
(`worker/fates.py`).
"""

from __future__ import annotations

import math
from typing import Final

LONGEST_SECONDS: Final = 1e9
"""31 years; what is longer was meant as something else."""


class JobSignal(Exception):
    """The root of the signals."""


class Interrupted(JobSignal):
    """Gives the job back: it is queued again and no attempt is spent (promise J6)."""


class _Reasoned(JobSignal):
    """A signal with a reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Discard(_Reasoned):
    """Ends the job without success and without a retry: there was nothing to do."""


class Cancel(_Reasoned):
    """Ends the job without success and without a retry: a rule says that it is not to be done."""


class Bury(_Reasoned):
    """Puts the job into the dead set at once: another run would not help, a person may."""


class _Later(JobSignal):
    """A signal that runs the job again after a while."""

    def __init__(self, after_seconds: float, reason: str = "asked for by the job") -> None:
        # Said here, where it fails the job; in the worker it would end the process.
        if not math.isfinite(after_seconds) or after_seconds > LONGEST_SECONDS:
            raise ValueError(f"a job cannot run again after {after_seconds} seconds")
        self.after_seconds = max(0.0, float(after_seconds))
        self.reason = reason
        super().__init__(reason)


class Snooze(_Later):
    """Runs the job again after `after_seconds`; no attempt is spent, however often it happens.

    `quiet`: it is nothing new, and no line of the worker's log.
    """

    def __init__(
        self, after_seconds: float, reason: str = "asked for by the job", *, quiet: bool = False
    ) -> None:
        super().__init__(after_seconds, reason)
        self.quiet = quiet


class Retry(_Later):
    """Runs the job again after `after_seconds`; it spends one attempt, as a failure does."""
