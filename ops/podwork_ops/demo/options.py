"""What `podctl demo` was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KEPT_DIRECTORY = Path(".podwork-demo")


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The command's options.

    Attributes:
        pods: how many pods to start.
        limit: only the first so many baskets of the input; None: all of them.
        keep: leave the stack up at the end, and say how to look at it and take it down.
        served: private MariaDB, Redis and ZooKeeper servers, instead of SQLite and Valkey.
        directory: the stack's folder; None: a temporary one, or with `keep` `.podwork-demo` here.
        json: the result as JSON on standard output, everything else on standard error.
    """

    pods: int = 3
    limit: int | None = None
    keep: bool = False
    served: bool = False
    directory: Path | None = None
    json: bool = False

    @property
    def form(self) -> str:
        """What the stack is made of, in a word."""
        return "served" if self.served else "embedded"
