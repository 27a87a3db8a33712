"""A child as its supervisor sees it: the process, its channel, and what it last said.

Owns: the fork. It happens in the supervisor's main thread, with signals blocked and `fork_gate` held. The
composition root runs one more thread there (the metrics endpoint), and a fork copies locks as other threads
hold them, without the threads: whoever runs a thread beside the supervisor holds `fork_gate` while that
thread works, so that at a fork it stands in `accept`, holding nothing. What the interpreter and `logging`
lock for themselves they set right in the child. The child closes every other child's pipe: a copy of the
supervisor's end kept there would hide the supervisor's death from its siblings.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from podwork.worker import signals
from podwork.worker.channel import (
    Beat,
    Channel,
    Command,
    Drain,
    Dump,
    GiveBack,
    Ready,
    Report,
    channel_pair,
)
from podwork.worker.child import live
from podwork.worker.life import EXITS
from podwork.worker.spec import ChildHealth, WorkerSpec

SLACK_SECONDS: Final = 5.0
"""What a child has on top of its drain time, for saying good-bye, before it is killed."""

fork_gate = threading.RLock()


class Offspring:
    """One child, from fork to reaping."""

    def __init__(self, pid: int, channel: Channel[Report]) -> None:
        self.pid = pid
        self.channel = channel
        self.born_at = time.monotonic()
        self.beat_at = self.born_at
        self.ready = False
        self.counts = True
        """Whether it is one of the wanted children; not while its successor boots, or after it has one."""
        self.leaving = False
        self.kill_at: float | None = None
        self.killed = False
        self.busy = 0
        self.claims_ok = False
        self.rss_bytes = 0
        self.fatal: str | None = None
        self.status: int | None = None

    def tell(self, command: Command) -> None:
        """Send a command; a child that does not read any more is dealt with by its deadline."""
        self.channel.send(command)

    def drain(self, drain_seconds: float) -> None:
        """Tell it to drain; it is killed when it does not end in time."""
        self._leave(Drain(), drain_seconds + SLACK_SECONDS)

    def give_back(self) -> None:
        """Tell it to give back at once; it is killed when it does not end in time."""
        self._leave(GiveBack(), SLACK_SECONDS)

    def goes(self, drain_seconds: float) -> None:
        """Take note that it ends by itself; it does not count any more, so that its successor starts now."""
        self.counts = False
        self._leave(None, drain_seconds + SLACK_SECONDS)

    def dump(self) -> None:
        """Make it write the stacks of its threads to standard error, even if its main thread is stuck."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR1)
        self.tell(Dump())

    def enforce(self, now: float) -> bool:
        """Kill it if its time is over; answer whether it was killed just now."""
        if self.kill_at is None or now < self.kill_at or self.killed:
            return False
        self.killed = True
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return True

    def heard(self, report: Ready | Beat) -> None:
        """Take in what it said of itself."""
        self.beat_at = time.monotonic()
        match report:
            case Ready():
                self.ready = True
            case Beat():
                self.busy, self.claims_ok, self.rss_bytes = report.busy, report.claims_ok, report.rss_bytes

    def reap(self) -> bool:
        """Answer whether the process has ended; its status is then known."""
        if self.status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else reaped it
                pid, status = self.pid, 0
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def health(self) -> ChildHealth:
        """Return what is known of it."""
        age_seconds = time.monotonic() - self.beat_at
        return ChildHealth(self.pid, age_seconds, self.busy, self.claims_ok, self.ready)

    def describe_end(self) -> str:
        """Return how it ended, in words."""
        status = self.status or 0
        if status < 0:
            return f"killed by {signal.Signals(-status).name}"
        return EXITS.get(status, f"exit code {status}")

    def _leave(self, command: Command | None, seconds: float) -> None:
        kill_at = time.monotonic() + seconds
        self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)
        self.leaving = True
        if command is not None:
            self.tell(command)


def give_birth(spec: WorkerSpec, forget: Callable[[], None]) -> Offspring:
    """Fork a child; `forget` closes in the child what belongs to the supervisor."""
    ours, theirs = channel_pair()
    with fork_gate, signals.blocked(), warnings.catch_warnings():
        # Python 3.12 warns of a fork beside other threads; the module says above why this one is safe.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        sys.stdout.flush()  # otherwise the child may write it once more
        sys.stderr.flush()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            forget()
            ours.close()
            live(spec, theirs)
    theirs.close()
    return Offspring(pid, ours)


def bury_strangers(known: Collection[int]) -> None:
    """Reap what has ended here and is no child of ours; for the first process of a container.

    The job processes of a child that was killed come to it, and would stay in its table of processes.
    """
    with suppress(ChildProcessError):  # there is nobody at all
        while True:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or found.si_pid in known:
                return  # one of ours is reaped by who waits for its status; then the others' turn comes
            os.waitpid(found.si_pid, 0)
