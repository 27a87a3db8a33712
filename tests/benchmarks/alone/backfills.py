"""The application whose backfills are measured: `items`, a million rows of (id, n), on MariaDB.

The table is as narrow as it can be, so that a row costs the database as little as it can, and what podwork
adds to it weighs as much as it can. Two throttles are asked in all that increments; neither ever holds.
"""

from __future__ import annotations

import time
from typing import Any, Final

from sqlalchemy import text

from podwork import App, Collection, Cursor, IterationJob
from podwork_pods import rows
from podwork_pods.iteration.throttles import HistoryLength, ThreadsRunning

CHOSEN_ROWS: Final = 20_000
"""Rows of a batch in the contest: what pacing by its defaults comes to on this table (`paced_rows`)."""
SMALL_ROWS: Final = 1_000
SLOW_SECONDS: Final = 0.2
SCHEMA: Final = (
    "CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, n BIGINT NOT NULL)",
    "CREATE TABLE begun (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, at DOUBLE NOT NULL)",
)
FILL: Final = "INSERT INTO items SELECT seq, 0 FROM seq_1_to_{rows}"
INCREMENT: Final = "UPDATE items SET n = n + 1 WHERE id BETWEEN {lo} AND {hi}"

app = App("backfills")
_INCREMENT = text(INCREMENT.format(lo=":lo", hi=":hi"))
_NOTE = text("INSERT INTO begun (at) VALUES (:at)")
_WAIT = text(f"DO SLEEP({SLOW_SECONDS})")


class _Backfill(IterationJob):
    throttles = (ThreadsRunning(most=100), HistoryLength(most=1_000_000_000))

    def collection(self) -> Collection:
        """Go through all items."""
        return rows("items", columns=("id",))

    def each_range(self, lo: Cursor, hi: Cursor) -> None:
        """Add one to a range."""
        self.session.execute(_INCREMENT, {"lo": lo[0], "hi": hi[0]})


@app.job(name="increment")
class Increment(_Backfill):
    """Batches of one size, the one that pacing chooses."""

    batch_size = most_rows = CHOSEN_ROWS


@app.job(name="increment-by-2")
class IncrementBy2(Increment):
    """In two partitions at once."""

    parallel = 2


@app.job(name="increment-by-4")
class IncrementBy4(Increment):
    """In four."""

    parallel = 4


@app.job(name="increment-small")
class IncrementSmall(_Backfill):
    """Small batches of one size."""

    batch_size = most_rows = SMALL_ROWS


@app.job(name="increment-paced")
class IncrementPaced(_Backfill):
    """As its author leaves it: podwork sizes the batches."""


@app.job(name="increment-paced-freely")
class IncrementPacedFreely(_Backfill):
    """The same without the clamp: batches of 200 ms, however many rows that is."""

    most_rows = 1_000_000


@app.job(name="look")
class Look(IterationJob):
    """Item by item, with nothing to do."""

    batch_size = most_rows = CHOSEN_ROWS

    def collection(self) -> Collection:
        """Go through all items."""
        return rows("items")

    def each(self, item: Any) -> None:
        """Do nothing."""


@app.job(name="slow")
class Slow(_Backfill):
    """Batches of 200 ms, which the database takes; each leaves a note of when it was begun."""

    batch_size = most_rows = 20

    def each_range(self, lo: Cursor, hi: Cursor) -> None:
        """Note the time, wait, add one."""
        self.session.execute(_NOTE, {"at": time.time()})
        self.session.execute(_WAIT)
        super().each_range(lo, hi)
