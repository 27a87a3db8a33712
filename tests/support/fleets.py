"""Whole stacks for acceptance tests: servers, registered pods, settings file, and podctl to act on them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from podwork_ops.local.stack import LocalStack
from podwork_ops.local.state import ServerStatus, StackStatus
from tests.support.processes import Completed, ManagedProcess, Processes


class Fleet:
    """One stack."""

    def __init__(self, status: StackStatus, processes: Processes) -> None:
        self.status = status
        self.processes = processes

    @property
    def config(self) -> Path:
        """The settings file; a test may add to it."""
        return Path(self.status.config)

    def server(self, name: str) -> ServerStatus:
        """One of its servers by name, such as `valkey-1`, `redis-1`, `mariadb-1`, `zookeeper`."""
        return next(server for server in LocalStack.status(self.config.parent).servers if server.name == name)

    def podctl(self, *arguments: str) -> ManagedProcess:
        """Start podctl with the stack's settings and let it run (for `workers`)."""
        return self.processes.podctl(*arguments, environment={"PODWORK_CONFIG": str(self.config)})

    def run_podctl(self, *arguments: str, timeout_seconds: float = 60.0) -> Completed:
        """Run podctl with the stack's settings to its end."""
        return self.podctl(*arguments).wait(timeout_seconds)

    def mend(self) -> None:
        """Start again what was killed or stopped."""
        self.status = LocalStack.up(self.config.parent, served=self.status.form == "served", guarded=True)


StartFleet = Callable[..., Fleet]


@contextmanager
def taken_down(directory: Path, processes: Processes) -> Iterator[Path]:
    """Yield the folder; after the block end all processes, and then the stack that is up in it, if any."""
    try:
        yield directory
    finally:
        processes.end()  # first: a worker beside a stack that goes down complains, and writes
        LocalStack.down(directory, purge=True)


@contextmanager
def fleets(folder: Path, processes: Processes, served: bool) -> Iterator[StartFleet]:
    """Yield a function that starts a stack of so many pods; processes and stacks end with the block."""
    numbers = itertools.count(1)

    def start(pods: int = 2) -> Fleet:
        directory = stacks.enter_context(taken_down(folder / f"stack-{next(numbers)}", processes))
        return Fleet(LocalStack.up(directory, pods, served, guarded=True), processes)

    with ExitStack() as stacks:
        yield start
