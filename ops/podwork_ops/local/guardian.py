"""Ends servers whose owner is gone, however it went.

`podctl demo` and the tests own their servers. `Guardian` starts this module as a process of its own that
reads a pipe whose other end only the owner holds: at its end of file the owner has ended, SIGKILL
included, and the guardian stops the servers whose marks it was given. Plain pipes: works on macOS too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from podwork_ops.local.process import ProcessMark, stop


class Guardian:
    """The owner's end."""

    def __init__(self, remove: Path | None = None) -> None:
        """Start the guardian process; `remove`: a folder to delete after the servers have ended."""
        source_root = str(Path(__file__).resolve().parents[2])
        environment = {**os.environ, "PYTHONPATH": source_root}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "podwork_ops.local.guardian", *([str(remove)] if remove else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environment,
            start_new_session=True,
        )

    def watch(self, mark: ProcessMark) -> None:
        """Have the process ended when this one ends."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{mark.pid} {mark.born}\n".encode())
        self._process.stdin.flush()

    def close(self) -> None:
        """Have everything watched ended now, and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Read marks until the owner is gone, then stop them."""
    marks = []
    for line in sys.stdin:
        pid, _, born = line.rstrip("\n").partition(" ")
        marks.append(ProcessMark(int(pid), born))
    stop(marks)
    for folder in sys.argv[1:]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
