"""A shop's rows between two shards on MariaDB or MySQL, copied while it trades and its log is followed.

Owns: `FollowedCopy`. Promises: nothing is applied before the copy is whole (`copy.order`), also where the log
was lost and the copy is made anew; the last pass ends with a comparison of every key that was touched since
the ranges were compared and has not been seen equal since, and of the tables' definitions (`copy.verify`);
before the cut-over all that brings rows keeps to the pace, in it nothing does. Leaves to others: rows
(`mover.rows`), comparing (`comparing`), which shops are copied so (`served_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from podwork_pods.fence import FenceState
from podwork_pods.mover.crossing import CopyLost, GivesUp, GivesWay, Pulse
from podwork_pods.mover.joined.comparing import VERIFY_ROUNDS, differing_rows, differing_touched
from podwork_pods.mover.joined.known_tables import KnownTables
from podwork_pods.mover.joined.served_shard import ServedShard, bring, count, judged, passing
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.applying import merged
from podwork_pods.mover.rows.errors import LogBehind, LogLost, SourceReplaced
from podwork_pods.mover.rows.passing import Pace, RowPassage
from podwork_pods.mover.rows.stream.position import Position
from podwork_pods.mover.rows.stream.watch import Keys
from podwork_pods.outbox.schema import outbox

LAST_SECONDS: Final = 8.0
"""For how long the log is read in step 17, at most; the cut-over has its own budget beside it."""
CLOSE_UP_ROUNDS: Final = 4
FEW_KEYS: Final = 100
"""So many keys may be left to compare under the fence: some milliseconds."""

_ANEW: Final = (LogLost, SourceReplaced)


class FollowedCopy:
    """The copy of one leg; on leg 2 nothing is copied, for the rows that were kept are followed.

    Args:
        passage: the leg. tables: which tables have rows of shops. here, there: its source and target.
        pace: what is waited for between two batches outside the cut-over: of the copy, of what changed.
        at_pace: the same, of ranges that are compared.
    """

    def __init__(
        self,
        passage: Passage,
        tables: KnownTables,
        here: ServedShard,
        there: ServedShard,
        pace: Pace,
        at_pace: Callable[[Pulse, str], None],
    ) -> None:
        self._passage = passage
        self._tables = tables
        self._here = here
        self._there = there
        self._at_pace = at_pace
        self._forth: RowPassage = passing(passage, tables.read(), here, there, FenceState.INCOMING, pace)
        self._is_whole = False
        self._touched: Keys = {}

    def follow(self, since: str) -> None:
        """Step 5."""
        with self._following():
            self._forth.follow(_position(since) if self._passage.leg == 2 else None)

    def begin_anew(self, pulse: Pulse) -> None:
        """After CopyLost."""
        self._is_whole = False
        self._forth.begin_anew(pulse)
        self._forth.follow()

    def copy(self, pulse: Pulse) -> None:
        """Step 6."""
        with self._following():
            self._forth.copy(pulse)
        self._is_whole = True

    def apply(self, pulse: Pulse) -> int:
        """Step 7: up to a position that is read now."""
        return self._apply(pulse, in_haste=False)

    def verify(self, pulse: Pulse) -> Sequence[str]:
        """Step 8: ranges; keys that differ may have just changed, and are compared again when they are
        applied.
        """
        self._touched = {}
        with self._following():
            return differing_rows(
                self._here.engine,
                self._there.engine,
                self._tables.read(),
                self._passage.shop_id,
                lambda: self._round(pulse),
                lambda: self._at_pace(pulse, "ranges are compared"),
            )

    def close_up(self, pulse: Pulse, *, in_haste: bool = False) -> None:
        """Step 7, and a look at what was touched: a key that is equal need not be compared under the fence.

        Whoever changes it after that look is noted in the log, so that it is touched again. Few may be left:
        a mover that does not know of them compares the ranges itself before its cut-over.
        """
        for _ in range(CLOSE_UP_ROUNDS):
            self._apply(pulse, in_haste=in_haste)
            if count(self._touched) <= FEW_KEYS:
                return
            self._touched = self._differing_touched(pulse)

    def apply_last(self) -> None:
        """Step 17."""
        self._apply_last()
        self._tables.check_under_fence()
        for tries_left in reversed(range(VERIFY_ROUNDS)):
            differing = self._differing_touched(lambda _: None)
            if not differing:
                return
            # A relay that was late has deleted a row of the outbox: what the log says since is applied, too.
            if not tries_left or set(differing) != {outbox.name}:
                rows = (
                    f"{name}: {len(keys)} rows differ under the fence" for name, keys in differing.items()
                )
                raise GivesUp("; ".join(rows))
            self._apply_last()

    def close(self) -> None:
        """Follow the log no more."""
        self._forth.close()

    @contextmanager
    def _following(self, *, in_haste: bool = False) -> Iterator[None]:
        """Say what follows where the log is lost, or another server's, and of what is hopeless that it is."""
        try:
            with judged():
                yield
        except _ANEW as error:
            if in_haste:
                raise GivesWay(error.what) from error
            if self._passage.leg == 2:
                raise GivesUp(error.what) from error
            raise CopyLost(error.what) from error

    def _apply(self, pulse: Pulse, *, in_haste: bool) -> int:
        if self._passage.leg == 1 and not self._is_whole and not self._forth.is_copied:
            self.copy(pulse)
        self._is_whole = True
        with self._following(in_haste=in_haste):
            brought = self._round(pulse, in_haste=in_haste)
        return count(brought)

    def _round(self, pulse: Pulse, *, in_haste: bool = False) -> Keys:
        """Bring what has changed up to now; return which keys that were."""
        touched = bring(self._forth, pulse, in_haste=in_haste)
        merged(self._touched, touched)
        return touched

    def _apply_last(self) -> None:
        try:
            with self._following(in_haste=True):
                self._forth.apply_last(lambda _: None, LAST_SECONDS)
        except LogBehind as error:
            raise GivesWay(error.what) from error
        merged(self._touched, self._forth.touched)
        self._forth.touched = {}

    def _differing_touched(self, pulse: Pulse) -> Keys:
        """Return those of the touched keys whose rows differ."""
        return differing_touched(
            self._here.engine,
            self._there.engine,
            self._tables.read(),
            self._passage.shop_id,
            self._touched,
            lambda: pulse("changed rows are compared"),
        )


def _position(since: str) -> Position:
    if not since:  # a new snapshot in its place would leave out what changed before it
        raise GivesUp("it is not known where the way back begins")
    return Position.parse(since)
