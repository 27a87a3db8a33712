"""A shop's rows between two shards on SQLite: copied in one transaction, while the source's fence is closed.

Owns: `EmbeddedRows`. SQLite has no log that tells which rows have changed, so nothing is copied before
writes stand still, and how long they do grows with the shop: this form is for development, tests and small
installations. Promises: the copy holds the target's fence (incoming, this mover's), replaces whatever an
earlier try has left there, and is compared with the source before the switch; kept rows are not fed, for
the way back copies anew. Leaves to others: which rows are the shop's (`mover.tables`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from podwork_pods.engines import reader
from podwork_pods.fence import ShardFence
from podwork_pods.mover.crossing import GivesUp, Pulse
from podwork_pods.mover.joined.outbox_rows import let_relay
from podwork_pods.mover.joined.under_fence import UnderFence
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.errors import RowClash
from podwork_pods.mover.rows.plain import fill, purge
from podwork_pods.mover.tables.table import MovedTable
from podwork_pods.mover.verify import compare


class EmbeddedRows(UnderFence):
    """The rows of a leg, both shards on SQLite.

    Args:
        passage: the leg. tables: reads which tables have rows of shops; not before they are needed.
        here, there: the shards' engines. fence_here, fence_there: their fences.
        was_planned: whether preflight has ever been passed, so that there may be something to delete.
    """

    def __init__(
        self,
        passage: Passage,
        tables: Callable[[], Sequence[MovedTable]],
        here: Engine,
        there: Engine,
        fence_here: ShardFence,
        fence_there: ShardFence,
        *,
        was_planned: bool,
    ) -> None:
        self._passage = passage
        self._tables = tables
        self._here = here
        self._there = there
        self._fence_here = fence_here
        self._fence_there = fence_there
        self._was_planned = was_planned

    def copy(self, pulse: Pulse) -> None:
        """Step 6: a declaration that cannot be used shall not be found out under the fence."""
        self._tables()
        pulse("")

    def apply_last(self) -> None:
        """Step 17: the copy, and its comparison."""
        tables = self._tables()
        self._was_planned = True  # there is something to delete, whatever the row said when it was read
        try:
            fill(
                self._passage,
                tables,
                source=self._here,
                source_fence=self._fence_here,
                target=self._there,
                target_fence=self._fence_there,
            )
        except RowClash as error:
            raise GivesUp(error.what) from error
        with reader(self._here).connect() as source, reader(self._there).connect() as target:
            for table in tables:
                for compared in compare(source, target, table, self._passage.shop_id):
                    if compared.differing:
                        rows = len(compared.differing)
                        raise GivesUp(f"{table.name}: {rows} rows differ after the copy")

    def position_there(self) -> str:
        """Step 19: there is no log."""
        return ""

    def let_relay(self) -> None:
        """Step 24."""
        let_relay(self._there, self._fence_there, self._passage)

    def feed(self, _since: str, pulse: Pulse) -> int:
        """Step 29: the way back copies anew."""
        pulse("")
        return 0

    def stale_here(self, _since: str, pulse: Pulse) -> Sequence[str]:
        """Before step 30: the kept rows are not fed, so there is nothing to compare."""
        pulse("")
        return ()

    def purge_here(self, pulse: Pulse, check: Callable[[], None]) -> None:
        """Step 30."""
        purge(self._here, self._fence_here, self._passage, self._tables(), pulse, check)

    def purge_there(self, pulse: Pulse) -> None:
        """Step a6."""
        if self._was_planned:
            purge(self._there, self._fence_there, self._passage, self._tables(), pulse, lambda: None)

    def forget_there(self) -> None:
        """Step 30: nothing was written down."""

    def close(self) -> None:
        """There is nothing to close."""
