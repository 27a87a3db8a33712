"""A contestant's client process: pushes on request, and says what it cost."""

from __future__ import annotations

import json
import select
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.benchmarks.harness import cores
from tests.benchmarks.harness.trouble import Trouble

START_SECONDS, PUSH_SECONDS = 30.0, 120.0


class Pushed(NamedTuple):
    """What a request cost the client."""

    seconds: float
    cpu_seconds: float


class Pusher:
    """A conversation in JSON lines (`peers/protocol.py`); a context manager that ends the process."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                cores.pinned(command, cores.WORKER),
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                bufsize=1,
            )

    def __enter__(self) -> Self:
        self._hear(START_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._popen.kill()
        self._popen.communicate()

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
        cores.move(self._popen.pid, cores.ASIDE)

    def come_back(self) -> None:
        """Take the worker's core again, while no worker runs."""
        cores.move(self._popen.pid, cores.WORKER)

    def _ask(self, **request: Any) -> Pushed:
        assert self._popen.stdin is not None
        try:
            self._popen.stdin.write(json.dumps(request) + "\n")
        except OSError as error:
            raise self._ended() from error
        answer = self._hear(PUSH_SECONDS)
        return Pushed(float(answer["seconds"]), float(answer["cpu_seconds"]))

    def _hear(self, seconds: float) -> dict[str, Any]:
        assert self._popen.stdout is not None
        ready, _, _ = select.select([self._popen.stdout], [], [], seconds)
        if not ready:
            raise Trouble(f"the client did not answer within {seconds:g} s")
        line = self._popen.stdout.readline()
        if not line:
            raise self._ended()
        heard: dict[str, Any] = json.loads(line)
        return heard

    def _ended(self) -> Trouble:
        self._popen.wait(10)
        words = self._log.read_text(errors="replace").strip().splitlines()[-3:]
        return Trouble(f"the client ended with {self._popen.returncode}: {' | '.join(words)}")
