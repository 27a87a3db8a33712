"""Nobody outlives its parent: a child killed with SIGKILL takes its hatchery along, and that its job
processes.

Owns: the death signal. Promises: on Linux the kernel kills the process when its parent ends, however that
ends, so that no job process runs on while its job is reclaimed and started elsewhere. Where there is no such
signal (macOS) the hatchery ends by the end of its lines and kills its job processes; only both killed at once
leave some behind, which a lost lease cannot harm (J5). Leaves to others: saying so to the child (`hatchery`).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1


def _find_prctl() -> Callable[..., Any] | None:
    if sys.platform != "linux":
        return None
    prctl: Callable[..., Any] = ctypes.CDLL(None).prctl
    return prctl


_prctl: Final = _find_prctl()  # before any fork: finding it costs more than a job process does


def tie_to(parent_pid: int) -> None:
    """End this process together with its parent; call it in the new process, with the parent's pid."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)  # it ended before the signal was asked for
