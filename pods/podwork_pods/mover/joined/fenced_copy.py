"""A small shop's rows between two shards on MariaDB or MySQL: copied whole while its writes stand still.

Owns: `FencedCopy`. Some hundred rows are copied sooner than a log is found, followed and left again.
Promises: what is copied was read behind the closed fence of the source, so that there is nothing to follow
and nothing to catch up with; the copy is one transaction under the target's fence (incoming, this mover's),
which begins by taking away what an earlier try has left; both sides are compared whole before the switch
(`copy.verify`). A shop that has grown meanwhile gives way, and is followed. Leaves to others: which shops are
copied so (`served_rows`), reading and writing (`mover.rows`).
"""

from __future__ import annotations

from typing import Final

from podwork.points import reach
from podwork_pods.fence import FenceState
from podwork_pods.mover.crossing import GivesUp, GivesWay, Pulse
from podwork_pods.mover.joined.comparing import VERIFY_ROUNDS, differing_tables
from podwork_pods.mover.joined.known_tables import KnownTables
from podwork_pods.mover.joined.served_shard import ServedShard, judged
from podwork_pods.mover.joined.under_fence import UnderFence
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.applying import settle
from podwork_pods.mover.rows.passing import HEADROOM_BYTES, Pace
from podwork_pods.mover.rows.progress import Progress
from podwork_pods.mover.rows.reading import Portion, Reader, TooMany
from podwork_pods.mover.rows.session import RowSession
from podwork_pods.mover.rows.writing import Clash, Writer
from podwork_pods.mover.tables.table import MovedTable
from podwork_pods.outbox.schema import outbox

MOST_BYTES: Final = 1 << 20
"""Of a small shop's rows, put into words: some milliseconds on each side."""
_ALL: Final = "TRUE"


class FencedCopy(UnderFence):
    """The copy of a first leg.

    Args:
        passage: the leg. tables: which tables have rows of shops. here, there: its source and target.
        most_rows: more than so many are not copied while writes stand still.
        pace: is waited for before that, with the bytes that are going to be copied.
    """

    def __init__(
        self,
        passage: Passage,
        tables: KnownTables,
        here: ServedShard,
        there: ServedShard,
        most_rows: int,
        pace: Pace,
    ) -> None:
        self._passage = passage
        self._tables = tables
        self._here = here
        self._there = there
        self._most_rows = most_rows
        self._pace = pace
        self._bytes = 0
        self._read, self._written = RowSession(here.engine, as_bytes=True), RowSession(there.engine)
        longest = min(session.longest_statement() for session in (self._read, self._written))
        self._read.set_longest_result(longest - HEADROOM_BYTES)
        self._source = Reader(self._read, passage, locked=False)
        self._target = Reader(self._written, passage, locked=False)
        self._writer = Writer(self._written, there.fence, passage, (FenceState.INCOMING,))

    def suits(self) -> bool:
        """Whether the shop is small, and no mover has begun to follow it."""
        try:
            if Progress(self._written, self._passage).followed() is not None:
                return False
            keys = sum(
                len(self._source.some_keys(table, _ALL, self._most_rows + 1)) for table in self._tables.read()
            )
            return keys <= self._most_rows and self._fits()
        finally:
            self._rest()

    def copy(self, pulse: Pulse) -> None:
        """Step 6: all is done in step 17, where nothing is waited for."""
        self._pace(self._bytes, pulse)

    def apply_last(self) -> None:
        """Step 17: the copy, and its comparison."""
        self._tables.check_under_fence()
        for tries_left in reversed(range(VERIFY_ROUNDS)):
            self._copy_all()
            differing = differing_tables(
                self._here.engine, self._there.engine, self._tables.read(), self._passage.shop_id
            )
            if not differing:
                return
            # A relay that was late has deleted a row of the outbox: it is copied again without it.
            if not tries_left or differing != [outbox.name]:
                raise GivesUp(f"rows differ under the fence: {', '.join(differing)}")

    def close(self) -> None:
        """Close the connections."""
        self._read.close()
        self._written.close()

    def _copy_all(self) -> None:
        tables = self._tables.read()
        try:
            with judged():
                self._writer.begin()
                for table in reversed(tables):  # children first
                    self._writer.delete(table, self._target.keys(table, _ALL))
                for table in tables:
                    self._writer.insert(table, self._portion(table).values)
                reach("rows.copied")
                self._writer.commit()
        except Clash as clash:
            raise GivesUp(settle(clash).what) from clash
        finally:
            self._rest()

    def _portion(self, table: MovedTable) -> Portion:
        """Read a table's rows. Raises GivesWay: there are too many by now, or rows with long values."""
        try:
            portion = self._source.portion(table, _ALL)
        except TooMany as error:
            raise GivesWay(f"{table.name}: the shop has grown, it is followed from now on") from error
        if portion.long:
            raise GivesWay(f"{table.name}: the shop has long values by now, it is followed from now on")
        return portion

    def _fits(self) -> bool:
        self._bytes = 0
        for table in self._tables.read():
            try:
                self._bytes += len(self._portion(table).values)
            except GivesWay:
                return False
        return self._bytes <= MOST_BYTES

    def _rest(self) -> None:
        """End both transactions: what was read holds up who changes a table."""
        self._read.rollback()
        self._written.rollback()
