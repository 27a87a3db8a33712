"""A program of its own that is talked with: a request and an answer, each a line of JSON."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.benchmarks.harness import cores
from tests.benchmarks.harness.guard import guard
from tests.benchmarks.harness.trouble import Trouble

START_SECONDS: Final = 60.0
READY: Final = {"ready": True}


class Conversation:
    """The harness's side; a context manager that ends the program. `on`: the cores that it has."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        on: int | Sequence[int] = cores.ALL,
    ) -> None:
        self._log = log
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                cores.pinned(command, on),
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                bufsize=1,
            )
        guard(self._popen.pid)

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

    def ask(self, patience_seconds: float, **request: Any) -> dict[str, Any]:
        """Send a request and return the answer. Raises Trouble: there is none in time."""
        assert self._popen.stdin is not None
        try:
            self._popen.stdin.write(json.dumps(request) + "\n")
        except OSError as error:
            raise self._ended() from error
        return self._hear(patience_seconds)

    def move(self, on: int | Sequence[int]) -> None:
        """Let it have other cores."""
        cores.move(self._popen.pid, on)

    def _hear(self, seconds: float) -> dict[str, Any]:
        assert self._popen.stdout is not None
        ready, _, _ = select.select([self._popen.stdout], [], [], seconds)
        if not ready:
            raise Trouble(f"{self._popen.args!r} did not answer within {seconds:g} s: {self._last_words()}")
        line = self._popen.stdout.readline()
        if not line:
            raise self._ended()
        heard: dict[str, Any] = json.loads(line)
        return heard

    def _ended(self) -> Trouble:
        code = self._popen.wait(10)
        return Trouble(f"a program of the bench ended with {code}: {self._last_words()}")

    def _last_words(self) -> str:
        return " | ".join(self._log.read_text(errors="replace").strip().splitlines()[-3:])


def serve(answer: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Be the program: answer every request until the harness hangs up."""
    say(READY)
    for line in sys.stdin:
        say(answer(json.loads(line)))


def say(answer: Mapping[str, Any]) -> None:
    """Send an answer."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
