"""The result of one check of `podctl doctor`."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """How a checked thing is. `warn`: it works, and somebody should know."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(NamedTuple):
    """What one check found, and what to do about it."""

    verdict: Verdict
    found: str
    remedy: str = ""
