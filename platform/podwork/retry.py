"""When a failed job runs again, and when it does not.

Owns: the formula and the decision. After the n-th failure (n from 1) the job waits

    (n - 1)^4 + 15 + random(0, 10 n)  seconds

which is Sidekiq's curve (`lib/sidekiq/job_retry.rb`, `delay_for`): about 20 s, 26 s, 46 s, 2 min, 5 min, ...;
25 retries span three weeks. The fourth power backs off from what stays broken; the random part, as wide as
ten seconds for each failure, spreads jobs that failed together. Leaves to others: writing it down (`Queues`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from podwork.signals import Retry

BASE_SECONDS = 15.0
JITTER_SECONDS = 10.0
ERROR_CHARACTERS = 1000


class Again(NamedTuple):
    """Run again after this long, and remember why."""

    after_seconds: float
    error: str


class Exhausted(NamedTuple):
    """Bury the job, with this reason."""

    reason: str


def delay_seconds(failures: int, randomness: Callable[[], float] = random.random) -> float:
    """Return the wait after the given number of failures, the latest included.

    Args:
        failures: from 1.
        randomness: a number from 0 to 1, for the jitter.
    """
    return float((failures - 1) ** 4 + BASE_SECONDS + randomness() * JITTER_SECONDS * failures)


def decide(failures_before: int, most_retries: int, error: BaseException) -> Again | Exhausted:
    """Decide about a job that failed: `failures_before` do not count the error at hand."""
    described = describe(error)
    if failures_before >= most_retries:
        return Exhausted(described)
    if isinstance(error, Retry):
        return Again(max(0.0, error.after_seconds), described)
    return Again(delay_seconds(failures_before + 1), described)


def describe(error: BaseException) -> str:
    """Return the error as one bounded line: its type, then its message."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # a broken __str__ is the job's fault, not a reason to lose its failure
        message = "(its message cannot be shown)"
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    line = f"{name}: {message}" if message else name
    return line if len(line) <= ERROR_CHARACTERS else line[: ERROR_CHARACTERS - 3] + "..."
