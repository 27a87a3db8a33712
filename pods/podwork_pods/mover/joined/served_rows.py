"""A shop's rows between two shards on MariaDB or MySQL, as the steps of a move ask for them.

Owns: `ServedRows`. Promises: nothing is applied before the copy is whole (`copy.order`), also where the log
was lost and the copy is made anew; the last pass ends with a comparison of every key that was touched since
the ranges were compared and has not been seen equal since, and of the tables' definitions (`copy.verify`);
on the way back rows are followed from where the feed of the kept rows stands; before the cut-over all that
brings rows keeps to the pace, in it nothing does. Leaves to others: rows (`mover.rows`), comparing
(`comparing`), what is kept after the switch (`kept_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Engine

from podwork_pods.fence import FenceState
from podwork_pods.mover.crossing import CopyLost, GivesUp, GivesWay, Pulse
from podwork_pods.mover.joined.comparing import VERIFY_ROUNDS, differing_rows, differing_touched
from podwork_pods.mover.joined.fences import MoveFences
from podwork_pods.mover.joined.kept_rows import KeptRows
from podwork_pods.mover.joined.outbox_rows import let_relay
from podwork_pods.mover.joined.served_shard import ServedShard, bring, count, judged, passing
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.applying import merged
from podwork_pods.mover.rows.errors import LogBehind, LogLost, SourceReplaced
from podwork_pods.mover.rows.passing import Pace, RowPassage
from podwork_pods.mover.rows.progress import forget
from podwork_pods.mover.rows.purging import purge
from podwork_pods.mover.rows.session import RowSession
from podwork_pods.mover.rows.stream.position import Position, position_now
from podwork_pods.mover.rows.stream.watch import Keys
from podwork_pods.mover.tables.definitions import definitions
from podwork_pods.mover.tables.errors import TablesBlocked
from podwork_pods.mover.tables.table import MovedTable
from podwork_pods.outbox.schema import outbox

LAST_SECONDS: Final = 8.0
"""For how long the log is read in step 17, at most; the cut-over has its own budget beside it."""
CLOSE_UP_ROUNDS: Final = 4
FEW_KEYS: Final = 100
"""So many keys may be left to compare under the fence: some milliseconds."""

_ANEW: Final = (LogLost, SourceReplaced)


class ServedRows:
    """The rows of a leg.

    Args:
        passage: the leg. tables: reads which tables have rows of shops, from a shard's engine.
        here, there: the leg's source and target.
        was_planned: whether preflight has ever been passed, so that there may be something to delete.
        pace: what is waited for between two batches outside the cut-over: of the copy, of what changed, of
            the feed, of deleting.
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
    ) -> None:
        self._pace = pace
        self._passage = passage
        self._read_tables = tables
        self._here = here
        self._there = there
        self._was_planned = was_planned
        self._tables: Sequence[MovedTable] = ()
        self._forth: RowPassage | None = None
        self._kept: KeptRows | None = None
        self._is_whole = False
        self._touched: Keys = {}
        self._defined: tuple[tuple[str, ...], ...] | None = None

    def follow(self, since: str) -> None:
        """Step 5."""
        with self._following():
            self._made_forth().follow(_position(since) if self._passage.leg == 2 else None)

    def begin_anew(self, pulse: Pulse) -> None:
        """After CopyLost."""
        self._is_whole = False
        self._made_forth().begin_anew(pulse)
        self._made_forth().follow()

    def copy(self, pulse: Pulse) -> None:
        """Step 6."""
        with self._following():
            self._made_forth().copy(pulse)
        self._is_whole = True

    def apply(self, pulse: Pulse) -> int:
        """Step 7: up to a position that is read now."""
        return self._apply(pulse, in_haste=False)

    def verify(self, pulse: Pulse) -> Sequence[str]:
        """Step 8: ranges; keys that differ may have just changed, and are compared again when they are
        applied.
        """
        self._touched = {}
        forth, found = self._made_forth(), list[str]()
        with self._following():
            found += differing_rows(
                self._here.engine,
                self._there.engine,
                self._tables,
                self._passage.shop_id,
                lambda: self._round(forth, pulse),
                lambda: self._at_pace(pulse, "ranges are compared"),
            )
        return found

    def close_up(self, pulse: Pulse, *, in_haste: bool = False) -> None:
        """Step 7, and a look at what was touched: a key that is equal need not be compared under the fence.

        Whoever changes it after that look is noted in the log, so that it is touched again. Few may be left:
        a mover that does not know of them compares the ranges itself before its cut-over.
        """
        self._know_definitions()
        for _ in range(CLOSE_UP_ROUNDS):
            self._apply(pulse, in_haste=in_haste)
            if count(self._touched) <= FEW_KEYS:
                return
            self._touched = self._differing_touched(pulse)

    def apply_last(self) -> None:
        """Step 17."""
        forth = self._made_forth()
        self._apply_last(forth)
        if self._definitions() != self._defined:
            self._check_tables()
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
            self._apply_last(forth)

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
        self._know_tables()
        here, gently = self._here, lambda _: self._at_pace(pulse)
        purge(here.engine, here.fence, self._passage, self._tables, gently, check)

    def purge_there(self, pulse: Pulse) -> None:
        """Step a6."""
        if self._was_planned or self._tables:  # by an earlier mover, or by this one
            self._know_tables()
            purge(self._there.engine, self._there.fence, self._passage, self._tables, pulse, lambda: None)

    def forget_there(self) -> None:
        """Step 30."""
        forget(self._there.engine, self._passage.move_id)

    def close(self) -> None:
        """Follow no log any more."""
        for each in (self._forth, self._kept):
            if each is not None:
                each.close()
        self._forth = self._kept = None

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
        forth = self._made_forth()
        if self._passage.leg == 1 and not self._is_whole and not forth.is_copied:
            self.copy(pulse)
        self._is_whole = True
        with self._following(in_haste=in_haste):
            brought = self._round(forth, pulse, in_haste=in_haste)
        return count(brought)

    def _round(self, forth: RowPassage, pulse: Pulse, *, in_haste: bool = False) -> Keys:
        """Bring what has changed up to now; return which keys that were."""
        touched = bring(forth, pulse, in_haste=in_haste)
        merged(self._touched, touched)
        return touched

    def _apply_last(self, forth: RowPassage) -> None:
        try:
            with self._following(in_haste=True):
                forth.apply_last(lambda _: None, LAST_SECONDS)
        except LogBehind as error:
            raise GivesWay(error.what) from error
        merged(self._touched, forth.touched)
        forth.touched = {}

    def _differing_touched(self, pulse: Pulse) -> Keys:
        """Return those of the touched keys whose rows differ."""
        return differing_touched(
            self._here.engine,
            self._there.engine,
            self._tables,
            self._passage.shop_id,
            self._touched,
            lambda: pulse("changed rows are compared"),
        )

    def _at_pace(self, pulse: Pulse, what: str = "") -> None:
        pulse(what)
        self._pace(0, pulse)

    def _know_definitions(self) -> None:
        """Compare the tables with those of preflight, once; from then on their words are enough."""
        if self._defined is None:
            self._defined = self._definitions()
            self._check_tables()

    def _definitions(self) -> tuple[tuple[str, ...], ...]:
        found: list[tuple[str, ...]] = []
        for shard in (self._here, self._there):
            with shard.engine.connect() as connection:
                found.append(definitions(connection, self._tables))
        return tuple(found)

    def _check_tables(self) -> None:
        for shard, where in ((self._here, "source"), (self._there, "target")):
            try:
                found = tuple(self._read_tables(shard.engine))
            except TablesBlocked as error:
                raise GivesUp(f"at the {where}, since the move began: {error.what}") from error
            if found != tuple(self._tables):
                raise GivesUp(f"a table was changed at the {where} during the move")

    def _know_tables(self) -> None:
        if not self._tables:
            self._tables = self._read_tables(self._here.engine)

    def _made_forth(self) -> RowPassage:
        if self._forth is None:
            self._know_tables()
            self._forth = passing(
                self._passage, self._tables, self._here, self._there, FenceState.INCOMING, self._pace
            )
        return self._forth

    def _made_kept(self, since: str) -> KeptRows:
        if self._kept is None:
            self._know_tables()
            self._kept = KeptRows(self._passage, self._tables, self._here, self._there, since, self._pace)
        return self._kept


def _position(since: str) -> Position:
    if not since:  # a new snapshot in its place would leave out what changed before it
        raise GivesUp("it is not known where the way back begins")
    return Position.parse(since)
