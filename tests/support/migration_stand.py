"""A shard with a folder of migrations and runners, for tests: step by step, in the test's own threads."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, text

from podwork import App
from podwork.context import JobContext, running
from podwork.iteration.job import IterationJob
from podwork.settings import MigrationsSettings, ShardSettings
from podwork.testing.clock import VirtualClock
from podwork_migrations.control import LineControl
from podwork_migrations.gate import Go, Wait
from podwork_migrations.ledger import schema as ledger_schema
from podwork_migrations.ledger.entry import Entry
from podwork_migrations.ledger.ledger import Ledger
from podwork_migrations.library import Library
from podwork_migrations.line import Line
from podwork_migrations.migration import Migration
from podwork_migrations.runner.backfilling import Backfilling
from podwork_migrations.runner.outcome import Outcome
from podwork_migrations.runner.runner import Parts, Runner
from podwork_pods import rows, unbroken
from podwork_pods.engines import make_engine
from podwork_pods.errors import DirectoryUnavailable, ShardUnavailable
from podwork_pods.iteration import schema as runs_schema
from podwork_pods.iteration.control import RunControl
from podwork_pods.iteration.iterations import ShardIterations
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.shard import IterationShard
from tests.support.plain_routes import PlainRoutes

POD = 1
NOW = 1_795_000_000.0
ONE, TWO, THREE = "20260101000001", "20260101000002", "20260101000003"


class Told:
    """A gate that answers what a test wants, and writes down what it is told."""

    def __init__(self) -> None:
        self.answers: dict[str, Go | Wait] = {}
        self.asked: list[tuple[str, int]] = []
        self.reports: list[tuple[str, str]] = []
        self.tended = 0
        self.is_away = False

    def may_start(self, pod_id: int, migration: Migration, epoch: int) -> Go | Wait:
        assert pod_id == POD
        self.asked.append((migration.version, epoch))
        if self.is_away:
            raise DirectoryUnavailable("test", "away")
        return self.answers.get(migration.version, Go("plan-1", 2))

    def report(self, pod_id: int, entry: Entry) -> None:
        assert pod_id == POD
        if self.is_away:
            raise DirectoryUnavailable("test", "away")
        if not self.reports or self.reports[-1] != (entry.version, entry.state):
            self.reports.append((entry.version, str(entry.state)))

    def tend(self) -> None:
        self.tended += 1
        if self.is_away:
            raise DirectoryUnavailable("test", "away")


class MigrationStand:
    """One shard; `folder` holds the migrations, `gate` and `portraits` say what a test wants."""

    def __init__(self, url: str, folder: Path, lock_wait_seconds: int = 5) -> None:
        settings = ShardSettings(pool_size=10, lock_wait_seconds=lock_wait_seconds)

        def unavailable(why: str) -> ShardUnavailable:
            return ShardUnavailable(POD, "test", why)

        self.engine: Engine = make_engine(url, unavailable, settings, must_exist=False)
        self.single: Engine = make_engine(url, unavailable, settings, must_exist=False, autocommit=True)
        unbroken.watch(self.engine)
        self.folder = folder
        self.clock = VirtualClock(NOW)
        self.gate = Told()
        self.portraits: Sequence[Mapping[str, str]] | None = None
        self.pushed: list[Run] = []
        self.app = App("stand")
        self.fill = self._declare_fill()
        self.ledger = Ledger(POD, lambda: self.single, self.clock)
        self.line = self.new_line()
        self.shard = IterationShard(POD, lambda: self.engine, lambda: self.single, None, self.clock)
        self.runs = RunControl(POD, lambda: self.engine, lambda: self.single, self.clock)
        self.control = LineControl(self.ledger, self.line, self.library)
        self.routes = PlainRoutes()
        self.runner = self.new_runner()

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def prepare(self, rows: int = 3) -> None:
        """Make podwork's tables, and a table `orders` of rows from 1."""
        with self.engine.begin() as connection:
            ledger_schema.create(connection)
            runs_schema.create(connection)
            connection.execute(text("CREATE TABLE orders (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)"))
            for number in range(1, rows + 1):
                connection.execute(text("INSERT INTO orders VALUES (:id, 0)"), {"id": number})

    def new_line(self) -> Line:
        """Return the line as another process has it."""
        return Line(POD, lambda: self.engine, lambda: self.single, self.clock)

    def new_runner(self, **parts: Any) -> Runner:
        """Return a runner as another process has it."""
        given: dict[str, Any] = {
            "ledger": self.ledger,
            "line": self.new_line(),
            "shard": self.shard,
            "library": self.library,
            "gate": self.gate,
            "routes": self.routes,
            "data": Backfilling(self.app, self.runs),
            "portraits": self._portraits,
            "push": self.pushed.append,
            "settings": MigrationsSettings(folder=str(self.folder)),
            "revision": "rev-1",
            **parts,
        }
        return Runner(POD, Parts(**given), self.clock)

    def library(self) -> Library:
        """Return the migrations of the folder as they are now."""
        return Library.load(self.folder)

    def write(self, version: str, source: str, name: str = "change") -> Path:
        """Write a migration's file."""
        path = self.folder / f"{version}_{name}.py"
        head = "import sqlalchemy as sa\nfrom podwork_migrations import data, schema\n\n"
        path.write_text(head + textwrap.dedent(source))
        return path

    def add_column(self, version: str, column: str, declared: str = "@schema", name: str = "change") -> None:
        """Write a migration that adds a column to `orders`, and takes it back."""
        self.write(
            version,
            f"""
            {declared}
            def up(op):
                op.add_column("orders", sa.Column("{column}", sa.String(20)))

            def down(op):
                op.drop_column("orders", "{column}")
            """,
            name,
        )

    def turn(self, owner: str = "me") -> Outcome:
        """Take a turn."""
        return self.runner.turn(owner)

    def until_done(self, owner: str = "me") -> Outcome:
        """Take turns, with time passing between them, until they ask for no further one."""
        for _ in range(50):
            outcome = self.turn(owner)
            if outcome.again_seconds is None:
                return outcome
            self.clock.advance(outcome.again_seconds)
        raise AssertionError(f"it does not end: {outcome}")

    def entry(self, version: str) -> Entry:
        """Return an entry."""
        found = self.ledger.get(version)
        assert found is not None
        return found

    def states(self) -> dict[str, str]:
        """Return how every entry stands."""
        return {entry.version: str(entry.state) for entry in self.ledger.entries()}

    def columns(self) -> list[str]:
        """Return the columns of `orders`, without those that it always has."""
        query = "SELECT * FROM orders WHERE id = -1"
        with self.engine.connect() as connection:
            names = list(connection.execute(text(query)).keys())
        return [name for name in names if name not in ("id", "n")]

    def column(self, query: str) -> list[Any]:
        """Return the first column of a query."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(query)).scalars())

    def execute(self, statement: str) -> None:
        """Run a statement."""
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def work(self) -> None:
        """Let the jobs of the runs that were pushed work until they end, each run once."""
        iterations = ShardIterations(
            self.shard, lambda _job_class, _run: None, lambda _job, _shop: lambda: None, lease_seconds=15.0
        )
        for run in dict.fromkeys(run.id for run in self.pushed):
            found = self.shard.runs.get(run)
            assert found is not None
            context = JobContext(run, found.job_class, "default", None, POD, 0)
            with running(context):
                iterations.work(self.app.job_class(found.job_class), found.params, context)

    def count_statements(self) -> list[str]:
        """Return a list that grows by every statement sent from now on, but for BEGIN and the like."""
        sent: list[str] = []
        for engine in (self.engine, self.single):
            event.listen(
                engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: sent.append(statement)
            )
        return sent

    def close(self) -> None:
        """Close what was opened."""
        self.engine.dispose()
        self.single.dispose()

    def _portraits(self) -> Sequence[Mapping[str, str]]:
        if self.portraits is not None:
            return self.portraits
        return [{"migrations_digest": self.library().digest, "revision": "rev-1"}]

    def _declare_fill(self) -> type[IterationJob]:
        self.broken: list[str] = []
        broken = self.broken

        class Fill(IterationJob):
            step: int = 1

            def collection(self) -> Any:
                return rows("orders", columns=("id",))

            def each(self, item: Any) -> None:
                if broken:
                    raise ValueError(broken[0])
                change = text("UPDATE orders SET n = n + :step WHERE id = :id")
                self.session.execute(change, {"step": self.step, "id": item.id})

        self.app.job(name="fill", retry=0)(Fill)
        return Fill
