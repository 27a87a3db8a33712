"""The resident memory of another process of ours.

Owns: reading it from `/proc`. Where there is no `/proc` (macOS) the answer is 0: a library for one gauge
would cost every worker more memory than the gauge is worth.
"""

from __future__ import annotations

import resource
from pathlib import Path


def resident_bytes(pid: int) -> int:
    """Return the resident memory of the process in bytes, 0 if it is gone or cannot be read."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * resource.getpagesize()
