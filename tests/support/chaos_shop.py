"""An application whose pods migrate under fire: effects that can be counted, and processes that have fits.

Its workers run with `CHAOS` in their environment, a folder: as long as there is a file `fits` in it, whoever
reaches a point of a migration or of a backfill may be killed or frozen by its own hand, exactly there. Each
pod has a second schedule beside the product's own, whose turns nothing but the line keeps apart from its.
"""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

from sqlalchemy import text

# Loaded before the fork: a child that was killed has a successor within moments.
import podwork_migrations.change.ways
import podwork_migrations.copy.applier  # noqa: F401 - see above
from podwork import App, Collection, Cursor, IterationJob, points
from podwork_pods import rows, shop_transaction

ROWS = 60
SCHEMA = (
    "CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, n BIGINT NOT NULL DEFAULT 0, "
    "hits INT NOT NULL DEFAULT 0, code INT NOT NULL, legacy INT)",
    "CREATE TABLE codes (id BIGINT NOT NULL PRIMARY KEY, code INT NOT NULL)",
    "CREATE TABLE told (what VARCHAR(32) NOT NULL)",
    "CREATE TABLE effects (number BIGINT NOT NULL PRIMARY KEY, at DOUBLE NOT NULL)",
)
_NOW = "UNIX_TIMESTAMP(SYSDATE(6))"
_EFFECT = text(f"INSERT IGNORE INTO effects VALUES (:number, {_NOW})")
_HIT = text("UPDATE items SET hits = hits + 1 WHERE id = :id")
_INCREMENT = text("UPDATE items SET n = n + 1 WHERE id BETWEEN :lo AND :hi")
_TELL = text("INSERT INTO told VALUES (:what)")

app = App("chaos-shop")


@app.job(name="hit", retry=50)
def hit(shop_id: int, number: int) -> None:
    """Hit an item, unless this number was seen before."""
    with shop_transaction(shop_id) as session:
        if session.execute(_EFFECT, {"number": number}).rowcount:  # type: ignore[attr-defined]
            session.execute(_HIT, {"id": number % ROWS + 1})


@app.job(name="increment")
class Increment(IterationJob):
    """Add one to every row, in ranges of 10: done twice it is two."""

    batch_size = most_rows = 10
    parallel = 2

    def collection(self) -> Collection:
        """Go through all items."""
        return rows("items", columns=("id",))

    def each_range(self, lo: Cursor, hi: Cursor) -> None:
        """Add one to a range."""
        self.session.execute(_INCREMENT, {"lo": lo[0], "hi": hi[0]})

    def on_complete(self) -> None:
        """Leave a row."""
        self.session.execute(_TELL, {"what": "on_complete"})


@app.job(name="turn-too", retry=0)
def turn_too() -> None:
    """Take a turn of the pod's migrations, whoever else takes one."""
    app.job_class("podwork.migrations")()


app.schedule("turn-too", turn_too.call(), every=2)


class Fits:
    """Kills or freezes this process at a point, as often as the file says: a seed, and how likely."""

    WORKING = ("turn.", "copy.", "runs.", "batch.", "partitions.")
    ASKING = ("line.", "gate.", "plans.", "reports.")
    """Reached in every turn, also by those who have to wait: so they have fewer there."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "fits"
        self._log = folder / "log"
        self._random = random.Random()
        self._pid = 0

    def __call__(self, name: str) -> None:
        """Stand at a point."""
        if not name.startswith((*self.WORKING, *self.ASKING)):
            return
        try:
            seed, chance = self._file.read_text().split()
        except (FileNotFoundError, ValueError):
            return
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._random = random.Random(f"{seed}/{self._pid}")
        often = 1.0 if name.startswith(self.WORKING) else 0.1
        if self._random.random() < often * float(chance):
            self._have_one(name, self._random.choice([signal.SIGKILL, signal.SIGSTOP]))

    def _have_one(self, name: str, how: signal.Signals) -> None:
        with self._log.open("a") as log:
            log.write(f"{name} {how.name}\n")
        os.kill(os.getpid(), how)


if "CHAOS" in os.environ:
    points.install(Fits(Path(os.environ["CHAOS"])))
