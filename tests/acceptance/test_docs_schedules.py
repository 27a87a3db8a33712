"""The guide to schedules is one program: its files, its commands and its script run as they are written."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fleets import taken_down
from tests.support.processes import PODCTL, REPOSITORY, Completed, ManagedProcess, Processes
from tests.support.wait import until

GUIDE = (REPOSITORY / "ops" / "docs" / "schedules.md").read_text(encoding="utf-8")


def blocks(mark: str) -> str:
    """Return the fenced blocks that follow `<!-- mark -->`, one after the other."""
    found = re.findall(rf"<!-- {re.escape(mark)} -->\n```\w*\n(.*?)```", GUIDE, re.DOTALL)
    assert found, f"the guide has no block marked {mark!r}"
    return "\n\n".join(textwrap.dedent(block) for block in found)


def test_every_block_of_code_is_marked() -> None:
    marked = re.findall(r"<!-- [^>]+ -->\n```(python|toml)\n", GUIDE)
    assert len(marked) == len(re.findall(r"^```(?:python|toml)$", GUIDE, re.MULTILINE))


class Terminal:
    """Runs the guide's lines in one folder."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        self._processes = processes
        self._folder = folder
        self._environment = {"PODWORK_LOG_LEVEL": "info"}

    def start(self, *command: str) -> ManagedProcess:
        return self._processes.start(
            sys.executable, *command, environment=self._environment, cwd=self._folder
        )

    def podctl(self, line: str) -> ManagedProcess:
        return self.start(*PODCTL, *shlex.split(line, comments=True)[1:])

    def run(self, line: str) -> Completed:
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            self._environment[name] = value
            return Completed(0, "", "")
        done = self.podctl(line).wait(60)
        assert done.code == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture
def folder(tmp_path: Path, processes: Processes) -> Iterator[Path]:
    """An empty folder; whatever stack is brought up in it is taken down."""
    folder = tmp_path / "guide"
    folder.mkdir()
    with taken_down(folder / ".podwork", processes):
        yield folder


@pytest.mark.timeout(180)
@pytest.mark.slow
def test_the_guide_runs(processes: Processes, folder: Path) -> None:
    for name in ("shop.py", "schedules.toml"):
        (folder / name).write_text(blocks(f"file: {name}"), encoding="utf-8")
    terminal = Terminal(processes, folder)
    *lines, last = blocks("run").splitlines()
    for line in lines:
        terminal.run(line)
    worker = terminal.podctl(last)
    until(lambda: worker.stdout.count("heartbeat\n") >= 2, 40, f"the schedule in code: {worker}")
    until(lambda: worker.stdout.count("report quick\n") >= 2, 40, f"the schedule in the file: {worker}")

    shown = {line: terminal.run(line).stdout for line in blocks("look").splitlines()}
    listed = shown["podctl schedules list"]
    for name in ("nightly-report", "heartbeat", "stock-count", "stock-report", "quick-report", "reminders"):
        assert name in listed
    assert "Yesterday's sales, for finance" in shown["podctl schedules get nightly-report"]
    until(lambda: "remind 42\n" in worker.stdout, 40, f"one job for each shop: {worker}")

    done = terminal.start("-c", blocks("python")).wait(60)
    assert done.code == 0, done.stderr
    assert "nightly-report At 03:00 every day, America/Toronto" in done.stdout
    until(lambda: "report full\n" in worker.stdout, 40, f"run by hand: {worker}")
    worker.signal(signal.SIGTERM)
    assert worker.wait(40).code == 0


def test_a_mistake_in_the_file_keeps_the_worker_from_starting(processes: Processes, folder: Path) -> None:
    (folder / "shop.py").write_text(blocks("file: shop.py"), encoding="utf-8")
    wrong = blocks("file: schedules.toml").replace("Europe/Berlin", "Europe/Berlim")
    (folder / "schedules.toml").write_text(wrong, encoding="utf-8")
    terminal = Terminal(processes, folder)
    *lines, last = blocks("run").splitlines()
    for line in lines:
        terminal.run(line)
    refused = terminal.podctl(last).wait(40)
    assert refused.code == 2
    assert refused.stderr.count(os.linesep) == 1
    assert (
        "schedules.toml: schedules.stock-report.zone: there is no time zone 'Europe/Berlim'" in refused.stderr
    )
