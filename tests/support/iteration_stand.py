"""A shard with runs, for tests: rows that count how often they were worked on, and owners step by step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, Engine, text

from podwork import points
from podwork.iteration.collection import Cursor, Slice
from podwork.iteration.states import RunState
from podwork.settings import ShardSettings
from podwork.testing.clock import VirtualClock
from podwork_pods.engines import make_engine
from podwork_pods.errors import ShardUnavailable
from podwork_pods.iteration import schema
from podwork_pods.iteration.leases import Leases
from podwork_pods.iteration.partition import Partition
from podwork_pods.iteration.partitions import Partitions
from podwork_pods.iteration.quarantine import Quarantine
from podwork_pods.iteration.run import NewRun, Run
from podwork_pods.iteration.runs import Runs
from podwork_pods.iteration.statements import Statements

POD = 1
RUN = "run-1"
NOW = 1_795_000_000.0


class BatchFailed(Exception):
    """What is worked on, or a hook, raised something."""


class IterationStand:
    """One shard: `engine` for transactions, `single` for statements that commit by themselves."""

    def __init__(self, url: str, lock_wait_seconds: int = 20) -> None:
        settings = ShardSettings(pool_size=10, lock_wait_seconds=lock_wait_seconds)

        def unavailable(why: str) -> ShardUnavailable:
            return ShardUnavailable(POD, "test", why)

        self.engine: Engine = make_engine(url, unavailable, settings, must_exist=False)
        self.single: Engine = make_engine(url, unavailable, settings, must_exist=False, autocommit=True)
        self.clock = VirtualClock(NOW)
        self.runs = Runs(POD, lambda: self.single, self.clock)
        self.partitions = Partitions(POD, lambda: self.single, self.clock)
        self.leases = Leases(Statements(POD, lambda: self.single), self.clock)
        self.quarantine = Quarantine(POD, lambda: self.single, self.clock)

    def prepare(self, rows: int = 0) -> None:
        """Make the tables, and a table `items` of rows from 1 that nobody has worked on."""
        with self.engine.begin() as connection:
            schema.create(connection)
            connection.execute(text("CREATE TABLE items (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)"))
            connection.execute(text("CREATE TABLE ends (n INTEGER)"))
            if rows:
                insert = text("INSERT INTO items VALUES (:id, 0)")
                connection.execute(insert, [{"id": number} for number in range(1, rows + 1)])

    def start(
        self, cuts: Sequence[int] = (), *, end: int | None = None, parallel: int = 10, **given: Any
    ) -> Run:
        """Make a running run of the partitions between the cuts."""
        bounds = [None, *((cut,) for cut in cuts), None if end is None else (end,)]
        slices = [Slice(after, upto) for after, upto in pairwise(bounds)]
        run = NewRun(**{"id": RUN, "job_class": "Fill", "params": {}, "parallel": parallel, **given})
        with self.engine.begin() as connection:
            self.runs.create(connection, run, slices)
            return self.runs.transition(connection, run.id, RunState.RUNNING)

    def take(self, owner: str, **dead: Any) -> Partition:
        """Take a partition that is there."""
        taken = self.leases.take(RUN, owner, **dead)
        assert taken is not None
        return taken

    def work(self, connection: Connection, held: Partition, limit: int) -> Partition:
        """Increment the next rows and write down how far it is, in the transaction."""
        ids = following(connection, held.slice, held.cursor, limit)
        for number in ids:
            connection.execute(text("UPDATE items SET n = n + 1 WHERE id = :id"), {"id": number})
        cursor = (ids[-1],) if ids else held.cursor
        return self.partitions.advance(connection, held, cursor, len(ids), done=len(ids) < limit)

    def batch(self, partition: Partition, limit: int) -> Partition:
        """Do one batch, and return the partition after it."""
        with self.engine.begin() as connection:
            return self.work(connection, self.partitions.lock(connection, partition), limit)

    def batch_unheeding(self, partition: Partition, limit: int) -> None:
        """Do one batch, but go on from what was remembered instead of what `lock` says."""
        with self.engine.begin() as connection:
            self.partitions.lock(connection, partition)
            self.work(connection, partition, limit)

    def batch_that_fails(self, partition: Partition, limit: int) -> None:
        """Do one batch and fail before it is committed."""
        with self.engine.begin() as connection:
            self.work(connection, self.partitions.lock(connection, partition), limit)
            raise BatchFailed

    def finish(self, fail: bool = False) -> bool:
        """Ask for the run's end, with an effect in the same transaction."""
        with self.engine.begin() as connection:
            if not self.runs.finish(connection, RUN):
                return False
            connection.execute(text("INSERT INTO ends VALUES (1)"))
            if fail:
                raise BatchFailed
            return True

    def split(self, number: int) -> Partition | None:
        """Cut what is left of a partition in half."""
        with self.engine.begin() as connection:
            return self.partitions.split(connection, RUN, number, middle)

    def transition(self, to: RunState, **given: Any) -> Run:
        """Bring the run into a state."""
        with self.engine.begin() as connection:
            return self.runs.transition(connection, RUN, to, **given)

    def read(self, number: int) -> Partition:
        """Return a partition as everybody sees it."""
        return self.partitions.of(RUN)[number]

    def run(self) -> Run:
        """Return the run as everybody sees it."""
        run = self.runs.get(RUN)
        assert run is not None
        return run

    def counts(self) -> list[int]:
        """Return how often each row was worked on."""
        return self._column("SELECT n FROM items ORDER BY id")

    def ends(self) -> int:
        """Return how often the run has ended."""
        return len(self._column("SELECT n FROM ends"))

    def close(self) -> None:
        """Close what was opened."""
        self.engine.dispose()
        self.single.dispose()

    def _column(self, query: str) -> list[int]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query)).scalars())


def following(connection: Connection, part: Slice, cursor: Cursor | None, limit: int) -> list[int]:
    """Return the ids of the rows behind a cursor."""
    after = cursor or part.after or (0,)
    upto = part.upto or (2**31 - 1,)
    query = text("SELECT id FROM items WHERE id > :after AND id <= :upto ORDER BY id LIMIT :limit")
    found = connection.execute(query, {"after": after[0], "upto": upto[0], "limit": limit})
    return list(found.scalars())


def middle(connection: Connection, part: Slice, cursor: Cursor | None) -> Cursor | None:
    """Return where to cut what is left in half."""
    ids = following(connection, part, cursor, 1_000_000)
    return (ids[len(ids) // 2 - 1],) if len(ids) >= 2 else None


@contextmanager
def together(name: str, parties: int) -> Iterator[None]:
    """Let so many threads stand at the point before any of them goes on; each waits there once."""
    barrier = threading.Barrier(parties)
    seen = threading.local()

    def arrive(reached: str) -> None:
        if reached == name and not getattr(seen, "once", False):
            seen.once = True
            barrier.wait(30)

    points.install(arrive)
    try:
        yield
    finally:
        points.install(None)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run each in a thread of its own; return what they returned or raised, in order."""
    answers: list[Any] = [None] * len(acts)

    def run(number: int, act: Callable[[], Any]) -> None:
        try:
            answers[number] = act()
        except Exception as error:
            answers[number] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return answers
