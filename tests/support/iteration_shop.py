"""An application with backfills that must happen exactly once: each adds one to every row of `items`.

Nothing in them would notice a repetition: `n = n + 1` done twice is 2, and a hook that is called twice leaves
two rows in `told`.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from sqlalchemy import text

from podwork import App, Collection, Cursor, IterationJob
from podwork_pods import rows

app = App("iteration-shop")
SCHEMA = (
    "CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, n BIGINT NOT NULL)",
    "CREATE TABLE told (what VARCHAR(32) NOT NULL)",
)
INCREMENT = text("UPDATE items SET n = n + 1 WHERE id BETWEEN :lo AND :hi")


class Backfill(IterationJob):
    """Hooks that leave a row each."""

    def collection(self) -> Collection:
        """Go through all items."""
        return rows("items", columns=("id",))

    def on_start(self) -> None:
        """Leave a row."""
        self._tell("on_start")

    def on_pause(self) -> None:
        """Leave a row."""
        self._tell("on_pause")

    def on_resume(self) -> None:
        """Leave a row."""
        self._tell("on_resume")

    def on_complete(self) -> None:
        """Leave a row."""
        self._tell("on_complete")

    def on_failure(self, error: BaseException, /) -> None:
        """Leave a row."""
        self._tell("on_failure")

    def _tell(self, what: str) -> None:
        self.session.execute(text("INSERT INTO told VALUES (:what)"), {"what": what})


@app.job(name="increment")
class Increment(Backfill):
    """Add one to every row, in ranges of 20."""

    batch_size = most_rows = 20
    parallel = 2

    def each_range(self, lo: Cursor, hi: Cursor) -> None:
        """Add one to a range."""
        self.session.execute(INCREMENT, {"lo": lo[0], "hi": hi[0]})


@app.job(name="increment-each")
class IncrementEach(Backfill):
    """Add one to every row, one by one, as an application would that computes in Python."""

    batch_size = most_rows = 20

    def each(self, item: Any) -> None:
        """Add one to an item."""
        self.session.execute(INCREMENT, {"lo": item.id, "hi": item.id})


@app.job(name="deadly")
class Deadly(IncrementEach):
    """One of its items kills the process that works on it."""

    quarantine_limit = 1
    victim: int = 0

    def each(self, item: Any) -> None:
        """Add one to an item, unless it is the one."""
        if item.id == self.victim:
            os.kill(os.getpid(), signal.SIGKILL)
        super().each(item)
