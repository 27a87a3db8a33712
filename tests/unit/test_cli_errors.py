"""The one table from errors to exit codes is complete, and every error is one line."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import click
import pytest
from sqlalchemy.exc import OperationalError

import podwork
import podwork_migrations
import podwork_ops
import podwork_pods
from podwork.errors import PodworkError, StoreUnavailable
from podwork_ops.cli import main
from podwork_ops.cli.failures import describe
from podwork_ops.errors import MEANINGS, ExitCode
from podwork_ops.exit_code_table import EXIT_CODES, exit_code


def modules() -> Iterator[str]:
    for package in (podwork, podwork_pods, podwork_migrations, podwork_ops):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield found.name


def tree(root: type[PodworkError]) -> Iterator[type[PodworkError]]:
    yield root
    for kind in root.__subclasses__():
        yield from tree(kind)


def test_every_error_has_its_own_row_and_every_row_its_error() -> None:
    for name in modules():
        importlib.import_module(name)
    kinds = {kind.__name__ for kind in tree(PodworkError) if kind.__module__.startswith("podwork")}
    assert kinds == set(EXIT_CODES)


def test_every_code_has_a_meaning() -> None:
    assert list(MEANINGS) == list(ExitCode)


def test_an_error_of_an_application_gets_its_ancestors_code() -> None:
    class OurOwn(StoreUnavailable):
        pass

    assert exit_code(OurOwn("r:1", "why")) is ExitCode.UNREACHABLE


def test_a_databases_error_is_one_line_without_statement_or_password() -> None:
    driver = OSError(2003, "cannot connect\nto mysql://app:hunter2@db")
    line, code = describe(OperationalError("SELECT secret", {}, driver))
    assert (line.count("\n"), code) == (0, ExitCode.UNREACHABLE)
    assert "hunter2" not in line
    assert "SELECT" not in line


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileNotFoundError(2, "No such file or directory", "pods.toml"), ExitCode.FAILED),
        (ValueError("of ours"), ExitCode.INTERNAL),
        (PodworkError("what", "remedy"), ExitCode.FAILED),
    ],
)
def test_every_other_error_has_a_sentence_and_a_code(error: Exception, code: ExitCode) -> None:
    line, found = describe(error)
    assert found is code
    assert " - " in line


@pytest.mark.parametrize(
    ("raised", "code"),
    [(KeyboardInterrupt, 130), (main.Terminated, 143), (click.Abort, 130), (EOFError, 130)],
)
def test_signals_end_with_their_codes_and_a_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: type[BaseException],
    code: int,
) -> None:
    def invoke(_: click.Context) -> None:
        raise raised

    monkeypatch.setattr(main.cli, "invoke", invoke)
    assert main.run(["config", "view"]) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_debug_shows_the_traceback_and_keeps_the_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def invoke(_: click.Context) -> None:
        raise ValueError("of ours")

    monkeypatch.setattr(main.cli, "invoke", invoke)
    assert main.run(["--debug", "config", "view"]) == ExitCode.INTERNAL
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1].startswith("podctl: internal error: ValueError: of ours")
