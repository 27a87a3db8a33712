"""The soft time limit: `TimeLimitExceeded` is raised in the thread of a job that runs for too long.

Owns: the one thread of a process that watches, and the handshake with the jobs. Promises: the error is raised
at most once a run, only inside `Watchdog.run`, and never in what the thread does afterwards: either the job
takes its token back when it ends, and the watchdog stays silent, or the watchdog has it, and the job does not
leave before the error has come or is taken away. Limits: Python raises it between two bytecodes, so not while
the thread is inside a call into C: waiting for a lock, for a database, in `time.sleep`; it comes when that
call returns. And it may come anywhere, in a `finally` too; work that must not be torn belongs into a
transaction. A job that catches it may clean up and return, or go on: there is no second one. Leaves to
others: the hard limit, which replaces the process.
"""

from __future__ import annotations

import ctypes
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from podwork.errors import TimeLimitExceeded
from podwork.points import reach

P = ParamSpec("P")
T = TypeVar("T")


class _Watch:
    """One run that has a limit."""

    __slots__ = ("_pid", "_raised", "_token", "due_at", "thread_id")

    def __init__(self, thread_id: int, seconds: float) -> None:
        self.due_at = time.monotonic() + seconds
        self.thread_id = thread_id
        self._pid = os.getpid()
        # Who pops it decides; that is atomic, and needs no lock that the error could tear open.
        self._token = [None]
        self._raised = False

    def fire(self) -> None:
        """Raise the error in the job's thread, unless the job has ended. Called by the watchdog, once."""
        if not self._take_token():
            return
        reach("soft-limit.decided")
        _raise_in(self.thread_id, TimeLimitExceeded)
        self._raised = True

    def close(self) -> None:
        """End the watch, in the job's thread: once this has returned, or raised the error, none comes."""
        reach("soft-limit.closing")
        if self._take_token():
            return
        while not self._raised and os.getpid() == self._pid:  # in a fork nobody is left who would raise it
            time.sleep(0.0001)  # it is on its way, and comes here
        # Python looks for it at nearly every step, so there should be nothing left; only `should`, though.
        _raise_in(self.thread_id, None)

    def _take_token(self) -> bool:
        try:
            self._token.pop()
        except IndexError:
            return False
        return True


class Watchdog:
    """Watches the runs of one process that have a limit. Its thread begins with the first of them."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._watches: dict[int, _Watch] = {}
        self._looks_at = math.inf
        self._thread: threading.Thread | None = None

    def run(self, seconds: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the function returns. Raises TimeLimitExceeded in it after so many seconds.

        A run inside a run that is watched has no limit of its own: one error at a time.
        """
        thread_id = threading.get_ident()
        if thread_id in self._watches:
            return function(*args, **kwargs)
        watch = _Watch(thread_id, seconds)
        try:
            self._add(watch)
            return function(*args, **kwargs)
        finally:
            self._watches.pop(thread_id, None)
            watch.close()

    def _add(self, watch: _Watch) -> None:
        with self._condition:
            self._watches[watch.thread_id] = watch
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="podwork-watchdog", daemon=True)
                self._thread.start()
            elif watch.due_at < self._looks_at:
                self._condition.notify()

    def _watch(self) -> None:
        with self._condition:
            while True:
                self._look(time.monotonic())
                self._looks_at = min((watch.due_at for watch in self._all()), default=math.inf)
                pause_seconds = max(0.0, self._looks_at - time.monotonic())
                self._condition.wait(None if math.isinf(pause_seconds) else pause_seconds)

    def _look(self, now: float) -> None:
        for watch in self._all():
            if watch.due_at <= now and self._watches.pop(watch.thread_id, None) is watch:
                watch.fire()

    def _all(self) -> list[_Watch]:
        return list(self._watches.values())


def _raise_in(thread_id: int, error: type[BaseException] | None) -> None:
    """Have the thread raise the error before its next bytecode; None: take away one that has not come yet."""
    raised = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), raised)


WATCHDOG: Final = Watchdog()
"""The process's own; threads and their errors belong to a process as a whole."""
# A fork takes the object along, but not the thread; and the lock as it happens to stand.
os.register_at_fork(after_in_child=WATCHDOG.__init__)  # type: ignore[misc]  # made anew on purpose
