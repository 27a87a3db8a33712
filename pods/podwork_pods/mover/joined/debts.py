"""What backfills over whole pods owe a moving shop, and what keeps migrations out of its cut-over.

Owns: `MoveDebts`: steps 3, 27 and a7 of the protocol, the word that a shop is in transit, and how long each
is left out. Promises: each row of the shop is done once by each backfill, whichever pod's run passes it:

- from before its first row arrives until it lives there, the target's runs leave the shop out; the source's
  do from the cut on, which waits for their batches (`debts.first`, `debts.source`, `debts.lock`)
- what the source's run has not done is a run of the shop, made with the cut, under the shop's fence
  (`debts.own`, `debts.fence`)
- the backfill leaves the shop out for good, on both pods, also if it begins there later (`debts.group`)
- what began meanwhile has left it out from its first row on: the shop owes all of it (`debts.last`)
- where rows of it are kept, it is left out until they are purged

A mover after whom a later one has written a fence writes nothing on that pod. Leaves to others: leaving out
(`iteration.left_out`), and working on the shop's run (`iteration`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, select

from podwork.interfaces import Route
from podwork.points import reach
from podwork_pods import standstill
from podwork_pods.engines import reader
from podwork_pods.errors import FenceConflict
from podwork_pods.fence import ShardFence
from podwork_pods.fence import table as fences
from podwork_pods.iteration import left_out
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.mover.crossing import GivesUp, GivesWay
from podwork_pods.mover.joined.owing import Owing
from podwork_pods.mover.joined.pod_runs import backfills, in_the_way, lock_batches
from podwork_pods.mover.passage import Passage


class MoveDebts:
    """The debts of a leg.

    Args:
        passage: the leg.
        shard, engine, fence: give a pod's.
        locate: the directory's word, never a cache's.
    """

    def __init__(
        self,
        passage: Passage,
        shard: Callable[[int], IterationShard],
        engine: Callable[[int], Engine],
        fence: Callable[[int], ShardFence],
        locate: Callable[[int], Route],
    ) -> None:
        self._passage = passage
        self._shop_id = passage.shop_id
        self._shard = shard
        self._engine = engine
        self._fence = fence
        self._locate = locate

    def settle_first(self) -> None:
        """Step 3: target first, then the cut; then the target knows of it. Raises GivesUp."""
        here, there = self._passage.source, self._passage.target
        with self._writing(there) as connection:
            standstill.lock(connection)
            lock_batches(connection)
            left_out.add(connection, self._shop_id, {left_out.ANY})
        reach("debts.left_out_there")
        self._settle(Route(here, self._passage.epoch), there, is_last=False)
        reach("debts.cut")
        with reader(self._engine(here)).connect() as connection:
            cut = left_out.groups_of(connection, self._shop_id) - {left_out.ANY}
        with self._writing(there) as connection:
            standstill.lock(connection)
            left_out.add(connection, self._shop_id, cut)

    def enter_transit(self) -> None:
        """Before step 15. Raises GivesWay."""
        for pod_id in (self._passage.source, self._passage.target):
            with self._writing(pod_id) as connection:
                migration = standstill.enter_transit(connection, self._shop_id, self._passage.move_id)
            if migration:
                raise GivesWay(f"migration {migration} is under way on pod {pod_id}")

    def leave_transit(self) -> None:
        """When a cut-over gives way."""
        for pod_id in (self._passage.source, self._passage.target):
            with self._writing(pod_id) as connection:
                standstill.leave_transit(connection, self._shop_id)

    def settle_last(self) -> None:
        """Steps 27 and a7: once more where the shop lives; what is kept elsewhere stays left out."""
        home = self._locate(self._shop_id)
        away = self._passage.source + self._passage.target - home.pod_id
        self._settle(home, away, is_last=True)
        reach("debts.settled")
        is_kept = home.pod_id == self._passage.target or self._passage.leg > 1
        with self._writing(away) as connection:
            standstill.leave_transit(connection, self._shop_id)
            if not is_kept:
                left_out.lift(connection, self._shop_id)

    def settle_purged(self) -> None:
        """Step 30: the shop's rows are gone here."""
        with self._writing(self._passage.source) as connection:
            left_out.lift(connection, self._shop_id)

    def _settle(self, home: Route, other: int, *, is_last: bool) -> None:
        """Make what backfills owe the shop a run of its own, where it lives, and let them leave it out."""
        with reader(self._engine(other)).connect() as connection:
            theirs = backfills(connection)
        if self._fence(home.pod_id).read(self._shop_id) is None:
            self._fence(home.pod_id).introduce(self._shop_id, home.epoch)
        with self._writing(home.pod_id, home.epoch) as connection:
            standstill.lock(connection)
            locked = lock_batches(connection)
            groups = left_out.groups_of(connection, self._shop_id)
            was_out = left_out.ANY in groups
            mine = backfills(connection)
            if not is_last and not was_out:
                for what in in_the_way(mine, theirs):
                    raise GivesUp(what)
            if was_out or not is_last:  # else the move ends before it has begun
                owing = Owing(self._passage, self._shard(home.pod_id), connection, locked, was_out=was_out)
                groups |= owing.settle(mine, theirs, groups)
            left_out.add(connection, self._shop_id, groups - {left_out.ANY})
            if is_last:
                left_out.lift(connection, self._shop_id)
                standstill.leave_transit(connection, self._shop_id)
            else:
                left_out.add(connection, self._shop_id, {left_out.ANY})
            reach("debts.settling")

    @contextmanager
    def _writing(self, pod_id: int, epoch: int | None = None) -> Iterator[Connection]:
        """Open a transaction that no mover has after whom a later one has written the shop's fence there.

        `epoch`: the shop lives there under it, or nothing is written.
        """
        mover = self._passage.mover
        with self._engine(pod_id).begin() as connection:
            if epoch is not None:
                self._fence(pod_id).check(connection, self._shop_id, epoch)
            query = select(fences.c.mover_epoch).where(fences.c.shop_id == self._shop_id)
            later = connection.execute(query.with_for_update(read=True)).scalar()
            if later is not None and later > mover:
                raise FenceConflict(self._shop_id, f"mover at most {mover}", f"mover {later}")
            yield connection
