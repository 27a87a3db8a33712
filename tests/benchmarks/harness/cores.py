"""Which processor core does what, and how fast the machine is at the moment.

Owns: the pinning, alike for every contestant. Redis has a core, the worker another; who pushes while no
worker runs uses the worker's. Who pushes beside a worker, and the harness itself, use a third core where
there is one, otherwise Redis's, because the worker holds its own. Where the system cannot pin (macOS),
nothing is pinned.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CAN_PIN = hasattr(os, "sched_setaffinity") and shutil.which("taskset") is not None
COUNT = len(os.sched_getaffinity(0)) if CAN_PIN else (os.cpu_count() or 1)
_ALL = sorted(os.sched_getaffinity(0)) if CAN_PIN else list(range(COUNT))

REDIS = _ALL[0]
WORKER = _ALL[min(1, COUNT - 1)]
ASIDE = _ALL[2] if COUNT > 2 else REDIS
ALL = tuple(_ALL)
SEVERAL = _ALL[1:] if COUNT > 2 else _ALL
"""For a worker with several processes: all but Redis's, or, on two cores, both."""


def pinned(command: Sequence[str], cores: int | Iterable[int]) -> list[str]:
    """Return the command that runs `command` on the given cores only."""
    if not CAN_PIN:
        return list(command)
    numbers = [cores] if isinstance(cores, int) else cores
    return ["taskset", "-c", ",".join(str(number) for number in numbers), *command]


def move(pid: int, cores: int | Iterable[int]) -> None:
    """Move a running process, all its threads, to a core, or to some."""
    if CAN_PIN:
        numbers = {cores} if isinstance(cores, int) else set(cores)
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), numbers)


@contextmanager
def on(cores: int | Iterable[int]) -> Iterator[None]:
    """Run this thread, and what it starts, on a core, or on some, for a while."""
    if not CAN_PIN:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores} if isinstance(cores, int) else set(cores))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def loop_ns(iterations: int = 300_000) -> float:
    """Return what one turn of a fixed loop takes now: how fast the machine is at this minute."""
    began, total = time.perf_counter_ns(), 0
    for number in range(iterations):
        total += number & 7
    return (time.perf_counter_ns() - began) / iterations
