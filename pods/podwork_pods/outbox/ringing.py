"""The hint to a pod's relay after a commit: there may be something in the outbox.

Owns: `Ringer`, a small thread in the application's process. Promises: `ring` returns at once and never
raises, whatever Redis does; hints that come together become one; a pod whose Redis does not answer delays
the others' hints by a quarter of a second, every few seconds. A hint may get lost: the relay looks by itself
as well. Leaves to others: the jobs.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final

from podwork.errors import PodworkError
from podwork.points import reach
from podwork.store import Store
from podwork_pods.per_process import PerProcess

TIMEOUT_SECONDS: Final = 0.25
LET_ALONE_SECONDS: Final = 5.0
FAREWELL_SECONDS: Final = 0.5

log = logging.getLogger("podwork.outbox")


class Ringer:
    """Rings at pods; `store_of` gives a pod's Redis. Safe between threads and over forks."""

    def __init__(self, store_of: Callable[[int], Store]) -> None:
        self._own = PerProcess(lambda: _Ringing(store_of))

    def ring(self, pod_id: int) -> None:
        """Tell the pod's relay soon."""
        self._own.get().ring(pod_id)

    def close(self) -> None:
        """Say what is still to be said, as far as it is said at once; the next `ring` starts again."""
        own = self._own.take()
        if own is not None:
            own.close()


class _Ringing:
    """One process's thread, and the pods at which it is still to ring."""

    def __init__(self, store_of: Callable[[int], Store]) -> None:
        self._store_of = store_of
        self._stores: dict[int, Store] = {}
        self._let_alone_until: dict[int, float] = {}
        self._pods: set[int] = set()
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="podwork-outbox-hints", daemon=True)
        self._thread.start()
        # A script that ends right after its commit still gives its hint.
        atexit.register(_close_at_exit, weakref.ref(self), os.getpid())

    def ring(self, pod_id: int) -> None:
        with self._changed:
            self._pods.add(pod_id)
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join(FAREWELL_SECONDS)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pods or self._is_closed)
                pods, self._pods = self._pods, set()
                if not pods:
                    break
            for pod_id in pods:
                self._ring_at(pod_id)
        for store in self._stores.values():
            store.close()

    def _ring_at(self, pod_id: int) -> None:
        if time.monotonic() < self._let_alone_until.get(pod_id, 0.0):
            return
        try:
            reach("outbox.ringing")
            self._store(pod_id).call("ring")
        except PodworkError as error:
            self._let_alone_until[pod_id] = time.monotonic() + LET_ALONE_SECONDS
            log.debug("no hint to pod %d, its relay will find the jobs by itself: %s", pod_id, error)
        except Exception:
            self._let_alone_until[pod_id] = time.monotonic() + LET_ALONE_SECONDS
            log.warning("no hint to pod %d, its relay will find the jobs by itself", pod_id, exc_info=True)

    def _store(self, pod_id: int) -> Store:
        url = self._store_of(pod_id).url
        store = self._stores.get(pod_id)
        if store is None or store.url != url:
            store = self._stores[pod_id] = Store(url, socket_timeout_seconds=TIMEOUT_SECONDS)
        return store


def _close_at_exit(ringing: weakref.ref[_Ringing], owner: int) -> None:
    alive = ringing()
    if alive is not None and owner == os.getpid():  # a forked child has the parent's locks, perhaps held
        alive.close()
