"""Loading every pod's lines into its shard, several shards at a time.

Owns: the processes that do it, one per pod, as many at once as there are processors. Promises: an
interruption or a failure of one ends them all at their next batch, and nothing half-written stays.
Leaves to others: which shop lives in which pod (the directory), writing one shard (`bulk`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event

import pyarrow as pa

from podwork_ops.demo.bulk import write_lines
from podwork_ops.demo.dataset import to_lines
from podwork_ops.demo.errors import LoadFailed

POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Load:
    """What one pod gets: the lines of its shops, as the input has them."""

    pod_id: int
    shard_url: str
    table: pa.Table


def load(loads: Sequence[Load], progress: Callable[[int], None]) -> None:
    """Write all loads; `progress` is told how many lines are written so far.

    Raises:
        LoadFailed: a shard refused its lines.
    """
    # Spawned, not forked: this process has threads (pyarrow's, the progress bar's).
    context = multiprocessing.get_context("spawn")
    written: Synchronized[int] = context.Value("q", 0)
    stop = context.Event()
    workers = min(len(loads), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, context, _begin, (written, stop)) as pool:
        loading = {pool.submit(_load, each): each.pod_id for each in loads}
        try:
            _follow(loading, written, progress)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)  # waits: a process still being spawned needs this one
            raise


def _follow(
    loading: dict[Future[str | None], int], written: Synchronized[int], progress: Callable[[int], None]
) -> None:
    left = set(loading)
    while left:
        done, left = wait(left, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        progress(written.value)
        for future in done:
            why = future.result()
            if why is not None:
                raise LoadFailed(loading[future], why)


class _Stopped(Exception):
    """Rolls the transaction of a loading process back; nobody waits for its answer."""


class _Loader:
    """What one loading process shares with the demo: the count, and the sign to stop."""

    written: Synchronized[int]
    stop: Event


def _begin(written: Synchronized[int], stop: Event) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the demo, which sets `stop`
    _Loader.written = written
    _Loader.stop = stop


def _load(each: Load) -> str | None:
    """Return why it failed: the drivers' errors themselves do not survive the way between processes."""
    try:
        _count(0)
        write_lines(each.shard_url, to_lines(each.table), _count)
    except _Stopped:
        return None
    except Exception as error:
        return str(error)
    return None


def _count(lines: int) -> None:
    if _Loader.stop.is_set():
        raise _Stopped
    with _Loader.written.get_lock():
        _Loader.written.value += lines
