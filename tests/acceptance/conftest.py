"""Fixtures of the acceptance tests: podctl, and a small embedded stack for it to work with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from podwork_ops.local.stack import LocalStack
from tests.acceptance.warm_podctl import WarmPodctl
from tests.support.processes import Completed, ManagedProcess, Processes

APP = "tests.acceptance.shop_for_cli:app"


class Podctl:
    """Runs podctl against one stack, as an operator would."""

    def __init__(self, warm: WarmPodctl, processes: Processes, config: Path) -> None:
        self._warm = warm
        self._processes = processes
        self.environment = {"PODWORK_CONFIG": str(config), "PODWORK_APP_TARGET": APP}

    def __call__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Completed:
        """Run a command to its end."""
        return self._warm.run(arguments, {**self.environment, **(environment or {})}, self._processes.cwd)

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> ManagedProcess:
        """Start a command in a new process and let it run."""
        return self._processes.podctl(*arguments, environment={**self.environment, **(environment or {})})

    def table(self, *arguments: str) -> list[str]:
        """Run a command that must succeed and return the lines of its output."""
        done = self(*arguments)
        assert done.code == 0, done
        return done.stdout.splitlines()

    def json(self, *arguments: str) -> Any:
        """Run a command that must succeed with -o json; its output must be one document."""
        done = self(*arguments, "-o", "json")
        assert done.code == 0, done
        return json.loads(done.stdout)

    def refused(self, code: int, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a command that must be refused with this code, one line and no output; return the line."""
        done = self(*arguments, environment=environment)
        assert done.code == code, done
        assert done.stdout == "", done
        lines = done.stderr.splitlines()
        assert len(lines) == 1, done
        assert lines[0].startswith("podctl: "), done
        assert " - " in lines[0], "no remedy"
        return lines[0]


@pytest.fixture(scope="session")
def warm_podctl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmPodctl]:
    """Podctl that starts at once; shared by all tests."""
    warm = WarmPodctl(tmp_path_factory.mktemp("podctl"))
    yield warm
    warm.close()


@pytest.fixture(scope="module")
def cli_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The settings file of an embedded stack of two pods."""
    folder = tmp_path_factory.mktemp("stack") / "stack"
    status = LocalStack.up(folder, 2, guarded=True)
    yield Path(status.config)
    LocalStack.down(folder, purge=True)


@pytest.fixture
def podctl(warm_podctl: WarmPodctl, processes: Processes, cli_stack: Path) -> Podctl:
    """Podctl on the embedded stack."""
    return Podctl(warm_podctl, processes, cli_stack)
