"""Stopping a process at a named point of its code, so that a test can act exactly there.

The code under test says where it stands: `podwork.points.reach("claim.done")`. A test starts it with
`start_pausing(processes, [Point("claim.done", 2)], "-m", "podwork_ops.cli", "workers", ...)`. The first
process of the tree that reaches the point for its second time reports itself and blocks there. The test
waits for it with `wait_at`, and then kills it, freezes it, changes the world around it, or lets it go on.

Report and answer are files in a folder: they survive any kill and work for forked children too.
This module is also the program that runs inside: `python -m tests.support.pause FOLDER POINTS ...`.
For threads of the test's own process there is `hold`.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from podwork import points
from tests.support.processes import ManagedProcess, Processes
from tests.support.wait import until

POLL_SECONDS = 0.005


class Point(NamedTuple):
    """A point's name, and which time it is reached (counted per process) the process stops."""

    name: str
    occurrence: int = 1

    @property
    def label(self) -> str:
        """The point on the command line and as a file name."""
        return f"{self.name}@{self.occurrence}"

    @classmethod
    def parse(cls, label: str) -> Point:
        """Read a label."""
        name, _, occurrence = label.rpartition("@")
        return cls(name, int(occurrence))


class Stop(NamedTuple):
    """A process that stands at a point."""

    pid: int
    go: Path

    def go_on(self) -> None:
        """Let it continue."""
        self.go.touch()

    def kill(self) -> None:
        """Kill it there (SIGKILL)."""
        os.kill(self.pid, signal.SIGKILL)

    def freeze(self) -> None:
        """Stop all of its threads there (SIGSTOP): heartbeats too."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let its threads run again (SIGCONT); the one at the point stays there until `go_on`."""
        os.kill(self.pid, signal.SIGCONT)


class PausingProcess(NamedTuple):
    """A process under test with its points."""

    process: ManagedProcess
    folder: Path

    def wait_at(self, name: str, occurrence: int = 1, timeout_seconds: float = 40.0) -> Stop:
        """Wait until a process of the tree stands at the point."""
        label = Point(name, occurrence).label
        report = self.folder / f"{label}.reached"

        def reached() -> bool:
            ended = not self.process.is_running()
            if report.exists():
                return True
            assert not ended, f"ended before {label}: {self.process}"
            return False

        until(reached, timeout_seconds, f"{label} reached by {self.process}")
        return Stop(int(report.read_text()), self.folder / f"{label}.go")


def start_pausing(processes: Processes, stops: Sequence[Point], *arguments: str) -> PausingProcess:
    """Start `python ARGUMENTS` (`-m module ...` or `-c code ...`) so that it stops at the points."""
    folder = Path(processes.folder) / f"points-{time.monotonic_ns()}"
    folder.mkdir()
    labels = ",".join(stop.label for stop in stops)
    process = processes.python("-m", "tests.support.pause", str(folder), labels, *arguments)
    return PausingProcess(process, folder)


def stopping_hook(folder: Path, stops: Sequence[Point]) -> _Hook:
    """Return the hook that reports and blocks at the points."""
    return _Hook(folder, stops)


class _Hook:
    def __init__(self, folder: Path, stops: Sequence[Point]) -> None:
        self._folder = folder
        self._stops = set(stops)
        self._counts: Counter[tuple[int, str]] = Counter()
        self._counting = threading.Lock()

    def __call__(self, name: str) -> None:
        with self._counting:
            self._counts[os.getpid(), name] += 1
            here = Point(name, self._counts[os.getpid(), name])
        if here in self._stops and self._report(here):
            go = self._folder / f"{here.label}.go"
            # The folder goes with the test: nobody is left to say go on.
            while not go.exists() and self._folder.exists():
                time.sleep(POLL_SECONDS)

    def _report(self, here: Point) -> bool:
        """Report this process at the point; False if another one did before."""
        draft = self._folder / f"{here.label}.{os.getpid()}"
        draft.write_text(str(os.getpid()))
        try:
            os.link(draft, self._folder / f"{here.label}.reached")  # whole and at most once
        except FileExistsError:
            return False
        return True


class Hold:
    """A point at which a thread of this process is held."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._go = threading.Event()

    def wait_reached(self, timeout_seconds: float = 30.0) -> None:
        """Wait until a thread stands at the point."""
        assert self._reached.wait(timeout_seconds), "no thread reached the point"

    def go_on(self) -> None:
        """Let it continue, and later ones pass."""
        self._go.set()

    def arrive(self) -> None:
        """Called by the thread that reaches the point."""
        self._reached.set()
        assert self._go.wait(60), "nobody said go on"


@contextlib.contextmanager
def hold(name: str) -> Iterator[Hold]:
    """Hold threads of this process at the point while the block runs."""
    held = Hold()
    points.install(lambda reached: held.arrive() if reached == name else None)
    try:
        yield held
    finally:
        points.install(None)
        held.go_on()


def main() -> None:
    """Install the hook and become the program under test."""
    _, folder, labels, kind, program, *arguments = sys.argv
    points.install(stopping_hook(Path(folder), [Point.parse(label) for label in labels.split(",")]))
    if kind == "-m":
        sys.argv = [program, *arguments]
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *arguments]
        exec(compile(program, "<code under test>", "exec"), {"__name__": "__main__"})
    else:
        raise SystemExit(f"neither -m nor -c: {kind}")


if __name__ == "__main__":
    main()
