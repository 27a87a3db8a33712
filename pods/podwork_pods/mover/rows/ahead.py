"""Reading ahead: what an iterator gives is fetched by a thread while the caller works on what came before.

Owns: `ahead`. Promises: the order is kept; an error of the iterator comes out where its item would; when
the block is left, the thread has ended. Leaves to others: how large an item is; a few are held.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

T = TypeVar("T")
_LOOKS_SECONDS: Final = 0.05


@contextmanager
def ahead(items: Iterator[T], depth: int) -> Iterator[Iterator[T]]:
    """Yield an iterator over the items, of which up to `depth` are fetched ahead."""
    fetched: queue.Queue[Callable[[], T]] = queue.Queue(depth)
    left = threading.Event()

    def put(item: Callable[[], T]) -> None:
        while not left.is_set():
            try:
                fetched.put(item, timeout=_LOOKS_SECONDS)
                return
            except queue.Full:
                continue

    def fetch() -> None:
        try:
            for item in items:
                put(lambda item=item: item)  # type: ignore[misc]
                if left.is_set():
                    return
        except BaseException as error:
            put(_raising(error))
        else:
            put(_raising(StopIteration()))

    thread = threading.Thread(target=fetch, name="podwork-rows-ahead", daemon=True)
    thread.start()
    try:
        yield _taken(fetched)
    finally:
        left.set()
        thread.join()


def _taken(fetched: queue.Queue[Callable[[], T]]) -> Iterator[T]:
    while True:
        item = fetched.get()
        try:
            taken = item()
        except StopIteration:
            return
        yield taken


def _raising(error: BaseException) -> Callable[[], Any]:
    def again() -> Any:
        raise error

    return again
