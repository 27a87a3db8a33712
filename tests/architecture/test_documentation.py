"""The documents made from the code's tables are current, and the written ones lead somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest

from podwork import settings
from podwork_ops import docs
from podwork_ops.cli.main import cli
from podwork_ops.errors import ExitCode
from podwork_ops.metrics.table import WORKER_METRICS
from tests.architecture.sources import ROOT, repository_files

DOCS = ROOT / "ops" / "docs"
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
PATH_IN_TEXT = re.compile(
    r"`((?:platform|pods|migrations_runner|ops|tests)/[\w./-]+\.(?:py|lua|md|toml|service))`"
)
COMMAND = re.compile(r"podctl ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?(?=[ `\n])")
WRITTEN = tuple(sorted(path.name for path in DOCS.glob("*.md") if path.name not in docs.DOCUMENTS))


@pytest.mark.parametrize("name", docs.DOCUMENTS)
def test_a_made_document_is_current(name: str) -> None:
    assert (DOCS / name).read_text() == docs.DOCUMENTS[name](), "run: python -m podwork_ops.docs"


def test_every_setting_is_documented() -> None:
    text = (DOCS / "settings.md").read_text()
    rows = settings.table()
    assert rows
    assert [row.key for row in rows if f"`{row.key}`" not in text or f"`{row.environment}`" not in text] == []


def test_every_metric_is_documented() -> None:
    text = (DOCS / "metrics.md").read_text()
    assert [row.full_name for row in WORKER_METRICS if f"`{row.full_name}`" not in text] == []


def test_every_exit_code_is_documented() -> None:
    text = (DOCS / "exit-codes.md").read_text()
    assert [code for code in ExitCode if f"| {code.value} |" not in text] == []


@pytest.mark.parametrize("name", WRITTEN)
def test_a_written_document_is_there_and_in_the_index(name: str) -> None:
    assert (DOCS / name).is_file()
    assert name == "README.md" or f"({name})" in (DOCS / "README.md").read_text()


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = [name for names in project["project"]["optional-dependencies"].values() for name in names]
    named = [*project["project"]["dependencies"], *extras, *project["dependency-groups"]["dev"]]
    names = {re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in named} - {"podwork"}
    names |= {re.split(r"[<>=]", name)[0] for name in project["build-system"]["requires"]}
    rows = [
        line.split("|")[1] for line in (ROOT / "CONTRIBUTING.md").read_text().splitlines() if line[:1] == "|"
    ]
    reasoned = {name for row in rows for name in re.findall(r"[A-Za-z][\w-]+", re.sub(r"\(.*", "", row))}
    assert sorted(names - reasoned) == []


def _markdown() -> list[Path]:
    return [path for path in repository_files() if path.suffix == ".md"]


def test_every_command_in_a_document_exists() -> None:
    root = click.Context(cli)
    wrong = []
    for path in _markdown():
        for noun, verb in COMMAND.findall(path.read_text()):
            command = cli.get_command(root, noun)
            if isinstance(command, click.Group) and verb:
                command = command.get_command(root, verb)
            if command is None:
                wrong.append(f"{path.relative_to(ROOT)}: podctl {noun} {verb}")
    assert wrong == []


def test_no_link_is_dead() -> None:
    dead = [
        f"{path.relative_to(ROOT)} -> {target}"
        for path in _markdown()
        for target in LINK.findall(path.read_text())
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert dead == []


def test_no_document_names_a_file_that_is_gone() -> None:
    gone = [
        f"{path.relative_to(ROOT)} -> {named}"
        for path in _markdown()
        for named in PATH_IN_TEXT.findall(path.read_text())
        if not (ROOT / named).exists()
    ]
    assert gone == []
