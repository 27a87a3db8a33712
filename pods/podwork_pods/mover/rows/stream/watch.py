"""What one leg of a move wants to know of its source's log.

Owns: `Watch`: the keys that were noted, and up to where. Promises: `take` gives keys and a position that
go together: every change before the position has its key among what was taken, now or earlier
(`copy.batch`); what was noted twice is taken once. Safe for threads. Leaves to others: reading the log
(`follower`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from podwork.errors import PodworkError
from podwork_pods.mover.rows.errors import LogBehind
from podwork_pods.mover.rows.literals import Key
from podwork_pods.mover.rows.stream.position import Position
from podwork_pods.mover.tables.table import MovedTable

Keys = dict[str, dict[Key, None]]
"""Keys by table, in the order in which they were noted."""

_LOOKS_SECONDS = 0.2


class Taken(NamedTuple):
    """Keys that were noted; all changes before `position` are among these and earlier ones."""

    position: Position
    keys: Keys

    @property
    def size(self) -> int:
        """How many keys it has."""
        return sum(map(len, self.keys.values()))


class Watch:
    """The keys of one shop's rows that were changed behind `position`."""

    def __init__(self, pod_id: int, shop_id: int, tables: Sequence[MovedTable], position: Position) -> None:
        self.pod_id = pod_id
        self.shop_id = shop_id
        self.tables = {table.name: table for table in tables}
        self._position = position
        self._noted: Keys = {}
        self._trouble: Callable[[], PodworkError] | None = None
        self._changed = threading.Condition()

    @property
    def position(self) -> Position:
        """Up to where the log has been read: the end of a transaction."""
        with self._changed:
            return self._position

    @property
    def count(self) -> int:
        """How many keys are noted and not taken."""
        with self._changed:
            return sum(map(len, self._noted.values()))

    def note(self, table: str, keys: Iterable[Key]) -> None:
        """Note keys of a table."""
        with self._changed:
            noted = self._noted.setdefault(table, {})
            for key in keys:
                noted[key] = None

    def reach(self, position: Position) -> None:
        """Say that the log has been read up to here; a position never goes back."""
        with self._changed:
            if position > self._position:
                self._position = position
                self._changed.notify_all()

    def fail(self, trouble: Callable[[], PodworkError]) -> None:
        """Say that it is not followed any more; every call from now on raises this."""
        with self._changed:
            self._trouble = self._trouble or trouble
            self._changed.notify_all()

    def take(self) -> Taken:
        """Return what was noted, and forget it. Raises what `fail` was told."""
        with self._changed:
            self._refuse()
            noted, self._noted = self._noted, {}
            return Taken(self._position, noted)

    def put_back(self, taken: Taken) -> None:
        """Note again what was taken and could not be applied."""
        for table, keys in taken.keys.items():
            self.note(table, keys)

    def peek(self) -> Keys:
        """Return what is noted, and leave it."""
        with self._changed:
            self._refuse()
            return {table: dict(keys) for table, keys in self._noted.items()}

    def wait_for(
        self, position: Position, timeout_seconds: float, pulse: Callable[[], None] | None = None
    ) -> None:
        """Wait until the log has been read up to there; `pulse` is called meanwhile.

        Raises:
            LogBehind: it was not, in that time; or what `fail` was told.
        """
        began = time.monotonic()
        while True:
            with self._changed:
                self._refuse()
                if self._position >= position:
                    return
                waited = time.monotonic() - began
                if waited >= timeout_seconds:
                    raise LogBehind(self.pod_id, str(position), str(self._position), waited)
                self._changed.wait(min(_LOOKS_SECONDS, timeout_seconds - waited))
            if pulse is not None:
                pulse()

    def _refuse(self) -> None:
        if self._trouble is not None:
            raise self._trouble()
