"""Sees to it that no server or worker outlives the harness, however it ends."""

from __future__ import annotations

from functools import cache

from podwork_ops.local.guardian import Guardian
from podwork_ops.local.process import mark_of


def guard(pid: int) -> None:
    """Have a process that was just started ended when this one ends, killed or not."""
    mark = mark_of(pid)
    if mark is not None:
        _guardian().watch(mark)


@cache
def _guardian() -> Guardian:
    return Guardian()
