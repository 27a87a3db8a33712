"""What can go wrong with the private servers of one machine, each with its remedy in the same line."""

from __future__ import annotations

from pathlib import Path

from podwork.errors import PodworkError


class LocalStackError(PodworkError):
    """Raised when the private servers of this machine cannot be what is asked; the root of such errors."""


class ServerMissing(LocalStackError):
    """Raised when a server's program is not installed."""

    def __init__(self, program: str, remedy: str) -> None:
        self.program = program
        super().__init__(f"{program} is not installed", remedy)


class ServerFailed(LocalStackError):
    """Raised when a server does not start, or starts and does not answer."""

    def __init__(self, name: str, why: str, log: Path) -> None:
        self.name = name
        self.why = why
        self.log = log
        super().__init__(f"{name} did not start: {why}", f"see {log}")


class StackUnusable(LocalStackError):
    """Raised when a stack's folder does not fit what is asked of it."""
