"""The README's first job runs as it is written: its files, its commands, in its order."""

from __future__ import annotations

import re
import shlex
import signal
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from tests.support.fleets import taken_down
from tests.support.processes import PODCTL, REPOSITORY, Completed, ManagedProcess, Processes
from tests.support.wait import until

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
FIRST_JOB_LINES = 15


def marked_block(mark: str) -> str:
    """Return the fenced block that follows `<!-- mark -->`."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\w*\n(.*?)```", README, re.DOTALL)
    assert found, f"the README has no block marked {mark!r}"
    return textwrap.dedent(found[1])


class Terminal:
    """Runs the README's lines in one folder: `podctl`, `python` and `export`."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        self._processes = processes
        self._folder = folder
        self._environment: dict[str, str] = {}

    def start(self, line: str) -> ManagedProcess:
        program, *arguments = shlex.split(line, comments=True)
        command = {"podctl": [sys.executable, *PODCTL], "python": [sys.executable]}[program]
        return self._processes.start(*command, *arguments, environment=self._environment, cwd=self._folder)

    def run(self, line: str) -> Completed:
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            self._environment[name] = value
            return Completed(0, "", "")
        done = self.start(line).wait(60)
        assert done.code == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture
def folder(tmp_path: Path, processes: Processes) -> Iterator[Path]:
    """An empty folder; whatever stack is brought up in it is taken down."""
    folder = tmp_path / "first-job"
    folder.mkdir()
    with taken_down(folder / ".podwork", processes):
        yield folder


def greetings(folder: Path) -> list[tuple[int, str]]:
    """Return the rows that the job wrote, from whichever shard has them."""
    rows: list[tuple[int, str]] = []
    for shard in (folder / ".podwork").rglob("*.db"):
        engine = sqlalchemy.create_engine(f"sqlite:///{shard}")
        with engine.connect() as connection:
            if sqlalchemy.inspect(connection).has_table("greeting"):
                found = connection.execute(sqlalchemy.text("SELECT shop_id, name FROM greeting"))
                rows += [(shop_id, name) for shop_id, name in found]
        engine.dispose()
    return rows


def test_the_first_job_runs_as_written(processes: Processes, folder: Path) -> None:
    for name in ("shop.py", "send.py"):
        (folder / name).write_text(marked_block(f"file: {name}"), encoding="utf-8")
    terminal = Terminal(processes, folder)
    *lines, last = marked_block("run").splitlines()

    outputs = [terminal.run(line).stdout for line in lines]
    assert re.fullmatch(r"[0-9a-f]{21}-42\n", outputs[lines.index("python send.py")])
    assert " workers " in last
    worker = terminal.start(last)
    until(lambda: greetings(folder), 30, f"a row in shop 42's shard; {worker}")

    for line in marked_block("look").splitlines():
        terminal.run(line)
    worker.signal(signal.SIGINT)  # what Ctrl-C sends
    assert worker.wait(40).code == 0
    assert greetings(folder) == [(42, "Ada")]


def test_the_first_job_is_short() -> None:
    code = marked_block("file: shop.py") + marked_block("file: send.py")
    assert len([line for line in code.splitlines() if line.strip()]) <= FIRST_JOB_LINES


def test_the_two_commands_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake ([a-z-]+)", README + (REPOSITORY / "CONTRIBUTING.md").read_text()))
    assert {"demo", "test"} <= named
    assert [target for target in sorted(named) if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_it_begins_with_what_it_is_for_in_five_lines() -> None:
    _, text, *_ = README.split("\n\n")
    assert len(text.splitlines()) <= 5
