"""Processes under test: started with a clean environment, their output in files, never left behind."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from podwork_ops.local.process import mark_of
from tests.support.wait import until

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = [REPOSITORY / name for name in ("platform", "pods", "migrations_runner", "ops")]
PODCTL = ("-m", "podwork_ops.cli")
PROC = Path("/proc")


class Completed(NamedTuple):
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str


class ManagedProcess:
    """A process in a session of its own, so that it can be ended with everything that it forked."""

    def __init__(
        self, command: Sequence[str], folder: Path, cwd: Path, environment: Mapping[str, str]
    ) -> None:
        folder.mkdir(parents=True)
        self._stdout = folder / "stdout"
        self._stderr = folder / "stderr"
        self._command = command
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self._popen = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its pid."""
        return self._popen.pid

    @property
    def stdout(self) -> str:
        """What it has written to standard output so far."""
        return self._stdout.read_text(encoding="utf-8", errors="replace")

    @property
    def stderr(self) -> str:
        """What it has written to standard error so far."""
        return self._stderr.read_text(encoding="utf-8", errors="replace")

    def is_running(self) -> bool:
        """Tell whether it has not ended yet."""
        return self._popen.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal (to it alone, not to what it forked)."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """Kill it alone (SIGKILL) and wait until it is gone: what it forked lives on."""
        self._popen.kill()
        self._popen.wait()

    def wait(self, timeout_seconds: float = 30.0) -> Completed:
        """Wait for its end. Raises AssertionError with its output if that does not come."""
        try:
            code = self._popen.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_seconds:g} s: {self}") from None
        return Completed(code, self.stdout, self.stderr)

    def wait_for_output(self, text: str, timeout_seconds: float = 30.0) -> None:
        """Wait until the text stands in its output or errors; fails at once if it ends without it."""

        def found() -> bool:
            ended = not self.is_running()
            if text in self.stdout or text in self.stderr:
                return True
            assert not ended, f"ended without writing {text!r}: {self}"
            return False

        until(found, timeout_seconds, f"{text!r} in the output of {self}")

    def end(self) -> None:
        """Kill it with everything that it forked, and wait until nothing of it can act any more."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except PermissionError:  # macOS: only zombies are left in the group
            pass
        self._popen.wait()
        until(self._is_last, 10.0, f"what it forked is gone: {self}")

    def _is_last(self) -> bool:
        """Kill what is left of its session (what a job forks has a group of its own); True: nothing was."""
        pids = [int(path.name) for path in PROC.glob("[0-9]*")]  # none on macOS
        left = [pid for pid in pids if self._is_of_session(pid)]
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    def _is_of_session(self, pid: int) -> bool:
        with suppress(ProcessLookupError):
            return os.getsid(pid) == self.pid and mark_of(pid) is not None
        return False

    def __str__(self) -> str:
        return f"{' '.join(self._command[1:])}\nstdout: {self.stdout[-4000:]}\nstderr: {self.stderr[-4000:]}"


class Processes:
    """Starts processes and ends them all at the end of the test."""

    def __init__(self, folder: Path, cwd: Path | None = None) -> None:
        self.folder = folder
        self.cwd = cwd or folder
        self._all: list[ManagedProcess] = []
        self._numbers = itertools.count(1)

    def start(
        self, *command: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> ManagedProcess:
        """Start any command."""
        process = ManagedProcess(
            command,
            self.folder / f"process-{next(self._numbers)}",
            cwd or self.cwd,
            {**clean_environment(), **(environment or {})},
        )
        self._all.append(process)
        return process

    def python(self, *arguments: str, environment: Mapping[str, str] | None = None) -> ManagedProcess:
        """Start this Python with arguments such as `-c`, code."""
        return self.start(sys.executable, *arguments, environment=environment)

    def podctl(self, *arguments: str, environment: Mapping[str, str] | None = None) -> ManagedProcess:
        """Start podctl and let it run."""
        return self.python(*PODCTL, *arguments, environment=environment)

    def run_podctl(
        self, *arguments: str, environment: Mapping[str, str] | None = None, timeout_seconds: float = 60.0
    ) -> Completed:
        """Run podctl to its end."""
        return self.podctl(*arguments, environment=environment).wait(timeout_seconds)

    def end(self) -> None:
        """End what is still there; may be called again."""
        while self._all:
            self._all[0].end()
            del self._all[0]  # only now: what did not end is tried again


def importable(folder: Path) -> dict[str, str]:
    """Return the environment in which the folder's modules can be imported beside the sources."""
    return {"PYTHONPATH": os.pathsep.join([str(folder), clean_environment()["PYTHONPATH"]])}


def clean_environment() -> dict[str, str]:
    """Return this process's environment without podwork's settings and with the sources importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PODWORK_")}
    kept["PYTHONPATH"] = os.pathsep.join(str(root) for root in [*SOURCE_ROOTS, REPOSITORY])
    kept["PYTHONUNBUFFERED"] = "1"
    return kept
