"""Keys that are pressed while a screen is shown, without waiting for Enter.

Promises: the terminal is set back on the way out, however that is; where standard input is no terminal
there are no keys, and waiting only waits.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from types import TracebackType
from typing import Any, Self


class Keyboard:
    """Standard input, a key at a time; Ctrl-C still interrupts."""

    def __init__(self) -> None:
        self.pressed: set[str] = set()
        """What was pressed so far."""
        self._before: list[Any] | None = None

    def __enter__(self) -> Self:
        if sys.stdin.isatty():
            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def wait(self, seconds: float) -> None:
        """Wait for so long, or until a key is pressed."""
        if self._before is None:
            time.sleep(seconds)
        elif select.select([sys.stdin], [], [], seconds)[0]:
            keys = os.read(sys.stdin.fileno(), 100).decode(errors="replace")
            self.pressed.update(keys or "q")  # the terminal is gone: as if somebody had left
