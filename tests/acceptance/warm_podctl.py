"""Runs podctl many times without importing it anew: each command line in a process forked for it.

Importing SQLAlchemy, redis and click costs more than most commands do. The forked process is as good as a new
one for what is tested here (arguments, environment, standard streams, exit code); what a cold start shows
is tested where podctl is started cold. `python -m tests.acceptance.warm_podctl` is the server.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from podwork_ops.cli.main import COMMANDS, main
from tests.support.processes import REPOSITORY, Completed, clean_environment

TIMEOUT_SECONDS = 60


class WarmPodctl:
    """The client: starts the server, sends command lines, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.warm_podctl"],
            cwd=REPOSITORY,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, arguments: Sequence[str], environment: Mapping[str, str], cwd: Path) -> Completed:
        """Run one command line to its end."""
        stdout, stderr = self._folder / "stdout", self._folder / "stderr"
        request = {
            "arguments": list(arguments),
            "environment": {**clean_environment(), **environment},
            "cwd": str(cwd),
            "stdout": str(stdout),
            "stderr": str(stderr),
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        assert answer, "the server of warm podctl ended"
        return Completed(int(answer), stdout.read_text(), stderr.read_text())

    def close(self) -> None:
        """End the server."""
        self._server.kill()
        self._server.communicate()


def serve() -> None:
    """Answer requests until there are no more."""
    for lazy in COMMANDS.values():
        __import__(lazy.module)
    gc.freeze()  # the forked processes need not tidy up what they inherit
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _be_podctl(json.loads(line))
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _be_podctl(request: dict[str, object]) -> NoReturn:
    """Become what a shell would have started; a command that hangs is ended by SIGALRM."""
    signal.alarm(TIMEOUT_SECONDS)
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    environment, arguments = request["environment"], request["arguments"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    os.environ.update(environment)
    for number, path in ((0, os.devnull), (1, request["stdout"]), (2, request["stderr"])):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        opened = os.open(str(path), flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = ["podctl", *arguments]
    main()


if __name__ == "__main__":
    serve()
