"""Signals as events of a select loop.

Owns: the handlers while the block runs. Promises: nothing but a byte in a pipe happens inside a handler
(the interpreter writes it, `signal.set_wakeup_fd`); what stood before is put back. A handler that does
nothing is installed also for signals that are to be ignored: unlike `SIG_IGN` it is not inherited by
programs that jobs start.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self


class SignalPipe:
    """Delivers the given signals through `read`; only in the main thread."""

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._numbers = tuple(numbers)
        self._before: dict[signal.Signals, Any] = {}
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._fd_before = -1

    def __enter__(self) -> Self:
        self._fd_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in self._numbers:
            self._before[number] = signal.signal(number, _nothing)
        return self

    def __exit__(self, *_exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._fd_before)
        self.close()

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._reader.fileno()

    def read(self) -> list[int]:
        """Return the signals that came since the last call, in order."""
        try:
            return list(self._reader.recv(4096))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Close the pipe without touching handlers (in a child, which has its own)."""
        self._reader.close()
        self._writer.close()


@contextmanager
def blocked() -> Iterator[None]:
    """Hold all signals back inside the block.

    Around a fork: a signal that reached the child before it had its own handlers would be written into the
    parent's pipe, where a copied TERM looks like the second one.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock() -> None:
    """Let all signals through (in a child that was forked inside `blocked`)."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def let_go_in_forks() -> None:
    """Give every signal its usual meaning again in the processes that jobs fork from now on.

    They would otherwise be deaf to TERM, and write what they get into the worker's pipe: a job that ends its
    own `multiprocessing` process would end the worker's child. Around the fork the forking thread holds
    signals back, so that none reaches the new process before its meaning.
    """
    before = threading.local()  # two threads may fork at once

    def hold() -> None:
        before.mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

    def go_on() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before.mask)

    def let_go() -> None:
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals():
            if signal.getsignal(number) is _nothing:
                signal.signal(number, signal.SIG_DFL)
        go_on()

    os.register_at_fork(before=hold, after_in_parent=go_on, after_in_child=let_go)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Let the wake-up descriptor speak."""
