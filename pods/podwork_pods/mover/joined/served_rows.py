"""A shop's rows between two shards on MariaDB or MySQL, as the steps of a move ask for them.

Owns: `ServedRows`. Promises: nothing is applied before the copy is whole (`copy.order`), also where the log
was lost and the copy is made anew; the last pass ends with a comparison of every key that was touched since
the ranges were compared, and of the tables' definitions (`copy.verify`); on the way back rows are followed
from where the feed of the kept rows stands. Leaves to others: rows (`mover.rows`), digests
(`mover.verify`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine

from podwork.errors import PodworkError
from podwork_pods.fence import FenceState, ShardFence
from podwork_pods.mover.crossing import GivesUp, GivesWay, Pulse
from podwork_pods.mover.joined.fences import MoveFences
from podwork_pods.mover.joined.outbox_rows import let_relay
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.applying import merged
from podwork_pods.mover.rows.errors import (
    LogBehind,
    LogLost,
    LogUnfit,
    RowClash,
    RowsUnreadable,
    SourceReplaced,
    TableAltered,
    ValueChanged,
)
from podwork_pods.mover.rows.literals import Key
from podwork_pods.mover.rows.passing import Pace, RowPassage
from podwork_pods.mover.rows.purging import purge
from podwork_pods.mover.rows.session import RowSession
from podwork_pods.mover.rows.stream.position import Position, position_now
from podwork_pods.mover.rows.stream.tailer import Tailer
from podwork_pods.mover.rows.stream.watch import Keys
from podwork_pods.mover.tables.keys import Place
from podwork_pods.mover.tables.table import MovedTable
from podwork_pods.mover.tables.walking import let_go
from podwork_pods.mover.verify import compare, compare_keys
from podwork_pods.outbox.schema import outbox

LAST_SECONDS: Final = 8.0
"""For how long the log is read in step 17, at most; the cut-over has its own budget beside it."""
VERIFY_ROUNDS: Final = 3

_KEYS_AT_ONCE: Final = 500
_ANEW: Final = (LogLost, SourceReplaced)
_HOPELESS: Final = (LogUnfit, RowClash, RowsUnreadable, TableAltered, ValueChanged)


class ServedShard:
    """One pod of a leg: its engine, its fence, and what follows its log."""

    def __init__(self, engine: Engine, fence: ShardFence, tailer: Tailer) -> None:
        self.engine = engine
        self.fence = fence
        self.tailer = tailer


class ServedRows:
    """The rows of a leg.

    Args:
        passage: the leg. tables: reads which tables have rows of shops, from a shard's engine.
        here, there: the leg's source and target.
        was_planned: whether preflight has ever been passed, so that there may be something to delete.
        pace: what is waited for between two batches of the copy, and of deleting.
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
        self._back: RowPassage | None = None
        self._is_whole = False
        self._touched: Keys = {}

    def follow(self, since: str) -> None:
        """Step 5. A log that was lost, or is another server's, is begun anew, and the copy with it."""
        forth = self._made_forth()
        try:
            forth.follow(_position(since) if self._passage.leg == 2 else None)
        except _ANEW as error:
            self._begin_anew(forth, error)

    def copy(self, pulse: Pulse) -> None:
        """Step 6."""
        with _judged():
            self._made_forth().copy(pulse)
        self._is_whole = True

    def apply(self, pulse: Pulse) -> int:
        """Step 7: up to a position that is read now; a log that is lost meanwhile is begun anew, too."""
        forth = self._made_forth()
        if self._passage.leg == 1 and not self._is_whole and not forth.is_copied:
            self.copy(pulse)
        self._is_whole = True
        try:
            return _count(self._round(forth, pulse))
        except _ANEW as error:
            self._begin_anew(forth, error)
            self.copy(pulse)
            return _count(self._round(forth, pulse))

    def verify(self, pulse: Pulse) -> Sequence[str]:
        """Step 8: ranges; keys that differ may have just changed, and are compared again when they are
        applied.
        """
        self._touched = {}
        return self._differing(self._made_forth(), self._here, self._there, pulse)

    def _differing(self, rows: RowPassage, here: ServedShard, there: ServedShard, pulse: Pulse) -> list[str]:
        """Name what differs behind `rows`, though it was brought and compared again."""
        shop_id, found = self._passage.shop_id, []
        with here.engine.connect() as source, there.engine.connect() as target:
            for table in self._tables:
                differing: list[Place] = []
                for compared in compare(source, target, table, shop_id):
                    differing += compared.differing
                    pulse("ranges are compared")
                for _ in range(VERIFY_ROUNDS if differing else 0):
                    self._round(rows, pulse)
                    let_go(source, target)
                    differing = list(compare_keys(source, target, table, shop_id, differing))
                    changed = self._round(rows, pulse).get(table.name, {}) if differing else {}
                    # What has changed meanwhile is compared again under the fence (step 17).
                    still = set(_places(source, list(changed)))
                    differing = [key for key in differing if key not in still]
                if differing:
                    found.append(f"{table.name}: {len(differing)} rows, such as {differing[0]}")
        return found

    def apply_last(self) -> None:
        """Step 17."""
        forth = self._made_forth()
        self._apply_last(forth)
        for shard, where in ((self._here, "source"), (self._there, "target")):
            if tuple(self._read_tables(shard.engine)) != tuple(self._tables):
                raise GivesUp(f"a table was changed at the {where} during the move")
        for tries_left in reversed(range(VERIFY_ROUNDS)):
            differing = self._differing_last()
            if not differing:
                return
            # A relay that was late has deleted a row of the outbox: what the log says since is applied, too.
            if not tries_left or set(differing) != {outbox.name}:
                rows = (f"{name}: {count} rows differ under the fence" for name, count in differing.items())
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
        return _count(self._round(self._made_back(since), pulse))

    def stale_here(self, since: str, pulse: Pulse) -> Sequence[str]:
        """Before step 30. Once rows are being deleted there is nothing left to compare."""
        fence = self._here.fence.read(self._passage.shop_id)
        if fence is None or fence.state != FenceState.MOVED:
            return ()
        MoveFences(self._passage, self._here.fence, self._there.fence).leave_here()  # stamped, to be fed
        back = self._made_back(since)
        self._round(back, pulse)
        return self._differing(back, self._there, self._here, pulse)

    def purge_here(self, pulse: Pulse, check: Callable[[], None]) -> None:
        """Step 30."""
        self._know_tables()
        here, gently = self._here, lambda _: self._pace(0, pulse)
        purge(here.engine, here.fence, self._passage, self._tables, gently, check)

    def purge_there(self, pulse: Pulse) -> None:
        """Step a6."""
        if self._was_planned or self._tables:  # by an earlier mover, or by this one
            self._know_tables()
            purge(self._there.engine, self._there.fence, self._passage, self._tables, pulse, lambda: None)

    def close(self) -> None:
        """Follow no log any more."""
        for each in (self._forth, self._back):
            if each is not None:
                each.close()
        self._forth = self._back = None

    def _round(self, rows: RowPassage, pulse: Pulse) -> Keys:
        """Bring what has changed up to now; return which keys that were."""
        with _judged():
            rows.catch_up(pulse)
            rows.apply(pulse)  # once: under a busy writer there is always something more
        touched, rows.touched = rows.touched, {}
        merged(self._touched, touched)
        return touched

    def _apply_last(self, forth: RowPassage) -> None:
        try:
            with _judged():
                forth.apply_last(lambda _: None, LAST_SECONDS)
        except (LogBehind, *_ANEW) as error:
            raise GivesWay(error.what) from error
        merged(self._touched, forth.touched)
        forth.touched = {}

    def _differing_last(self) -> dict[str, int]:
        """Compare what was touched since the ranges were compared; return how many rows of a table differ."""
        found: dict[str, int] = {}
        with self._here.engine.connect() as source, self._there.engine.connect() as target:
            for table in self._tables:
                keys = _places(source, list(self._touched.get(table.name, ())))
                differing = compare_keys(source, target, table, self._passage.shop_id, keys)
                if differing:
                    found[table.name] = len(differing)
        return found

    def _begin_anew(self, forth: RowPassage, error: PodworkError) -> None:
        if self._passage.leg == 2:
            raise GivesUp(error.what) from error
        self._is_whole = False
        forth.begin_anew(lambda _: None)
        forth.follow()

    def _know_tables(self) -> None:
        if not self._tables:
            self._tables = self._read_tables(self._here.engine)

    def _made_forth(self) -> RowPassage:
        if self._forth is None:
            self._know_tables()
            self._forth = self._made(self._passage, self._here, self._there, FenceState.INCOMING)
        return self._forth

    def _made_back(self, since: str) -> RowPassage:
        """Return what brings the target's changes to the kept rows."""
        self._know_tables()
        if self._back is None:
            passage = self._passage
            back = passage._replace(
                source=passage.target, target=passage.source, epoch=passage.epoch + 1, leg=2
            )
            self._back = self._made(back, self._there, self._here, FenceState.MOVED)
            self._back.follow(_position(since))
        return self._back

    def _made(self, passage: Passage, here: ServedShard, there: ServedShard, state: FenceState) -> RowPassage:
        return RowPassage(
            passage,
            self._tables,
            source=here.engine,
            target=there.engine,
            fence=there.fence,
            tailer=here.tailer,
            state=state,
            pace=self._pace,
        )


def _count(keys: Keys) -> int:
    return sum(len(some) for some in keys.values())


def _position(since: str) -> Position:
    if not since:  # a new snapshot in its place would leave out what changed before it
        raise GivesUp("it is not known where the way back begins")
    return Position.parse(since)


def _places(connection: Connection, keys: Sequence[Key]) -> list[Place]:
    """Return the values of keys that are literals, as the driver gives them."""
    found: list[Place] = []
    for first in range(0, len(keys), _KEYS_AT_ONCE):
        some = (f"SELECT {', '.join(key)}" for key in keys[first : first + _KEYS_AT_ONCE])
        found += [tuple(row) for row in connection.exec_driver_sql(" UNION ALL ".join(some))]
    return found


@contextmanager
def _judged() -> Iterator[None]:
    """Say of what no other try would mend that the move will not do."""
    try:
        yield
    except _HOPELESS as error:
        raise GivesUp(error.what) from error
