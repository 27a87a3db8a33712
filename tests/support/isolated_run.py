"""A worker of `tests.support.isolated_shop`: its child, hatchery and job processes, seen from outside."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.pause import PausingProcess, Point
from tests.support.processes import ManagedProcess
from tests.support.wait import until
from tests.support.worker_run import WorkerRun, is_alive


class IsolatedRun(WorkerRun):
    """As `WorkerRun`; workers run each job in a process of its own unless told otherwise."""

    program = "tests.support.isolated_shop"

    def start(self, **options: Any) -> ManagedProcess:
        """Start a worker and wait until its children are registered."""
        return super().start(**{"isolate": True, **options})

    def start_pausing(self, stops: Sequence[Point], **options: Any) -> PausingProcess:
        """Start a worker that stops at the named points."""
        return super().start_pausing(stops, **{"isolate": True, **options})

    def pid_of(self, job_id: str) -> int:
        """Return the pid of the process in which the job said that it runs."""
        return int(str(until(lambda: self.marks.hget("pids", job_id), message=f"pid of {job_id}")))


def children_of(pid: int) -> list[int]:
    """Return the living processes that the process forked (Linux)."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return [child for child in found if is_alive(child)]


def stop(pid: int) -> None:
    """Stop all threads of a process (SIGSTOP), and return when they stand (Linux)."""
    os.kill(pid, signal.SIGSTOP)

    def stands() -> bool:
        states = [
            task.read_text().rsplit(")", 1)[1].split()[0] for task in Path(f"/proc/{pid}/task").glob("*/stat")
        ]
        return set(states) == {"T"}

    until(stands, message=f"{pid} stands")
