"""Processes that are movers: forked on demand from one that has imported everything, paused, killed, late.

This module is also the program: `python -m tests.support.move_nursery CONFIG FOLDER` forks a child for each
file `*.wanted` in the folder; the child takes a turn of a move and writes how it ended into `*.ended`.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from podwork import points
from podwork.settings import load
from podwork_ops.composition import open_platform
from podwork_pods.mover import runbook
from podwork_pods.mover.joined import served_rows  # noqa: F401 - before the fork
from podwork_pods.mover.joined.crossings import Crossings
from podwork_pods.mover.mover import Mover
from podwork_pods.mover.moves import Moves
from tests.support import trading_shop
from tests.support.pause import POLL_SECONDS, Point, Stop, stopping_hook
from tests.support.processes import ManagedProcess, Processes
from tests.support.wait import until

_LOG = "rows.event"


class MoverProcess(NamedTuple):
    """A mover in a process of its own."""

    nursery: ManagedProcess
    folder: Path
    name: str
    label: str

    def wait_at_point(self, timeout_seconds: float = 60.0) -> Stop | None:
        """Wait until it stands at its point; None: it ended without reaching it."""
        report = self.folder / self.name / f"{self.label}.reached"
        until(lambda: report.exists() or self._ended.exists(), timeout_seconds, str(self))
        if not report.exists():
            return None
        return Stop(int(report.read_text()), self.folder / self.name / f"{self.label}.go")

    def ended(self, timeout_seconds: float = 60.0) -> dict[str, Any]:
        """Wait for its end: `ending`, `state`, `reason`, and the `points` that it has passed."""
        until(self._ended.exists, timeout_seconds, f"the end of {self}")
        found: dict[str, Any] = json.loads(self._ended.read_text())
        assert "raised" not in found, f"{found['raised']}\n{self}"
        return found

    def has_ended(self) -> bool:
        """Whether it has come to its end by itself."""
        return self._ended.exists()

    @property
    def _ended(self) -> Path:
        return self.folder / f"{self.name}.ended"

    def __str__(self) -> str:
        return f"mover {self.name} ({self.label}): {self.nursery.stderr[-3000:]}"


class Nursery:
    """Starts movers."""

    def __init__(self, processes: Processes, config: Path, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._process = processes.python("-m", "tests.support.move_nursery", str(config), str(folder))
        self._numbers = itertools.count(1)

    def start(self, move_id: int, stop: Point | None = None) -> MoverProcess:
        """Start a mover of the move that stops at the point."""
        name = f"mover-{next(self._numbers)}"
        (self._folder / name).mkdir()
        label = stop.label if stop is not None else ""
        draft = self._folder / f"{name}.draft"
        draft.write_text(json.dumps({"move": move_id, "name": name, "stop": label}))
        draft.rename(self._folder / f"{name}.wanted")
        return MoverProcess(self._process, self._folder, name, label)


def serve(config: Path, folder: Path) -> None:
    """Fork a mover for each file, until the folder is gone."""
    while folder.exists():
        for wanted in sorted(folder.glob("*.wanted")):
            asked = json.loads(wanted.read_text())
            wanted.unlink()
            if os.fork() == 0:
                _run(config, folder, asked)
        with suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        time.sleep(POLL_SECONDS)


def _run(config: Path, folder: Path, asked: dict[str, Any]) -> None:
    passed: list[str] = []
    stops: Sequence[Point] = [Point.parse(asked["stop"])] if asked["stop"] else []
    stop_at = stopping_hook(folder / asked["name"], stops)
    main = threading.main_thread()

    def hook(name: str) -> None:
        if name == _LOG:  # there are many
            stop_at(name)
        elif threading.current_thread() is main:
            passed.append(name)
            stop_at(name)

    points.install(hook)
    try:
        told = _take_turn(config, asked)
    except BaseException:
        told = {"raised": traceback.format_exc()}
    told["points"] = passed
    draft = folder / f"{asked['name']}.telling"
    draft.write_text(json.dumps(told))
    draft.rename(folder / f"{asked['name']}.ended")
    os._exit(0)


def _take_turn(config: Path, asked: dict[str, Any]) -> dict[str, Any]:
    vars(runbook)["AGAIN_SECONDS"] = (0.0, 0.0)  # no test waits for the next try
    settings = load(file=config, environment={}).settings
    with open_platform(settings) as platform:
        platform.bind(trading_shop.app)
        small_rows = settings.moves.small_rows
        crossings = Crossings(platform.topology, trading_shop.tables, small_rows=small_rows)
        try:
            turn = Mover(Moves(platform.directory), crossings, asked["name"]).turn(asked["move"])
        finally:
            crossings.close()
    return {"ending": turn.ending, "state": turn.state, "reason": turn.reason}


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
