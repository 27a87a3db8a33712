"""When a failed job runs again, and when it does not.

Owns: `RetryPolicy`, the formula and the decision. Unless the policy says otherwise, after the n-th failure (n
from 1) the job waits

    (n - 1)^4 + 15 + random(0, 10 n)  seconds

which is Sidekiq's curve (`lib/sidekiq/job_retry.rb`, `delay_for`): about 20 s, 26 s, 46 s, 2 min, 5 min, ...;
25 retries span three weeks. The fourth power backs off from what stays broken; the random part, as wide as
ten seconds for each failure, spreads jobs that failed together. Promises: `decide` answers for every error,
also when a hook fails: no job is lost by a mistake in its policy. Leaves to others: writing it down
(`Queues`).
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from podwork.errors import ConfigurationError
from podwork.signals import LONGEST_SECONDS, Bury, Discard, Retry

BASE_SECONDS = 15.0
JITTER_SECONDS = 10.0
ERROR_CHARACTERS = 1000
DEFAULT_COUNT = 25

Hook = Callable[[BaseException, int], float | Discard | Bury | None]
"""Called with the error and the number of failures, this one included; None: go on as usual."""

log = logging.getLogger("podwork.retry")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and when a failed job runs again.

    Attributes:
        count: at most so many retries. A schedule or `for_seconds` takes its place.
        for_seconds: retries until so long after the job's first failure; the last one comes just then.
        schedule: the waits in seconds, one for each retry; then the job is buried. Together with
            `for_seconds` the last wait is repeated.
        hook: asked first. It answers seconds to wait instead of the usual, `Discard` or `Bury` to end the
            job, or None. What it answers does not make more retries than there are otherwise.
    """

    count: int = DEFAULT_COUNT
    for_seconds: float | None = None
    schedule: Sequence[float] | None = None
    hook: Hook | None = None

    def __post_init__(self) -> None:
        if isinstance(self.schedule, list):
            object.__setattr__(self, "schedule", tuple(self.schedule))  # nobody changes it afterwards

    @property
    def never(self) -> bool:
        """Whether a failed job never runs again."""
        return self.count == 0 and self.schedule is None and self.for_seconds is None

    @property
    def most(self) -> int | None:
        """How many retries there are at most; None: it is a matter of time."""
        if self.for_seconds is not None:
            return None
        return self.count if self.schedule is None else len(self.schedule)

    def check(self, name: str) -> None:
        """Raise ConfigurationError if it cannot be meant so."""
        if type(self.count) is not int or self.count < 0:
            raise ConfigurationError(f"{name}: retry={self.count!r}", "give a number of attempts, 0 or more")
        if self.schedule is not None:
            _check_schedule(name, self.schedule)
        if self.count not in (DEFAULT_COUNT, self.most):
            raise ConfigurationError(
                f"{name}: a count of retries beside for_seconds or schedule", "give one of them"
            )
        if self.for_seconds is not None and not _is_wait(self.for_seconds, least=0.001):
            raise ConfigurationError(
                f"{name}: for_seconds={self.for_seconds!r}", "give a number of seconds above 0"
            )
        if self.hook is not None and not callable(self.hook):
            raise ConfigurationError(
                f"{name}: hook={self.hook!r}", "give a function of the error and the number of failures"
            )


class Again(NamedTuple):
    """Run again after this long, and remember why."""

    after_seconds: float
    error: str


class Exhausted(NamedTuple):
    """Bury the job, with this reason."""

    reason: str


class Dropped(NamedTuple):
    """End the job without success, for this reason."""

    reason: str


Decision = Again | Exhausted | Dropped


def delay_seconds(failures: int, randomness: Callable[[], float] = random.random) -> float:
    """Return the wait after the given number of failures, the latest included.

    Args:
        failures: from 1.
        randomness: a number from 0 to 1, for the jitter.
    """
    return float((failures - 1) ** 4 + BASE_SECONDS + randomness() * JITTER_SECONDS * failures)


def decide(
    policy: RetryPolicy, failures_before: int, error: BaseException, failing_seconds: float = 0.0
) -> Decision:
    """Decide about a job that failed.

    Args:
        policy: what its class declares.
        failures_before: how often it failed before; the error at hand does not count.
        error: why it failed now.
        failing_seconds: how long ago it failed first.
    """
    described = describe(error)
    if isinstance(error, Bury):
        return Exhausted(bounded(error.reason))
    advice = (
        error.after_seconds if isinstance(error, Retry) else _ask(policy.hook, error, failures_before + 1)
    )
    if isinstance(advice, Discard):
        return Dropped(advice.reason)
    if isinstance(advice, Bury):
        return Exhausted(bounded(f"{advice.reason} ({described})"))
    if policy.most is not None and failures_before >= policy.most:
        return Exhausted(described)
    wait_seconds = _usual_seconds(policy, failures_before) if advice is None else advice
    if policy.for_seconds is not None:
        left_seconds = policy.for_seconds - failing_seconds
        if left_seconds <= 0:
            return Exhausted(described)
        wait_seconds = min(wait_seconds, left_seconds)
    return Again(wait_seconds, described)


def describe(error: BaseException) -> str:
    """Return the error as one bounded line: its type, then its message."""
    name, message = type_name(error), message_of(error)
    return bounded(f"{name}: {message}" if message else name)


def bounded(line: str) -> str:
    """Return the line, cut to `ERROR_CHARACTERS`."""
    return line if len(line) <= ERROR_CHARACTERS else line[: ERROR_CHARACTERS - 3] + "..."


def type_name(error: BaseException) -> str:
    """Return the name of the error's type, with its module unless it is Python's own."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def message_of(error: BaseException) -> str:
    """Return the error's message as one line."""
    try:
        return " ".join(str(error).split())
    except Exception:  # a broken __str__ is the job's fault, not a reason to lose its failure
        return "(its message cannot be shown)"


def _usual_seconds(policy: RetryPolicy, failures_before: int) -> float:
    if policy.schedule is None:
        return delay_seconds(failures_before + 1)
    return policy.schedule[min(failures_before, len(policy.schedule) - 1)]


def _ask(hook: Hook | None, error: BaseException, failures: int) -> float | Discard | Bury | None:
    """Return the hook's answer; None as well if it fails or answers what nobody can follow."""
    if hook is None:
        return None
    try:
        answer = hook(error, failures)
    except (Discard, Bury) as signal:
        return signal
    except BaseException:
        log.exception("a retry hook failed; the job is retried as if there were none")
        return None
    if answer is None or isinstance(answer, Discard | Bury):
        return answer
    if _is_wait(answer):
        return float(answer)
    log.error("a retry hook answered %r; the job is retried as if there were none", answer)
    return None


def _check_schedule(name: str, schedule: Sequence[float]) -> None:
    is_sequence = isinstance(schedule, Sequence) and not isinstance(schedule, str | bytes)
    if not is_sequence or not schedule or not all(_is_wait(wait) for wait in schedule):
        raise ConfigurationError(
            f"{name}: schedule={schedule!r}", "give the seconds to wait before each retry, as (5, 60, 600)"
        )


def _is_wait(seconds: object, least: float = 0.0) -> bool:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return False
    return math.isfinite(seconds) and least <= seconds <= LONGEST_SECONDS
