"""One step ahead: the last step is done in a thread of its own while the caller prepares the next.

Owns: that thread, which is there only if there is more than one step. Promises: at most one step is under
way; steps are done in order; a step that failed raises where its result is asked for, and none is begun after
it. Leaves to others: what a step is.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Does steps one behind the caller; without `may_use_thread`, in the caller's own time."""

    def __init__(self, *, may_use_thread: bool = True) -> None:
        self._may_use_thread = may_use_thread
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: Future[T] | None = None
        self._first: Callable[[], T] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def begin(self, step: Callable[[], T]) -> T | None:
        """Begin a step when the one before has ended; return that one's result, or None for the first.

        The first step waits until there is a second: one alone is done by `end`, without a thread.
        """
        if not self._may_use_thread:
            result, self._first = self.end(), step
            return result
        if self._pool is None and self._first is None:
            self._first = step
            return None
        if self._pool is None and self._first is not None:
            self._pool = ThreadPoolExecutor(1, "podwork-ahead")
            self._under_way, self._first = self._pool.submit(self._first), None
        result = self._result()
        assert self._pool is not None
        self._under_way = self._pool.submit(step)
        return result

    def end(self) -> T | None:
        """Return the last step's result; None if there was none, or its result has been returned."""
        if self._first is not None:
            first, self._first = self._first, None
            return first()
        return self._result()

    def _result(self) -> T | None:
        under_way, self._under_way = self._under_way, None
        return under_way.result() if under_way is not None else None
