"""What a contestant's program hears and says, and how its jobs leave their marks.

Owns: the file of marks (one byte a job: how often it ended; eight bytes a stamped job: how long it waited)
and the conversation with the harness, JSON lines on standard input and output. Promises: standard library
only, because every peer runs it with the packages of its own. Leaves to others: what is measured (the
harness).

Marks are memory that the worker shares with the harness, so that the signal costs a job a fraction of a
microsecond and survives a kill -9. A byte a job needs no lock between threads or processes, and tells lost
jobs (0) from doubled ones (2).
"""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import struct
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

JOBS_LIMIT = 1 << 20
STAMPS_LIMIT = 1 << 16
MARKS_BYTES = JOBS_LIMIT + 8 * STAMPS_LIMIT
BULK_JOBS = 1000
SHOPS = 500
"""Over how many shops podwork's jobs are spread; the peers know no shops."""

Row = tuple[int, ...]
Push = Callable[[str, Row], object]
"""Pushes a job by its name in `JOBS` and its arguments; `serve_async` awaits what it returns."""
PushMany = Callable[[str, list[Row]], object]


def redis_url() -> str:
    """Return the URL of the Redis under test."""
    return os.environ["BENCH_REDIS_URL"]


def open_marks(path: str | Path) -> mmap.mmap:
    """Map the marks at `path`."""
    with Path(path).open("r+b") as file:
        return mmap.mmap(file.fileno(), MARKS_BYTES)


_marks = open_marks(os.environ["BENCH_MARKS"]) if "BENCH_MARKS" in os.environ else mmap.mmap(-1, MARKS_BYTES)


def noop(n: int) -> None:
    """Do nothing but leave a mark."""
    _marks[n] += 1


def pause(n: int, milliseconds: int) -> None:
    """Stand for a call of something outside."""
    time.sleep(milliseconds / 1000)
    _marks[n] += 1


def stamp(n: int, pushed_ns: int) -> None:
    """Note how long the job waited from before its push to here."""
    struct.pack_into("=q", _marks, JOBS_LIMIT + 8 * n, time.monotonic_ns() - pushed_ns)
    _marks[n] += 1


async def noop_async(n: int) -> None:
    """Do nothing but leave a mark, as a coroutine."""
    noop(n)


async def pause_async(n: int, milliseconds: int) -> None:
    """Stand for a call of something outside, as a coroutine."""
    await asyncio.sleep(milliseconds / 1000)
    _marks[n] += 1


async def stamp_async(n: int, pushed_ns: int) -> None:
    """Note how long the job waited, as a coroutine."""
    stamp(n, pushed_ns)


JOBS: dict[str, Callable[..., None]] = {"noop": noop, "pause": pause, "stamp": stamp}
COROUTINES: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "noop": noop_async,
    "pause": pause_async,
    "stamp": stamp_async,
}


def serve(push: Push, push_many: PushMany | None = None) -> None:
    """Obey the harness until it hangs up, with a blocking client."""
    for request in _requests():
        began = _Began()
        for step in _steps(request, push, push_many):
            if isinstance(step, float):
                time.sleep(step)
        began.answer()


async def serve_async(push: Push, push_many: PushMany | None = None) -> None:
    """Obey the harness until it hangs up, with a client of coroutines; each push is awaited."""
    for request in _requests():
        began = _Began()
        for step in _steps(request, push, push_many):
            await (asyncio.sleep(step) if isinstance(step, float) else step)  # type: ignore[misc]  # see Push
        began.answer()


def run_async(main: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop, as the documents of the peers with coroutines advise."""
    import uvloop  # only in their environments

    uvloop.run(main)


def _steps(request: Mapping[str, Any], push: Push, push_many: PushMany | None) -> Iterator[object]:
    """Push what is asked for; yield what each push returned, or the seconds to sleep before the next."""
    job, count, argument = request["job"], request["count"], request.get("argument")
    way = request["way"]
    if way == "paced":
        start = time.perf_counter()
        for n in range(count):
            yield max(0.0, start + n / request["rate"] - time.perf_counter())
            yield push(job, (n, time.monotonic_ns()))
        return
    rows: list[Row] = [(n,) if argument is None else (n, argument) for n in range(count)]
    if way == "single" or push_many is None:
        for row in rows:
            yield push(job, row)
    else:
        for first in range(0, count, BULK_JOBS):
            yield push_many(job, rows[first : first + BULK_JOBS])


def _requests() -> Iterator[dict[str, Any]]:
    _say({"ready": True})
    for line in sys.stdin:
        yield json.loads(line)


class _Began:
    """When a request began, by the wall and by the processor."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def answer(self) -> None:
        """Say how long it took."""
        _say(
            {"seconds": time.perf_counter() - self._wall, "cpu_seconds": time.process_time() - self._cpu},
        )


def _say(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
