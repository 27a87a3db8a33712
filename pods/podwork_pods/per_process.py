"""Values that belong to one process: made at first use, and made again after a fork.

Owns: `PerProcess`. Promises: a process never uses, and never closes, a connection that it inherited over a
fork; its parent's goes on undisturbed. A lock that another thread of the parent held at the fork is not
inherited as held. Leaves to others: how to make the value, and how to close it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakSet

T = TypeVar("T")


class ForkAware(Protocol):
    """Something that has to let go of its parent's state in a child."""

    def after_fork(self) -> None:
        """Let go; called in the child, by its only thread, before anything else runs."""
        ...


class PerProcess(Generic[T]):
    """One value per process, made by `make` when it is first asked for."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._value: T | None = None
        self._lock = threading.Lock()
        forget_after_fork(self)

    def get(self) -> T:
        """Return this process's value; what `make` raises goes to the caller, the next call tries again."""
        value = self._value
        return self._first() if value is None else value

    def peek(self) -> T | None:
        """Return this process's value if there is one yet."""
        return self._value

    def take(self) -> T | None:
        """Return this process's value, if there is one, and let go of it: the caller closes it."""
        with self._lock:
            value, self._value = self._value, None
        return value

    def after_fork(self) -> None:
        """Abandon the parent's value without closing it."""
        if self._value is not None:
            abandon(self._value)
        self._value = None
        self._lock = threading.Lock()

    def _first(self) -> T:
        with self._lock:
            if self._value is None:
                self._value = self._make()
            return self._value


_forgetful: WeakSet[Any] = WeakSet()

# Kept for ever: collecting a parent's connection would close it, and some drivers say goodbye to the server.
_abandoned: list[object] = []


def forget_after_fork(holder: ForkAware) -> None:
    """Call `holder.after_fork()` in every child, for as long as the holder lives."""
    _forgetful.add(holder)


def abandon(inherited: object) -> None:
    """Keep what a parent opened from being closed by this process."""
    _abandoned.append(inherited)


def _in_child() -> None:
    for holder in list(_forgetful):
        holder.after_fork()


os.register_at_fork(after_in_child=_in_child)
