"""The directory as one process remembers it.

Owns: `DirectoryCache`. Promises: a hit is one dictionary look-up, without a lock; no more than `capacity`
shops are remembered; what is remembered never goes back to an older epoch, unless the truth itself is asked
again. A change arrives within the refresh interval, by tailing the change log. A forked child keeps what was
remembered and tails by itself. Leaves to others: correctness. A stale answer costs a redirect; the fence
refuses what it would break.

Two generations keep it bounded without touching anything on a hit: the young one is looked into first; when
it is full it becomes the old one, and what is still asked for moves back into the young one.
"""

from __future__ import annotations

import threading

from podwork.interfaces import Route
from podwork_pods.directory import Directory
from podwork_pods.per_process import forget_after_fork
from podwork_pods.ticking import Ticker

CAPACITY_SHOPS = 200_000
_BATCH_CHANGES = 1000


class DirectoryCache:
    """Remembers routes of shops in front of the directory.

    Args:
        directory: the truth.
        capacity: how many shops to remember.
        refresh_seconds: how often a thread of its own reads the change log; None: callers call `refresh`.
    """

    def __init__(
        self, directory: Directory, capacity: int = CAPACITY_SHOPS, refresh_seconds: float | None = None
    ) -> None:
        self._directory = directory
        self._generation_shops = max(1, capacity // 2)
        self._refresh_seconds = refresh_seconds
        self._young: dict[int, Route] = {}
        self._old: dict[int, Route] = {}
        self._lock = threading.Lock()
        self._position: int | None = None
        self._ticker: Ticker | None = None
        self._is_closed = False
        forget_after_fork(self)

    @property
    def position(self) -> int:
        """The number of the last change that was taken in; 0 before the first."""
        return self._position or 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def route(self, shop_id: int) -> Route:
        """Return where the shop is, as far as this process knows; asks the truth about a shop it does not.

        Raises:
            UnknownShop: the directory does not know it.
            DirectoryUnavailable: the truth had to be asked and did not answer.
        """
        found = self._young.get(shop_id)
        return self._slow(shop_id) if found is None else found

    def reload(self, shop_id: int) -> Route:
        """Ask the truth and remember its answer, whatever was remembered before.

        Raises:
            UnknownShop, DirectoryUnavailable: as `route`; what was remembered stays.
        """
        self._start_tailing()
        before = self._known(shop_id)
        truth = self._directory.locate(shop_id)
        with self._lock:
            # What arrived while the truth was asked may be newer than its answer.
            now = self._known(shop_id)
            is_newer = now is not None and now != before and now.epoch > truth.epoch
            return self._keep(shop_id, now if now is not None and is_newer else truth)

    def learn(self, shop_id: int, route: Route) -> None:
        """Remember the route if its epoch is above the remembered one."""
        with self._lock:
            known = self._known(shop_id)
            if known is None or route.epoch > known.epoch:
                self._keep(shop_id, route)

    def forget(self, shop_id: int) -> None:
        """Drop the shop: the next `route` asks the truth."""
        with self._lock:
            self._young.pop(shop_id, None)
            self._old.pop(shop_id, None)

    def refresh(self) -> int:
        """Take in what has changed since the last time; return how many changes that were.

        Raises:
            DirectoryUnavailable: nothing was taken in, or only a part; the next time goes on from there.
        """
        if self._position is None:
            self._start_tailing()
            return 0
        taken = 0
        while changes := self._directory.changes_since(self._position, _BATCH_CHANGES):
            for change in changes:
                # A first assignment cannot make a remembered route stale. Others are learned even if the
                # shop is not remembered: a thread may be about to remember an older answer of the truth.
                if change.from_pod_id is not None:
                    self.learn(change.shop_id, change.route)
            self._position = changes[-1].seq
            taken += len(changes)
        return taken

    def close(self) -> None:
        """Stop the thread; idempotent."""
        with self._lock:
            ticker, self._ticker = self._ticker, None
            self._is_closed = True
        if ticker is not None:
            ticker.close()

    def after_fork(self) -> None:
        """Go on with what was remembered, through the slow path, which starts this process's own tailing."""
        self._lock = threading.Lock()
        self._ticker = None
        self._old = self._young or self._old
        self._young = {}

    def _slow(self, shop_id: int) -> Route:
        self._start_tailing()
        with self._lock:
            found = self._known(shop_id)
            if found is not None:
                return self._keep(shop_id, found)
        return self.reload(shop_id)

    def _known(self, shop_id: int) -> Route | None:
        found = self._young.get(shop_id)
        return self._old.get(shop_id) if found is None else found

    def _keep(self, shop_id: int, route: Route) -> Route:
        if len(self._young) >= self._generation_shops and shop_id not in self._young:
            self._old = self._young
            self._young = {}
        self._young[shop_id] = route
        return route

    def _start_tailing(self) -> None:
        if self._position is None:
            # Before any truth is read: a change after this number will be seen.
            last = self._directory.last_change()
            with self._lock:
                self._position = last if self._position is None else self._position
        if self._refresh_seconds is not None and self._ticker is None:
            with self._lock:
                if self._ticker is None and not self._is_closed:
                    self._ticker = Ticker("podwork-directory", self._refresh_seconds, self._tail)

    def _tail(self) -> None:
        self.refresh()
