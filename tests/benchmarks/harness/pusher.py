"""A contestant's client process: pushes on request, and says what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.harness import cores
from tests.benchmarks.harness.conversation import Conversation

PUSH_SECONDS = 120.0


class Pushed(NamedTuple):
    """What a request cost the client."""

    seconds: float
    cpu_seconds: float


class Pusher(Conversation):
    """A conversation with a client (`peers/protocol.py`), on the worker's core."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        super().__init__(command, environment, log, cores.WORKER)

    def single(self, job: str, count: int, argument: int | None = None) -> Pushed:
        """Push one by one, each awaited."""
        return self._ask(way="single", job=job, count=count, argument=argument)

    def bulk(self, job: str, count: int, argument: int | None = None) -> Pushed:
        """Push through the call for many, or one by one where the peer has none."""
        return self._ask(way="bulk", job=job, count=count, argument=argument)

    def paced(self, count: int, rate: float) -> Pushed:
        """Push stamped jobs, `rate` a second."""
        return self._ask(way="paced", job="stamp", count=count, rate=rate)

    def step_aside(self) -> None:
        """Leave the worker's core."""
        self.move(cores.ASIDE)

    def come_back(self) -> None:
        """Take the worker's core again, while no worker runs."""
        self.move(cores.WORKER)

    def _ask(self, **request: Any) -> Pushed:
        answer = self.ask(PUSH_SECONDS, **request)
        return Pushed(float(answer["seconds"]), float(answer["cpu_seconds"]))
