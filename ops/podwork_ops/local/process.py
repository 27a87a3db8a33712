"""Processes known by pid and birth, so that a reused pid is never mistaken for ours.

Owns: recognising, watching and stopping processes that need not be our children (a stack outlives the
command that started it). Works on Linux from /proc, elsewhere from `ps`. Standard library only: the
guardian imports nothing else.
Promises: `stop` signals only a process whose birth matches; a zombie counts as gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

POLL_SECONDS = 0.02
_PROC = Path("/proc")
# Children of this process, kept so that `stop` can reap them; a stack's servers otherwise belong to init.
_children: dict[int, subprocess.Popen[bytes]] = {}


class ProcessMark(NamedTuple):
    """A process's pid and birth; together they name one process for as long as the machine is up."""

    pid: int
    born: str


def adopt(child: subprocess.Popen[bytes]) -> ProcessMark | None:
    """Return the mark of a child just started, or None if it is already gone."""
    _children[child.pid] = child
    return mark_of(child.pid)


def mark_of(pid: int) -> ProcessMark | None:
    """Return the mark of the process that has this pid now, or None if there is none but a zombie."""
    born = _born_from_proc(pid) if (_PROC / "self" / "stat").exists() else _born_from_ps(pid)
    return ProcessMark(pid, born) if born else None


def is_running(mark: ProcessMark) -> bool:
    """Tell whether that very process still runs (a stopped one does; a zombie does not)."""
    return mark_of(mark.pid) == mark


def stop(marks: Sequence[ProcessMark], grace_seconds: float = 15.0) -> list[ProcessMark]:
    """End the processes: TERM to all, KILL to those that are left after the grace.

    Returns:
        The marks that were running when asked.
    """
    running = [mark for mark in marks if _send(mark, signal.SIGTERM)]
    for mark in running:
        _send(mark, signal.SIGCONT)  # a process stopped by SIGSTOP would never see the TERM
    if not _wait_gone(running, grace_seconds):
        for mark in running:
            _send(mark, signal.SIGKILL)
        _wait_gone(running, grace_seconds)
    for mark in marks:
        if mark_of(mark.pid) is None:
            _reap(mark.pid)
    return running


def _wait_gone(marks: Sequence[ProcessMark], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(is_running(mark) for mark in marks):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _send(mark: ProcessMark, number: signal.Signals) -> bool:
    if not is_running(mark):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(mark.pid, number)
        return True
    return False


def _reap(pid: int) -> None:
    child = _children.pop(pid, None)
    if child is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=1)


def _born_from_proc(pid: int) -> str:
    try:
        # The name may hold blanks and brackets: the fields are counted from the last bracket.
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        state, *rest = fields.rpartition(")")[2].split()
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    return "" if state in "ZX" else f"{boot}:{rest[18]}"


def _born_from_ps(pid: int) -> str:
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    # One -o per column: after the sign of equality POSIX takes the rest of the argument as a heading.
    command = ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    state, _, born = answer.stdout.strip().partition(" ")
    return "" if not state or state[0] in "ZX" else " ".join(born.split())
