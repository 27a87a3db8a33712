"""An online copy step by step, on a shard of its own: the line, the ledger, the applier, and the runs' jobs.

`Shop` is the application: threads that write to the table in every way there is, each statement timed, no
error expected but those that it earns itself.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql
from sqlalchemy.engine import make_url

from podwork import App
from podwork.context import JobContext, running
from podwork.identity import job_of_run
from podwork.settings import MigrationsSettings
from podwork_migrations.applying import Progress, Work
from podwork_migrations.copy import job
from podwork_migrations.copy.applier import OnlineCopy
from podwork_migrations.errors import LockBusy
from podwork_migrations.gate import Go
from podwork_migrations.ledger import schema as ledger_schema
from podwork_migrations.ledger.entry import Direction, Entry
from podwork_migrations.ledger.ledger import Ledger
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.line import Line, Turn
from podwork_migrations.migration import Kind, Migration
from podwork_pods import unbroken
from podwork_pods.iteration import schema as iteration_schema
from podwork_pods.iteration.iterations import ShardIterations
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.shard import IterationShard
from tests.support.iteration_stand import POD, IterationStand
from tests.support.scribbling import Scribbler
from tests.support.wait import until

VERSION = "20261124120000"
DUPLICATE = 1062
DEADLOCK = 1213


class CopyStand:
    """One shard; `applier` is brought on by hand."""

    def __init__(self, url: str, *, batch_size: int | None = None, lock_budget_seconds: int = 1) -> None:
        self.url = url
        self.stand = IterationStand(url, lock_wait_seconds=5)
        unbroken.watch(self.stand.engine)
        self.shard = IterationShard(
            POD, lambda: self.stand.engine, lambda: self.stand.single, None, self.stand.clock
        )
        self.ledger = Ledger(POD, lambda: self.stand.single, self.stand.clock)
        self.line = Line(POD, lambda: self.stand.engine, lambda: self.stand.single, self.stand.clock)
        self.settings = MigrationsSettings(lock_budget_seconds=lock_budget_seconds)
        self.applier = OnlineCopy()
        self.pushed: list[Run] = []
        self.app = App("copies")
        job.declare(self.app, throttles=())
        if batch_size is not None:
            for name in (job.COPY, job.COMPARE, job.PURGE):
                target: Any = self.app.job_class(name).declaration.target  # type: ignore[union-attr]
                target.batch_size = target.most_rows = batch_size
        self.iterations = ShardIterations(self.shard, lambda _class, run: self.pushed.append(run))
        self.migration: Migration
        self.most_tries = 0
        with self.stand.engine.begin() as connection:
            iteration_schema.create(connection)
            ledger_schema.create(connection)

    def close(self) -> None:
        self.stand.close()

    def reconnect(self) -> None:
        """Begin with new connections, as a new process does."""
        self.stand.engine.dispose()
        self.stand.single.dispose()

    # The shard

    def execute(self, *statements: str) -> None:
        for statement in statements:
            with self.stand.single.connect() as connection:
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.stand.single.connect() as connection:
            found = connection.exec_driver_sql(query, execution_options={"no_parameters": True})
            return [tuple(row) for row in found]

    def contents(self, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return all rows, as the driver gives them: compared without any of the code under test."""
        return sorted(
            self.rows(f"SELECT {', '.join(f'`{name}`' for name in columns)} FROM `{table}`"), key=repr
        )

    def left_over(self) -> list[str]:
        """Tables and triggers of a copy that are there."""
        tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
        triggers = "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
        names = [str(row[0]) for row in self.rows(f"{tables} UNION ALL {triggers}")]
        return sorted(name for name in names if name.startswith("_podwork_"))

    def clear(self) -> None:
        """Forget the migration and its runs, and drop the table: the clock stands still, and the next copy is
        called the same."""
        self.execute(
            "DROP TABLE IF EXISTS items",
            "DELETE FROM podwork_migrations",
            "DELETE FROM podwork_runs",
            "DELETE FROM podwork_partitions",
        )

    # The migration

    def begin(self, statement: str, **options: Any) -> None:
        """Write into the ledger that a migration runs whose statement is this."""
        self.go_on(**options)
        with self.line.enter("begins") as turn:
            assert turn is not None
            with turn.step() as connection:
                entry = self.ledger.begin(
                    connection, self.migration, Go(), owner="begins", epoch=turn.epoch, code_revision="1"
                )
                self.ledger.note(connection, entry, route="copy", statement=statement)

    def go_on(self, **options: Any) -> None:
        """Know the migration that is under way."""
        options = {"hold_hours": 0.0, **options}
        self.migration = Migration(
            VERSION, "change", Kind.SCHEMA, "0" * 64, Path("x.py"), lambda _op: None, **options
        )

    def note(self, **columns: Any) -> None:
        """Write columns of the entry, as a person does."""
        with self.line.locked() as (connection, _):
            self.ledger.note(connection, self.entry, **columns)

    @property
    def entry(self) -> Entry:
        found = self.ledger.get(VERSION)
        assert found is not None
        return found

    @property
    def stage(self) -> str:
        return self.entry.stage

    def advance(self, act: Callable[[Work], Progress] | None = None) -> Progress | None:
        """Do one bit as the runner does; None: a lock was not to be had."""
        with self.line.enter("runner") as turn:
            assert turn is not None
            work = self.work(turn)
            try:
                progress = (act or self.applier.advance)(work)
            except LockBusy as busy:
                work.record(tries=work.entry.tries + 1, throttle_reason=busy.what)
                self.most_tries = max(self.most_tries, work.entry.tries)
                return None
            work.record(stage=progress.stage, tries=0)
            if progress.done and work.entry.state.is_open:
                to = EntryState.REVERTED if work.direction is Direction.DOWN else EntryState.APPLIED
                with work.step() as connection:
                    self.ledger.enter(connection, work.entry, to)
            return progress

    def work(self, turn: Turn) -> Work:
        """Return what an applier is given."""
        return Work(
            turn, self.ledger, self.entry, self.migration, self.shard, self.pushed.append, self.settings
        )

    def work_on_runs(self, number: int = 0) -> None:
        """Let a worker do what is there for it; `number`: of a run's jobs, which may work at once."""
        for run_id in self.entry.run_ids:
            run = self.shard.runs.get(run_id)
            # Further jobs of a run are pushed when it has been cut for them.
            if run is None or run.state.is_over or (number and not run.partitions):
                continue
            context = JobContext(job_of_run(run.id, number), run.job_class, "default", None, POD, 0)
            with running(context):
                self.iterations.work(self.app.job_class(run.job_class), run.params, context)

    @contextmanager
    def working(self, jobs: int) -> Iterator[None]:
        """Let so many threads work on the runs while the block runs, as a worker's do."""
        over = threading.Event()

        def work(number: int) -> None:
            while not over.wait(0.05):
                self.work_on_runs(number)

        with ThreadPoolExecutor(jobs) as pool:
            working = [pool.submit(work, number) for number in range(jobs)]
            try:
                yield
            finally:
                over.set()
        for one in working:
            one.result()

    def until(
        self, *stages: str, seconds: float = 120.0, act: Callable[[Work], Progress] | None = None
    ) -> None:
        """Go on until one of the stages is reached."""
        deadline = time.monotonic() + seconds
        while self.stage.partition(".")[0] not in stages:
            assert time.monotonic() < deadline, f"still {self.stage}: {self.entry}"
            self.advance(act)
            self.work_on_runs()

    def finish_by_others(self, seconds: float = 120.0) -> None:
        """Go on until the migration is applied, while others work on its runs; wait as the runner does."""
        deadline = time.monotonic() + seconds
        while self.entry.state.is_open:
            assert time.monotonic() < deadline, f"still {self.stage}: {self.entry}"
            progress = self.advance()
            time.sleep(0.0 if progress is None else progress.wait_seconds)

    def finish(self, seconds: float = 120.0) -> None:
        """Go on until the migration is applied."""
        deadline = time.monotonic() + seconds
        while self.entry.state.is_open:
            assert time.monotonic() < deadline, f"still {self.stage}: {self.entry}"
            self.advance()
            self.work_on_runs()

    def revert(self) -> None:
        """Let a person say revert."""
        with self.line.locked() as (connection, _):
            entry = self.entry
            self.ledger.enter(connection, entry, EntryState.REVERTING, direction=Direction.DOWN)

    def tidy(self) -> None:
        """Let the time of the old table be over."""
        self.until("done", act=self.applier.tidy)


class Shop:
    """Threads that write to a table of `rows` rows, each statement timed."""

    def __init__(
        self,
        url: str,
        rows: int,
        *,
        threads: int = 3,
        isolation: str = "READ COMMITTED",
        counts_up: bool = True,
    ) -> None:
        self._url = make_url(url)
        self._isolation = isolation
        self.rows = rows
        self.counts_up = counts_up
        self._stop = threading.Event()
        makers = [Scribbler(number, threads, rows, counts_up=counts_up) for number in range(threads)]
        self._threads = [threading.Thread(target=self._write, args=pair) for pair in enumerate(makers)]
        self._done: list[list[str]] = [[] for _ in makers]
        self.errors: list[str] = []
        self.deadlocks: list[str] = []
        self.waits: list[float] = []
        self.written = 0

    def until_written(self, written: int) -> None:
        """Wait until so much was written."""
        until(lambda: self.written >= written, 60.0, f"{written} written, {self.errors[:3]}")

    def replay(self, table: str) -> None:
        """Do to another table what was committed, one thread after the other: they never met."""
        with self._connect() as connection, connection.cursor() as cursor:
            for done in self._done:
                cursor.execute("BEGIN")
                for statement in done:
                    cursor.execute(statement.replace(" items", f" {table}"))
                cursor.execute("COMMIT")

    @contextmanager
    def open(self) -> Iterator[Shop]:
        """Write while the block runs."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(30)

    def _write(self, number: int, maker: Scribbler) -> None:
        chance = random.Random(number)
        with self._connect() as connection, connection.cursor() as cursor:
            while not self._stop.is_set():
                statements = maker.statements(chance)
                is_one = len(statements) == 1
                try:
                    for statement in statements if is_one else ["BEGIN", *statements, "COMMIT"]:
                        began = time.monotonic()
                        cursor.execute(statement)
                        self.waits.append(time.monotonic() - began)
                    self.written += 1
                    self._done[number] += statements
                except pymysql.Error as error:
                    connection.rollback()
                    if error.args[0] != DUPLICATE:  # which it asked for
                        self.errors.append(f"{error} in {statement}")
                    if error.args[0] == DEADLOCK:
                        self.deadlocks.append(_last_deadlock(cursor))

    def _connect(self) -> Any:
        return pymysql.connect(
            host=self._url.host,
            port=self._url.port or 0,
            user=self._url.username,
            database=self._url.database,
            autocommit=True,
            init_command=f"SET SESSION TRANSACTION ISOLATION LEVEL {self._isolation}",
        )


def _last_deadlock(cursor: Any) -> str:
    """Return what the server says of its last deadlock of rows; "": this connection was no part of it."""
    cursor.execute("SELECT CONNECTION_ID()")
    [number] = cursor.fetchone()
    cursor.execute("SHOW ENGINE INNODB STATUS")
    said = str(cursor.fetchone()[2]).partition("LATEST DETECTED DEADLOCK")[2].partition("\nTRANSACTIONS\n")[0]
    return said if f"thread id {number}," in said else ""


@contextmanager
def other_client(url: str) -> Iterator[Any]:
    """Yield a cursor of another client, whose statements are one transaction until it commits."""
    at = make_url(url)
    connection: Any = pymysql.connect(
        host=at.host,
        port=at.port or 0,
        user=at.username,
        database=at.database,
        init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    )
    with connection, connection.cursor() as cursor:
        yield cursor
