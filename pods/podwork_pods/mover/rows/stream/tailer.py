"""The tailer of one pod: its binlog is read once, however many of its shops are on their way.

Owns: `Tailer`. Promises: a watch misses no change behind its position. One follower serves all watches
that it has not read past. For a watch that begins further back a second follower reads on from there until
it has come to where the first is, and hands the watch over; so nobody waits for a move that has fallen
behind. Each process of movers has its own. Leaves to others: positions (`snapshot`, `progress`), what is
done with keys (`applying`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sqlalchemy import Engine

from podwork_pods.mover.rows.stream.follower import Follower
from podwork_pods.mover.rows.stream.position import Position
from podwork_pods.mover.rows.stream.watch import Watch
from podwork_pods.mover.tables.table import MovedTable


class Tailer:
    """Follows one pod's binlog for its moves. `engine`: the shard's, for its address and user."""

    def __init__(self, pod_id: int, engine: Engine) -> None:
        self.pod_id = pod_id
        self._engine = engine
        self._main: Follower | None = None
        self._behind: list[Follower] = []
        self._lock = threading.Lock()

    def watch(self, shop_id: int, tables: Sequence[MovedTable], position: Position) -> Watch:
        """Note the shop's keys of these tables from the position on, until `leave`."""
        watch = Watch(self.pod_id, shop_id, tables, position)
        with self._lock:
            self._tidy()
            if self._main is not None and self._main.serve(watch):
                return watch
            follower = Follower(self.pod_id, self._engine, position)
            follower.serve(watch)
            if self._main is None:
                self._main = follower
            else:
                self._behind.append(follower)
            follower.start()
        return watch

    def leave(self, watch: Watch) -> None:
        """Serve the watch no more; a follower without watches stops."""
        with self._lock:
            for follower in self._all():
                follower.let_go(watch)
            self._tidy()

    def join(self) -> None:
        """Let followers that have caught up with the first one hand their watches over to it."""
        with self._lock:
            main = self._main
            for follower in self._behind if main is not None else ():
                for watch in follower.watches:
                    follower.hand_over(watch, main)  # type: ignore[arg-type]
            self._tidy()

    @property
    def connections(self) -> int:
        """How many times the log is being read now."""
        with self._lock:
            return len(self._all())

    def close(self) -> None:
        """Stop everything; watches that are left say so."""
        with self._lock:
            followers, self._main, self._behind = self._all(), None, []
        for follower in followers:
            follower.stop()

    def _all(self) -> list[Follower]:
        return [*([] if self._main is None else [self._main]), *self._behind]

    def _tidy(self) -> None:
        idle = [follower for follower in self._all() if follower.is_over or not follower.watches]
        for follower in idle:
            follower.stop()
        going = [follower for follower in self._all() if follower not in idle]
        if self._main in idle:
            self._main = None
        self._behind = [follower for follower in going if follower is not self._main]
        if self._main is None and self._behind:
            self._main = self._behind.pop(0)
