"""A shop's rows between two shards on MariaDB or MySQL, as the steps of a move ask for them.

Owns: `ServedRows`, and which way the rows of a first leg go: a small shop's are copied while its writes
stand still (`fenced_copy`), all others while it trades (`followed_copy`). The choice is made anew by each
mover, and at each try: the short way leaves nothing before the fence that a later one would have to know.
What it has left behind it, the long way takes away when it begins. Promises: on the way back rows are
followed from where the feed of the kept rows stands. Leaves to others: both ways, and what is kept after the
switch (`kept_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from podwork_pods.fence import FenceState
from podwork_pods.mover.crossing import Pulse
from podwork_pods.mover.joined.fenced_copy import FencedCopy
from podwork_pods.mover.joined.fences import MoveFences
from podwork_pods.mover.joined.followed_copy import FollowedCopy
from podwork_pods.mover.joined.kept_rows import KeptRows
from podwork_pods.mover.joined.known_tables import KnownTables
from podwork_pods.mover.joined.outbox_rows import let_relay
from podwork_pods.mover.joined.served_shard import ServedShard
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.passing import Pace
from podwork_pods.mover.rows.progress import forget
from podwork_pods.mover.rows.purging import purge
from podwork_pods.mover.rows.session import RowSession
from podwork_pods.mover.rows.stream.position import position_now
from podwork_pods.mover.tables.table import MovedTable


class ServedRows:
    """The rows of a leg.

    Args:
        passage: the leg. tables: reads which tables have rows of shops, from a shard's engine.
        here, there: the leg's source and target.
        was_planned: whether preflight has ever been passed, so that there may be something to delete.
        pace: what is waited for between two batches outside the cut-over: of the copy, of what changed, of
            the feed, of deleting.
        small_rows: a shop with so many rows, or fewer, is copied while its writes stand still; 0: none is.
    """

    def __init__(
        self,
        passage: Passage,
        tables: Callable[[Engine], Sequence[MovedTable]],
        here: ServedShard,
        there: ServedShard,
        *,
        was_planned: bool,
        pace: Pace,
        small_rows: int = 0,
    ) -> None:
        self._passage = passage
        self._tables = KnownTables(tables, here.engine, there.engine)
        self._here = here
        self._there = there
        self._was_planned = was_planned
        self._pace = pace
        self._small_rows = small_rows
        self._chosen: FencedCopy | FollowedCopy | None = None
        self._kept: KeptRows | None = None

    def follow(self, since: str) -> None:
        """Step 5."""
        if not isinstance(self._chosen, FollowedCopy):
            self._choose()
        self._way.follow(since)

    def begin_anew(self, pulse: Pulse) -> None:
        """After CopyLost."""
        self._way.begin_anew(pulse)

    def copy(self, pulse: Pulse) -> None:
        """Step 6."""
        self._way.copy(pulse)

    def apply(self, pulse: Pulse) -> int:
        """Step 7."""
        return self._way.apply(pulse)

    def verify(self, pulse: Pulse) -> Sequence[str]:
        """Step 8."""
        return self._way.verify(pulse)

    def close_up(self, pulse: Pulse, *, in_haste: bool = False) -> None:
        """Before the cut-over."""
        self._tables.settle()
        self._way.close_up(pulse, in_haste=in_haste)

    def apply_last(self) -> None:
        """Step 17."""
        self._way.apply_last()

    def position_there(self) -> str:
        """Step 19."""
        session = RowSession(self._there.engine)
        try:
            return str(position_now(session))
        finally:
            session.close()

    def let_relay(self) -> None:
        """Step 24."""
        let_relay(self._there.engine, self._there.fence, self._passage)

    def feed(self, since: str, pulse: Pulse) -> int:
        """Step 29: as the way back would follow, but into rows that are kept."""
        return self._made_kept(since).feed(pulse)

    def stale_here(self, since: str, pulse: Pulse) -> Sequence[str]:
        """Before step 30. Once rows are being deleted there is nothing left to compare."""
        fence = self._here.fence.read(self._passage.shop_id)
        if fence is None or fence.state != FenceState.MOVED:
            return ()
        MoveFences(self._passage, self._here.fence, self._there.fence).leave_here()  # stamped, to be fed
        return self._made_kept(since).stale(pulse, lambda: self._at_pace(pulse, "ranges are compared"))

    def purge_here(self, pulse: Pulse, check: Callable[[], None]) -> None:
        """Step 30."""
        here, gently = self._here, lambda _: self._at_pace(pulse)
        purge(here.engine, here.fence, self._passage, self._tables.read(), gently, check)

    def purge_there(self, pulse: Pulse) -> None:
        """Step a6."""
        if self._was_planned or self._tables.are_read:  # by an earlier mover, or by this one
            there, tables = self._there, self._tables.read()
            purge(there.engine, there.fence, self._passage, tables, pulse, lambda: None)

    def forget_there(self) -> None:
        """Step 30."""
        forget(self._there.engine, self._passage.move_id)

    def close(self) -> None:
        """Follow no log any more."""
        for each in (self._chosen, self._kept):
            if each is not None:
                each.close()
        self._chosen = self._kept = None

    def _choose(self) -> None:
        """Take the short way, if this is a first leg and the shop is small."""
        passage, tables, here, there = self._passage, self._tables, self._here, self._there
        if self._chosen is not None:
            self._chosen.close()
        self._chosen = None
        if passage.leg == 1 and self._small_rows:
            self._chosen = fenced = FencedCopy(passage, tables, here, there, self._small_rows, self._pace)
            if fenced.suits():
                return
            fenced.close()
        self._chosen = FollowedCopy(passage, tables, here, there, self._pace, self._at_pace)

    def _at_pace(self, pulse: Pulse, what: str = "") -> None:
        pulse(what)
        self._pace(0, pulse)

    @property
    def _way(self) -> FencedCopy | FollowedCopy:
        assert self._chosen is not None, "follow comes first"
        return self._chosen

    def _made_kept(self, since: str) -> KeptRows:
        if self._kept is None:
            tables = self._tables.read()
            self._kept = KeptRows(self._passage, tables, self._here, self._there, since, self._pace)
        return self._kept
