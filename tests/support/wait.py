"""Waiting for a condition with a deadline; the tests' only way to wait.

A test never sleeps to win a race: it names what it waits for, and fails with that name if it does
not come about.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.01


def until(predicate: Callable[[], T], timeout_seconds: float = 30.0, message: str = "") -> T:
    """Return the predicate's first truthy result.

    Args:
        predicate: asked about a hundred times a second; what it raises goes to the caller at once.
        timeout_seconds: after this long the wait fails; the predicate is asked once more at the end.
        message: what is waited for, for the failure.

    Raises:
        AssertionError: the condition did not come about; carries the last result.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        late = time.monotonic() >= deadline
        found = predicate()
        if found:
            return found
        if late:
            what = message or getattr(predicate, "__qualname__", repr(predicate))
            raise AssertionError(f"not within {timeout_seconds:g} s: {what} (last answer: {found!r})")
        time.sleep(POLL_SECONDS)
