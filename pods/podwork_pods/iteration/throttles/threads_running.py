"""A throttle over how many statements the shard runs at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from podwork.iteration.throttle import Held, Surroundings, Throttle
from podwork_pods.iteration.throttles.limits import check_limit
from podwork_pods.iteration.throttles.server_status import global_status


@dataclass(frozen=True)
class ThreadsRunning(Throttle):
    """Holds a run back while the server runs more than `most` statements at once.

    It counts all that the server runs, the run's own and this question too. A database of SQLite has no
    such number, and is never held back by it.
    """

    most: int = 25

    name: ClassVar[str] = "threads_running"

    def __post_init__(self) -> None:
        check_limit(self.name, "most", self.most)

    def held(self, around: Surroundings) -> Held | None:
        """Ask the server for `Threads_running`."""
        if around.engine.dialect.name == "sqlite":
            return None
        with around.engine.connect() as connection:
            running = global_status(connection, "Threads_running")
        return Held(f"{self.name} {running}, limit {self.most}") if running > self.most else None
