"""The rows of one leg in the hands of one mover: followed, copied, kept up with.

Owns: `RowPassage`. Promises: what is done again ends the same; a successor goes on from the stored cursors
and the stored position, with a snapshot of its own; nothing is applied before the copy is whole
(`copy.order`). Leaves to others: fences (`podwork_pods.fence`), when (`runbook`), comparing (`verify`),
deleting (`purging`).

A unique value may go from one row of the shop to another between two snapshots, or two batches. Then the
insert clashes; the log is read up to now, all rows whose keys are noted are taken away, for they come
again, and it is tried again. What still clashes is not the shop's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final

from sqlalchemy import Engine

from podwork.points import reach
from podwork_pods.driver_errors import is_deadlock
from podwork_pods.fence import FenceState, ShardFence
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.ahead import ahead
from podwork_pods.mover.rows.applying import Applier, merged, settle
from podwork_pods.mover.rows.chunks import MOST_ROWS, Chunks
from podwork_pods.mover.rows.errors import SourceReplaced
from podwork_pods.mover.rows.progress import Followed, Progress
from podwork_pods.mover.rows.purging import delete_rows
from podwork_pods.mover.rows.reading import Reader
from podwork_pods.mover.rows.session import RowSession
from podwork_pods.mover.rows.snapshot import Snapshot
from podwork_pods.mover.rows.stream.position import Position, position_now, server_of
from podwork_pods.mover.rows.stream.tailer import Tailer
from podwork_pods.mover.rows.stream.watch import Keys, Watch
from podwork_pods.mover.rows.writing import Clash, Writer
from podwork_pods.mover.tables.table import MovedTable

Pulse = Callable[[str], None]
Pace = Callable[[int, Pulse], None]
"""Called between two chunks of a copy with the bytes of the last one, and between two batches of changes with
0; calls the pulse, and may wait."""
CHUNKS_AHEAD: Final = 2
CLASH_TRIES: Final = 8
CATCH_UP_SECONDS: Final = 600.0
HEADROOM_BYTES: Final = 16 << 10


class RowPassage:
    """Brings the shop's rows from the passage's source to its target, both on MariaDB or MySQL.

    Args:
        source, target: the shards' engines. fence: the target's. tailer: the source pod's.
        state: of the target's fence: incoming, or moved to feed kept rows.
        is_locking: reads as MySQL needs it; None: as the source's server needs it.
        most_rows: of a chunk.
        pace: what is waited for between two chunks of the copy or batches of changes, in no transaction.
    """

    def __init__(
        self,
        passage: Passage,
        tables: Sequence[MovedTable],
        *,
        source: Engine,
        target: Engine,
        fence: ShardFence,
        tailer: Tailer,
        state: FenceState = FenceState.INCOMING,
        is_locking: bool | None = None,
        most_rows: int = MOST_ROWS,
        pace: Pace = lambda _, pulse: pulse(""),
    ) -> None:
        self._pace = pace
        self.passage = passage
        self.tables = sorted(tables, key=lambda table: table.rank)
        self.touched: Keys = {}
        """Keys that were applied since the caller has emptied it: what is left to compare at the end."""
        self._source = source
        self._target = target
        self._fence = fence
        self._tailer = tailer
        self._state = state
        self._is_locking = is_locking
        self._most_rows = most_rows
        self._watch: Watch | None = None
        self._open: list[RowSession] = []
        self._has_snapshot = False

    def follow(self, since: Position | None = None) -> None:
        """Note keys from the stored position on; from `since`, or a new snapshot's, if none is stored yet.

        Raises:
            SourceReplaced: the stored position is another server's: `begin_anew`.
        """
        server, stored = self._server, self._progress.followed()
        if stored is not None and stored.server != server:
            raise SourceReplaced(self.passage.source, stored.server, server)
        if stored is None:
            if since is None:  # a copy under the fence may have left some, when the shop was smaller
                delete_rows(self._writer, self._there, self.tables, lambda _: None)
            stored = Followed(server, since or self._snapshot.take())
            self._has_snapshot = since is None
            self._writer.begin()
            self._progress.store_followed(stored)
            self._writer.commit()
        self._leave()
        self._watch = self._tailer.watch(self.passage.shop_id, self.tables, stored.position)

    def copy(self, pulse: Pulse) -> None:
        """Copy every table from its cursor to its end. Raises RowClash, ValueChanged, RowsUnreadable."""
        if not self._has_snapshot:
            self._snapshot.take()
            self._has_snapshot = True
        for table in self.tables:
            self._copy_patiently(table, pulse)
        self._snapshot.release()
        self._has_snapshot = False

    @property
    def is_copied(self) -> bool:
        """Whether every table's copy is whole."""
        return all(self._progress.walked(table.name).is_whole for table in self.tables)

    def apply(self, pulse: Pulse, *, in_haste: bool = False) -> int:
        """Bring what is noted now, in one round; return how many keys it was. `in_haste`: at no pace."""

        def between() -> None:
            if in_haste:
                pulse("")
            else:
                self._pace(0, pulse)

        self._tailer.join()
        for tries_left in reversed(range(CLASH_TRIES)):
            taken = self._watching.take()
            try:
                self._applier.apply(taken, self._server, between)
            except Clash as clash:
                self._watching.put_back(taken)
                if not tries_left:
                    raise settle(clash) from None
            except BaseException:
                self._watching.put_back(taken)
                raise
            else:
                merged(self.touched, taken.keys)
                return taken.size
            self._clear_way(pulse)
        raise AssertionError("unreachable")

    def catch_up(self, pulse: Pulse) -> None:
        """Read the log up to where it ends now; what it says is noted, for `apply` to bring."""
        self._catch_up(pulse)

    def apply_last(self, pulse: Pulse, timeout_seconds: float) -> Position:
        """Bring all that the log has up to now (`copy.last`: call it when the source's fence has closed).

        Returns the position up to which the log was applied. Raises LogBehind: it was not read in time.
        """
        last = position_now(self._locks)
        reach("rows.last")
        self._watching.wait_for(last, timeout_seconds, lambda: pulse("the log"))
        while self.apply(pulse, in_haste=True):
            pass
        return last

    @property
    def behind_keys(self) -> int:
        """How many keys are noted and not applied."""
        return self._watching.count

    def begin_anew(self, pulse: Pulse) -> None:
        """Take away what was copied, and forget how far it was: the log is lost, or the server another."""
        self._leave()
        delete_rows(self._writer, self._there, self.tables, pulse)
        self._writer.begin()
        self._progress.forget()
        self._writer.commit()

    def close(self) -> None:
        """Follow no more, and close what was opened."""
        self._leave()
        for session in self._open:
            session.close()
        self._open.clear()

    def _copy_patiently(self, table: MovedTable, pulse: Pulse) -> None:
        """Copy it, and clear the way after a clash; tries count where they got no further.

        A read that locks may be the one that ends a deadlock, also while the way is cleared: then it is read
        again.
        """
        tries, last = 0, None
        trouble: Exception | None = None
        while True:
            try:
                if isinstance(trouble, Clash):
                    self._clear_way(pulse)
                    self._applier.clear(self._next_keys(table), lambda: pulse("clearing"))
                self._copy_table(table, pulse)
                return
            except Exception as error:
                if not (isinstance(error, Clash) or is_deadlock(error)):
                    raise
                trouble = error
            here = self._progress.walked(table.name).after
            tries = tries + 1 if here == last else 1
            last = here
            if tries >= CLASH_TRIES:
                raise settle(trouble) if isinstance(trouble, Clash) else trouble

    def _copy_table(self, table: MovedTable, pulse: Pulse) -> None:
        walked = self._progress.walked(table.name)
        chunks = Chunks(self._plain, self._snapshot, table, most_rows=self._most_rows).behind(walked)
        is_begun = False
        try:
            with ahead(chunks, CHUNKS_AHEAD) as coming:
                for chunk in coming:
                    if not is_begun:
                        self._writer.begin()
                        is_begun = True
                    self._writer.insert(table, chunk.values)
                    if chunk.long is not None:
                        self._writer.insert_long(table, chunk.long)
                    if chunk.walked is not None:
                        self._progress.store_walked(table.name, chunk.walked)
                        self._writer.commit()
                        is_begun = False
                        self._pace(chunk.walked.bytes - walked.bytes, pulse)
                        walked = chunk.walked
        finally:
            self._there.session.rollback()

    def _catch_up(self, pulse: Pulse) -> None:
        self._watching.wait_for(position_now(self._locks), CATCH_UP_SECONDS, lambda: pulse("the log"))

    def _clear_way(self, pulse: Pulse) -> None:
        self._catch_up(pulse)
        self._applier.clear(self._watching.peek(), lambda: pulse("clearing"))

    def _next_keys(self, table: MovedTable) -> Keys:
        """Keys of the chunk that comes next: an earlier move may have left rows that are of no shop now."""
        walked = self._progress.walked(table.name)
        upto = self._plain.bound(table, walked.after, self._most_rows)
        condition = self._plain.statements(table).between(walked.after, upto)
        return {table.name: dict.fromkeys(self._plain.keys(table, condition))} if table.parent else {}

    def _leave(self) -> None:
        if self._watch is not None:
            self._tailer.leave(self._watch)
            self._watch = None

    @property
    def _watching(self) -> Watch:
        assert self._watch is not None, "follow comes first"
        return self._watch

    @cached_property
    def _server(self) -> str:
        return server_of(self._locks)

    @cached_property
    def _locks(self) -> RowSession:
        """At the source, for reads under locks."""
        return self._session(self._source, as_bytes=True)

    @cached_property
    def _plain(self) -> Reader:
        """At the source, in the snapshot."""
        session = self._session(self._source, as_bytes=True)
        return Reader(session, self.passage, locked=self._snapshot_locks(session))

    def _snapshot_locks(self, session: RowSession) -> bool:
        return not session.is_mariadb if self._is_locking is None else self._is_locking

    @cached_property
    def _snapshot(self) -> Snapshot:
        session = self._plain.session
        return Snapshot(session, locking=self._snapshot_locks(session))

    @cached_property
    def _there(self) -> Reader:
        return Reader(self._session(self._target), self.passage, locked=False)

    @cached_property
    def _writer(self) -> Writer:
        return Writer(self._there.session, self._fence, self.passage, (self._state,))

    @cached_property
    def _progress(self) -> Progress:
        return Progress(self._there.session, self.passage)

    @cached_property
    def _applier(self) -> Applier:
        here = Reader(self._locks, self.passage, locked=True)
        return Applier(self.passage, self.tables, here, self._there, self._writer, self._progress)

    def _session(self, engine: Engine, *, as_bytes: bool = False) -> RowSession:
        session = RowSession(engine, as_bytes=as_bytes)
        self._open.append(session)
        if as_bytes:
            longest = min(session.longest_statement(), self._there.session.longest_statement())
            session.set_longest_result(longest - HEADROOM_BYTES)
        return session
