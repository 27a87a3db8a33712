"""A worker's processes: started on their cores, metered and killed as one."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from tests.benchmarks.harness import cores
from tests.benchmarks.harness.guard import guard
from tests.benchmarks.harness.trouble import Trouble

POLL_SECONDS = 0.01
EXIT_POLL_SECONDS = 0.002


class Tree:
    """A process and all that it forked."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        on: int | Iterable[int] = cores.WORKER,
    ) -> None:
        self._log = log
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                cores.pinned(command, on),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        guard(self._popen.pid)
        self._root = psutil.Process(self._popen.pid)

    def check(self) -> None:
        """Raise Trouble, with its last words, if it has ended."""
        if self._popen.poll() is not None:
            raise Trouble(f"the worker ended with {self._popen.returncode}: {self._last_words()}")

    def processes(self) -> list[psutil.Process]:
        """Return the processes that live, the first one first."""
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_seconds(self) -> float:
        """Return the processor time used so far, that of children which ended included."""
        total = 0.0
        for process in self.processes():
            try:
                total += sum(process.cpu_times()[:4])  # user, system, and both of the children that ended
            except psutil.NoSuchProcess:
                continue
        return total

    def peaks_bytes(self) -> list[int]:
        """Return the highest resident memory of each process that lives; shared pages count in each."""
        return [peak for process in self.processes() if (peak := _peak_bytes(process))]

    def exit_seconds(self, patience_seconds: float) -> float:
        """Ask it to end (SIGTERM), as a service manager does; return the seconds until it is gone.

        Raises Trouble: it has not gone, or not of itself.
        """
        began = time.monotonic()
        self._popen.terminate()
        while self._popen.poll() is None:  # Popen.wait looks only every 50 ms
            if time.monotonic() - began > patience_seconds:
                raise Trouble(f"the worker was still there {patience_seconds:g} s after TERM")
            time.sleep(EXIT_POLL_SECONDS)
        seconds = time.monotonic() - began
        if self._popen.returncode:
            raise Trouble(f"the worker ended with {self._popen.returncode} after TERM: {self._last_words()}")
        return seconds

    def kill(self) -> None:
        """Kill all of it at once (SIGKILL), and wait until it is gone."""
        doomed = self.processes()
        for process in doomed:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self._popen.wait()
        psutil.wait_procs(doomed, timeout=10)

    def _last_words(self) -> str:
        return " | ".join(self._log.read_text(errors="replace").strip().splitlines()[-3:])


def wait(
    predicate: Callable[[], object],
    worker: Tree,
    seconds: float,
    what: str,
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Wait until the predicate holds. Raises Trouble: the worker ended, or it took too long."""
    deadline = time.monotonic() + seconds
    while not predicate():
        worker.check()
        if time.monotonic() > deadline:
            raise Trouble(f"not within {seconds:g} s: {what}")
        time.sleep(poll_seconds)


def _peak_bytes(process: psutil.Process) -> int:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024
    except (OSError, StopIteration):
        pass
    try:
        return int(process.memory_info().rss)  # no peak on this system
    except psutil.NoSuchProcess:
        return 0
