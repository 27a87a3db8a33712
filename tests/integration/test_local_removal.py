"""A folder is deleted although somebody still writes into it; a writer that does not end is named."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podwork_ops.local import removal
from podwork_ops.local.errors import StackUnusable
from podwork_ops.local.removal import remove
from tests.support.processes import Processes

# The worst moment to write: the folder has just been emptied, and is deleted next.
BeforeEachEnd = Callable[[Callable[[], None]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a stack"
    folder.mkdir()
    (folder / "shard-1.db").touch()
    return folder


@pytest.fixture
def before_each_end(monkeypatch: pytest.MonkeyPatch) -> BeforeEachEnd:
    """A function that has something done whenever a folder, empty by now, is about to be deleted."""

    def install(write: Callable[[], None]) -> None:
        really = os.rmdir

        def rmdir(*arguments: Any, **options: Any) -> None:
            write()
            really(*arguments, **options)

        monkeypatch.setattr(os, "rmdir", rmdir)

    return install


def test_who_knows_its_path_writes_into_it_no_more(folder: Path, before_each_end: BeforeEachEnd) -> None:
    refused: list[OSError] = []

    def write() -> None:
        try:
            (folder / "shard-1.db-journal").touch()
        except OSError as error:
            refused.append(error)

    before_each_end(write)
    remove(folder)
    assert [type(error) for error in refused] == [FileNotFoundError]
    assert list(folder.parent.iterdir()) == []


def test_what_is_made_at_its_path_meanwhile_stays(folder: Path, before_each_end: BeforeEachEnd) -> None:
    def write() -> None:
        folder.mkdir()
        (folder / "stack.json").touch()

    before_each_end(write)
    remove(folder)
    assert [path.name for path in folder.parent.rglob("*")] == [folder.name, "stack.json"]


def test_who_stands_in_it_may_write_for_a_while(folder: Path, before_each_end: BeforeEachEnd) -> None:
    inside = os.open(folder, os.O_RDONLY)
    left = ["first", "second", "third"]

    def write() -> None:
        if left:
            os.close(os.open(left.pop(), os.O_CREAT, dir_fd=inside))

    before_each_end(write)
    remove(folder)
    os.close(inside)
    assert left == []
    assert list(folder.parent.iterdir()) == []


def test_who_does_not_end_is_named(
    folder: Path, processes: Processes, before_each_end: BeforeEachEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import signal; print('here', flush=True); signal.pause()"
    writer = processes.start(sys.executable, "-c", code, cwd=folder)
    writer.wait_for_output("here")
    inside = os.open(folder, os.O_RDONLY)
    before_each_end(lambda: os.close(os.open("again", os.O_CREAT, dir_fd=inside)))
    monkeypatch.setattr(removal, "PATIENCE_SECONDS", 0.1)
    with pytest.raises(StackUnusable) as refused:
        remove(folder)
    os.close(inside)
    [left] = [path for path in folder.parent.iterdir() if path.name.startswith("a stack")]
    message = str(refused.value)
    assert re.search(rf"while process {writer.pid} \(.+\) writes into it - end it", message), message
    assert message.endswith(f"rm -r '{left}'")
    assert "\n" not in message


def test_none_there_is_nothing_to_do(tmp_path: Path) -> None:
    remove(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_renamed_is_deleted_where_it_stands(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(Path, "rename", refuse)
    remove(folder)
    assert list(folder.parent.iterdir()) == []


def test_one_that_may_not_be_deleted_is_said_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rmdir", refuse)
    with pytest.raises(StackUnusable, match=r"cannot be deleted: Permission denied - run it as the user"):
        remove(folder)
