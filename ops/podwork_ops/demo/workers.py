"""The demo's workers: `podctl workers` as processes of their own, as an operator starts them.

Owns: starting, killing and stopping them, and noticing that one ended by itself. Promises: each worker
is a process group, so that a kill takes the supervisor and its children at once, as the loss of a
machine would; `close` leaves none behind, nor does the end of this process, however it ends (a guardian
sees to it). Leaves to others: what they do (`podwork.worker`).
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from podwork_ops.demo.errors import WorkerEnded
from podwork_ops.demo.jobs import BRAKES
from podwork_ops.local.guardian import Guardian
from podwork_ops.local.process import mark_of

APP = "podwork_ops.demo.jobs:app"
PODCTL = [sys.executable, "-m", "podwork_ops.cli"]
# A short lease makes the reclaim after the kill come soon.
SETTINGS = {"PODWORK_WORKER_PROCESSES": "1", "PODWORK_WORKER_LEASE_SECONDS": "5"}
# A thread in a job waits for MariaDB half of its time; SQLite never lets two of a shard's threads write.
THREADS = {"embedded": 1, "served": 4}
# The first TERM drains, the second gives back at once.
STOP_TRIES = 2
STOP_SECONDS = 6.0


class WorkerProcess:
    """One `podctl workers --pod N`."""

    def __init__(self, pod_id: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.pod_id = pod_id
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """The supervisor's pid, which is also its process group."""
        return self._process.pid

    def check(self) -> None:
        """Raise `WorkerEnded` if it is not running any more."""
        code = self._process.poll()
        if code is not None:
            raise WorkerEnded(self.pod_id, code, self.log, _last_line(self.log))

    def kill(self) -> None:
        """Kill what is there of the supervisor and its children (SIGKILL), and wait for the supervisor."""
        self._signal_group(signal.SIGKILL)
        self._process.wait()

    def restart(self) -> None:
        """Have it replace its children one by one, as a deployment does (HUP to the supervisor)."""
        self._process.send_signal(signal.SIGHUP)

    def ask_to_stop(self) -> None:
        """Have it drain and end, as an operator does (TERM to the supervisor alone)."""
        if self._process.poll() is None:
            self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait for its end until the (monotonic) deadline at most."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # gone; on macOS a zombie refuses
            os.killpg(self.pid, number)


class Workers:
    """All workers of the demo, one per pod."""

    def __init__(self, config: Path, logs: Path, form: str) -> None:
        """Start no worker yet.

        Args:
            config: the stack's settings file.
            logs: the folder for the workers' logs.
            form: what the stack is made of, `embedded` or `served`.
        """
        self._config = config
        self._logs = logs
        self.threads = THREADS[form]
        """How many jobs of a pod run at once."""
        threads = {"PODWORK_WORKER_THREADS": str(self.threads)}
        self._environment = {**_without_podwork(os.environ), **SETTINGS, **threads, BRAKES: str(logs)}
        self._guardian = Guardian()
        self._number = itertools.count(1)
        self._by_pod: dict[int, WorkerProcess] = {}

    def start(self, pod_id: int) -> WorkerProcess:
        """Start the pod's worker; one that was there before must have been killed."""
        log = self._logs / f"worker-{next(self._number)}-pod-{pod_id}.log"
        command = [*PODCTL, "workers", "--config", str(self._config), "--pod", str(pod_id), "--app", APP]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own; and Ctrl-C reaches it only through the demo
            )
        mark = mark_of(process.pid)
        if mark is not None:
            self._guardian.watch(mark)
        self._by_pod[pod_id] = WorkerProcess(pod_id, process, log)
        return self._by_pod[pod_id]

    def of(self, pod_id: int) -> WorkerProcess:
        """Return the pod's present worker."""
        return self._by_pod[pod_id]

    def check(self) -> None:
        """Raise `WorkerEnded` if one of them ended by itself."""
        for worker in self._by_pod.values():
            worker.check()

    def close(self) -> None:
        """Stop them all side by side; what does not stop when asked is killed."""
        for _ in range(STOP_TRIES):
            deadline = time.monotonic() + STOP_SECONDS
            for worker in self._by_pod.values():
                worker.ask_to_stop()
            for worker in self._by_pod.values():
                worker.wait(deadline)
        for worker in self._by_pod.values():
            worker.kill()
        self._by_pod.clear()
        self._guardian.close()


def _without_podwork(environment: os._Environ[str]) -> dict[str, str]:
    """Leave out the operator's own settings: the demo must not depend on them."""
    return {name: value for name, value in environment.items() if not name.startswith("PODWORK_")}


def _last_line(log: Path) -> str:
    with suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "nothing in its log")
    return "no log"
