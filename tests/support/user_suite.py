"""A test suite as a user of podwork has it: files in a folder, run by a pytest of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.processes import Completed, Processes

# Where podwork is installed pytest knows the plugin by its name already; here it may not.
_OPTIONS = (
    "-p",
    "no:podwork",
    "-p",
    "podwork.testing.plugin",
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:valkey",
)


def write_suite(folder: Path, files: Mapping[str, str]) -> Path:
    """Write the files into a folder of their own, and return it."""
    suite = folder / "suite"
    suite.mkdir()
    for name, text in files.items():
        (suite / name).write_text(text, encoding="utf-8")
    return suite


def run_suite(processes: Processes, suite: Path, environment: Mapping[str, str] | None = None) -> Completed:
    """Run the suite to its end; warnings are errors."""
    processes.cwd = suite
    return processes.python("-m", "pytest", *_OPTIONS, "-W", "error", environment=environment).wait(60)
