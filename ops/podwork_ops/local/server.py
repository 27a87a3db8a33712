"""One private server process: from its folder and a free port to the first true answer.

Owns: what all servers share. A kind of server (`redis.py`, `mariadb.py`, ...) adds its command line,
its preparation and its ping. Promises: `start` returns only after the very process that it started has
answered; a port taken in between costs another try; a failure is one line with the end of the log.
"""

from __future__ import annotations

import os
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from podwork_ops.local.account import Account
from podwork_ops.local.errors import ServerFailed
from podwork_ops.local.ports import free_port, is_free
from podwork_ops.local.process import ProcessMark, adopt, is_running, stop

READY_SECONDS = 60.0
PORT_TRIES = 5
PORT_TAKEN = "already in use"  # what every server writes then
POLL_SECONDS = 0.02
PING_TIMEOUT_SECONDS = 2.0
_LOG_TAIL_BYTES = 4000


class Server(ABC):
    """A server with a folder of its own. Its attributes say how to reach it once it is started."""

    kind: str

    def __init__(self, name: str, directory: Path, account: Account, port: int = 0) -> None:
        """Describe a server.

        Args:
            name: unique in its fleet; shown to people.
            directory: an absolute path; made by `start`. Holds the server's data and its log.
            account: who runs it.
            port: the loopback port to prefer; 0: any.
        """
        self.name = name
        self.directory = directory
        self.account = account
        self.port = port
        self.mark: ProcessMark | None = None

    @property
    def log(self) -> Path:
        """The file that takes the server's output."""
        return self.directory / "server.log"

    @property
    @abstractmethod
    def url(self) -> str:
        """How clients reach it."""

    @abstractmethod
    def check_installed(self) -> None:
        """Raise `ServerMissing` unless its program is there."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line for the present port."""

    @abstractmethod
    def ping(self) -> bool:
        """Tell whether this very server answers (not another that took its port)."""

    def prepare(self) -> None:  # noqa: B027 - most have nothing to prepare
        """Make what must lie in the folder before the first start; may be called again."""

    def start(self, spawned: Callable[[Server], None] = lambda _: None) -> None:
        """Start the process and wait until it answers.

        Args:
            spawned: called as soon as there is a process, before it answers.

        Raises:
            ServerMissing: its program is not installed.
            ServerFailed: it ended, or did not answer in time.
        """
        self.check_installed()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.prepare()
        self.account.own(self.directory)
        if not self.port or not is_free(self.port):
            self.port = free_port()
        for _ in range(PORT_TRIES):
            why = self._start_once(spawned)
            if why is None:
                return
            self.stop()
            if is_free(self.port) and PORT_TAKEN not in _tail(self.log):
                raise ServerFailed(self.name, why, self.log)
            self.port = free_port()
        raise ServerFailed(self.name, f"{PORT_TRIES} loopback ports in a row were taken by others", self.log)

    def stop(self) -> None:
        """End the process, if it runs."""
        if self.mark is not None:
            stop([self.mark])
            self.mark = None

    def is_running(self) -> bool:
        """Tell whether the process is there (a stopped one is, even though it does not answer)."""
        return self.mark is not None and is_running(self.mark)

    def _start_once(self, spawned: Callable[[Server], None]) -> str | None:
        """Return None once it answers, or why it does not."""
        with self.log.open("wb") as log:
            child = subprocess.Popen(
                self.command(),
                cwd=self.directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the operator's terminal must not reach it
                **self.account.popen_options(),
            )
        self.mark = adopt(child)
        if self.mark is not None:
            spawned(self)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if child.poll() is not None:
                return f"it ended with code {child.returncode}: {last_lines(self.log)}"
            if self.ping():
                return None
            time.sleep(POLL_SECONDS)
        return f"no answer within {READY_SECONDS:g} s: {last_lines(self.log)}"

    def _environment(self) -> dict[str, str]:
        """Return a small, known environment: the operator's must not change how a server behaves."""
        kept = {key: os.environ[key] for key in ("PATH", "JAVA_HOME", "LD_LIBRARY_PATH") if key in os.environ}
        return {**kept, "LC_ALL": "C.UTF-8", "HOME": str(self.directory), "TMPDIR": str(self.directory)}


def last_lines(log: Path) -> str:
    """Return the end of a log on one line."""
    lines = [line.strip() for line in _tail(log).splitlines()]
    return " / ".join(lines[-3:]) or "nothing in its log"


def _tail(log: Path) -> str:
    try:
        return log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
    except OSError:
        return ""
