"""What tests of operators' commands share: jobs that wait, workers that obey soon, a terminal, a pod down."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from podwork_ops.composition import connect
from podwork_pods import Pod
from podwork_pods.registry import open_registry
from tests.acceptance.conftest import Podctl
from tests.acceptance.shop_for_operators import app, collect, linger, sweep
from tests.support.processes import PODCTL, ManagedProcess, clean_environment
from tests.support.wait import until

TARGET = "tests.acceptance.shop_for_operators:app"
COLLECT = collect.name
SWEEP = sweep.name
DOWN_POD = 9


def operate(podctl: Podctl) -> Podctl:
    """Return podctl with the operators' application, whose workers hear an order within a second."""
    podctl.environment |= {"PODWORK_APP_TARGET": TARGET, "PODWORK_WORKER_LEASE_SECONDS": "3"}
    return podctl


def push(stack: Path, *, shops: dict[int, int] | None = None, sweeps: int = 0, pod: int = 1) -> None:
    """Push so many jobs for each shop, which lives on the pod then, and so many for the pod itself."""
    platform = connect(app, config=stack)
    try:
        platform.directory.assign_many(dict.fromkeys(shops or {}, pod))
        for shop_id, number in (shops or {}).items():
            for _ in range(number):
                collect.enqueue(shop_id=shop_id)
        for _ in range(sweeps):
            sweep.enqueue(pod=pod)
    finally:
        platform.close()


def push_lingering(stack: Path, until_file: Path, number: int = 1, pod: int = 1) -> None:
    """Push jobs that run until the file is there."""
    platform = connect(app, config=stack)
    for _ in range(number):
        linger.enqueue(str(until_file), pod=pod)
    platform.close()


def start_worker(podctl: Podctl, *options: str, pod: int = 1, revision: str = "one") -> ManagedProcess:
    """Start a worker, and return it when its children are registered."""
    environment = {"PODWORK_APP_REVISION": revision}
    worker = podctl.start("workers", "--pod", str(pod), "--threads", "2", *options, environment=environment)
    wanted = int(options[options.index("--processes") + 1]) if "--processes" in options else 1

    def registered() -> bool:
        listed = podctl.json("processes", "list", "--pod", str(pod))["processes"]
        return (
            len([row for row in listed if row["revision"] == revision and row["state"] == "live"]) == wanted
        )

    until(registered, 20, f"{wanted} processes on pod {pod}")
    return worker


@contextmanager
def a_pod_is_down(stack: Path) -> Iterator[int]:
    """Register a pod whose Redis nobody serves; its number is the last."""
    registry = open_registry(f"sqlite:///{stack.parent}/registry.db")
    registry.put(Pod(DOWN_POD, "sqlite:///nowhere.db", "redis://127.0.0.1:1/0"))
    try:
        yield DOWN_POD
    finally:
        registry.remove(DOWN_POD)
        registry.close()


class Terminal:
    """Podctl on a terminal of its own, 80 columns wide."""

    def __init__(self, podctl: Podctl, *arguments: str, lines: int = 24, columns: int = 80) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (lines, columns))
        self.before = termios.tcgetattr(theirs)
        self._process = subprocess.Popen(
            [sys.executable, *PODCTL, *arguments],
            env={**clean_environment(), **podctl.environment, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        self._theirs = theirs
        self.text = ""

    def interrupt(self) -> None:
        """Do as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def press(self, keys: str) -> None:
        """Type something."""
        os.write(self._ours, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until the text stands on the terminal."""
        until(lambda: text in self._read(), 20, f"{text!r} on the terminal: {self.text[-2000:]}")

    def end(self) -> int:
        """Wait for the end; return the code."""
        until(self._has_ended, 20, f"an end: {self.text[-2000:]}")
        self._read()
        return self._process.wait()

    @property
    def after(self) -> list[Any]:
        """The terminal's settings now."""
        return termios.tcgetattr(self._theirs)

    def close(self) -> None:
        """Give the terminal back, and end what still runs there."""
        self._process.kill()
        self._process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def _read(self) -> str:
        """Return all that was written so far."""
        while select.select([self._ours], [], [], 0)[0]:
            self.text += os.read(self._ours, 65_536).decode(errors="replace")
        return self.text

    def _has_ended(self) -> bool:
        self._read()  # it may wait for a reader
        return self._process.poll() is not None
