"""The application that the tests of `podctl runs` work with: iteration jobs over a table of numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import text

from podwork import App, Collection, Cursor, IterationJob, Surroundings
from podwork_pods import Function, items, rows

app = App("numbers")


@app.job()
class Increment(IterationJob):
    """Add to every number once."""

    by: int = 1
    batch_size = 10
    most_rows = 10

    def collection(self) -> Collection:
        """Return the table."""
        return rows("numbers")

    def each_range(self, lo: Cursor, hi: Cursor, /) -> None:
        """Add to some."""
        add = text("UPDATE numbers SET n = n + :by WHERE id BETWEEN :lo AND :hi")
        self.session.execute(add, {"by": self.by, "lo": lo[0], "hi": hi[0]})


def _gate(_: Surroundings) -> str | None:
    """Hold back while a file is there."""
    return "is closed" if Path(os.environ["NUMBERS_GATE"]).exists() else None


@app.job()
class Gated(IterationJob):
    """Go through ten numbers, one at a time, while the gate is open."""

    batch_size = 1
    most_rows = 1
    throttles = (Function("gate", _gate),)

    def collection(self) -> Collection:
        """Return ten numbers."""
        return items(list(range(10)))

    def each(self, item: Any, /) -> None:
        """Do nothing."""


@app.job()
class Picky(IterationJob):
    """Do what it is allowed to do, and leave out the rest."""

    folder: str
    batch_size = 4
    quarantine_limit = 5
    batch_attempts = 1

    def collection(self) -> Collection:
        """Return ten numbers."""
        return items(list(range(10)))

    def each(self, item: Any, /) -> None:
        """Refuse what is forbidden."""
        if (Path(self.folder) / f"{item}").exists():
            raise ValueError(f"{item} is forbidden, token=hunter2")


@app.job()
class OfShop(IterationJob):
    """Works for a shop."""

    shop_id: int

    def collection(self) -> Collection:
        """Return a few numbers."""
        return items([1, 2, 3])

    def each(self, item: Any, /) -> None:
        """Do nothing."""


@app.job()
def plain() -> None:
    """Be no iteration job."""
