"""How much memory a process uses."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def rss_bytes(pid: int | None = None) -> int:
    """Return the resident memory of a process, by default this one.

    Where the system does not tell (macOS): of this process its peak, of another 0.
    """
    try:
        statm = Path(f"/proc/{'self' if pid is None else pid}/statm").read_text()
        return int(statm.split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        if pid is not None:
            return 0
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
