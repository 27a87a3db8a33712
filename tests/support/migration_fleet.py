"""A pod with workers that apply migrations, and its ledger, which is watched while they are disturbed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

from sqlalchemy import text

from podwork.settings import load
from podwork_migrations.ledger.entry import Entry
from podwork_migrations.ledger.ledger import Ledger
from podwork_migrations.library import Library
from podwork_migrations.plan.plan import PlanOptions
from podwork_migrations.plan.plans import Plans
from podwork_migrations.plan.store import PlanStore
from podwork_migrations.runner.service import control_of
from podwork_ops.composition import Platform, open_platform
from tests.support import iteration_shop
from tests.support.fleets import Fleet
from tests.support.pause import PausingProcess, Point, start_pausing
from tests.support.processes import PODCTL, ManagedProcess
from tests.support.wait import until

LEASE_SECONDS = 2.0
ROWS = 60
WORKERS = ("workers", "--pod", "1", "--app", "tests.support.iteration_shop:app")
HEAD = "import sqlalchemy as sa\nfrom podwork_migrations import data, schema\n\n"
ADD = """
@schema
def up(op):
    op.add_column("items", sa.Column("{column}", sa.Integer))
"""
INCREMENT = """
@data
def up(data):
    data.execute("INSERT INTO told VALUES ('up')")
    data.backfill("increment")
"""


class MigrationFleet:
    """One pod, and a folder of migrations."""

    def __init__(self, fleet: Fleet, platform: Platform, folder: Path) -> None:
        self.fleet = fleet
        self.platform = platform
        self.folder = folder
        topology = platform.topology
        self.ledger = Ledger(1, partial(topology.connections.engine, 1, autocommit=True))
        self.control = control_of(topology, 1, platform.settings.migrations)
        self.versions: list[str] = []
        self.columns: list[str] = []

    @property
    def is_sqlite(self) -> bool:
        return self.platform.engine(1).dialect.name == "sqlite"

    def write(self, source: str) -> str:
        """Write the next migration's file; return its version."""
        version = f"{20260101000000 + len(self.versions)}"
        self.versions.append(version)
        (self.folder / f"{version}_change.py").write_text(HEAD + textwrap.dedent(source))
        return version

    def add_columns(self, count: int) -> None:
        """Write so many migrations that add a column each."""
        for _ in range(count):
            self.columns.append(f"c{len(self.versions)}")
            self.write(ADD.format(column=self.columns[-1]))

    def let_go(self) -> None:
        """Plan all that is written, and start the plan."""
        store = PlanStore.open(self.platform.settings)
        try:
            plans = Plans(store, self.platform.registry.list)
            plan = plans.create(
                Library.load(self.folder).migrations, options=PlanOptions(soak_seconds=0.0), by="test"
            )
            plans.start(plan.number)
        finally:
            store.close()

    def worker(self, *options: str, processes: int = 1) -> ManagedProcess:
        """Start a worker."""
        return self.fleet.podctl(*WORKERS, "--processes", str(processes), "--threads", "2", *options)

    def pausing_worker(self, *stops: Point) -> PausingProcess:
        """Start a worker with one process and one thread that stops at the points."""
        config = ("--config", str(self.fleet.config))
        alone = ("--processes", "1", "--threads", "1")
        return start_pausing(self.fleet.processes, stops, *PODCTL, *WORKERS, *config, *alone)

    def entries(self) -> list[Entry]:
        """The ledger, by version."""
        return self.ledger.entries()

    def states(self) -> list[str]:
        """How those that have begun stand."""
        return [str(entry.state) for entry in self.entries()]

    def until_applied(self, what: object, timeout_seconds: float = 90.0) -> None:
        """Wait until everything is applied, and the plan has heard of it."""

        def is_applied() -> bool:
            entries = self.entries()
            settled = [entry.version for entry in entries if entry.state == entry.reported == "applied"]
            return settled == self.versions

        until(is_applied, timeout_seconds, f"all applied, not {self.states()}; {what}")

    def check(self) -> None:
        """Everything was done once, one after the other."""
        entries = self.entries()
        assert [entry.version for entry in entries] == self.versions
        assert {entry.attempts for entry in entries} == {1}, [entry.error for entry in entries]
        for before, after in pairwise(entries):
            assert before.completed is not None
            assert before.completed <= after.started, "two at the same time"
            assert before.lease_epoch <= after.lease_epoch
        with self.platform.engine(1).connect() as connection:
            found = list(connection.execute(text("SELECT * FROM items WHERE id < 0")).keys())
            counts = set(connection.execute(text("SELECT n FROM items")).scalars())
            told = list(connection.execute(text("SELECT what FROM told WHERE what = 'up'")).scalars())
        assert found == ["id", "n", *self.columns]
        backfills = sum(entry.kind == "data" for entry in entries)
        assert (counts, len(told)) == ({backfills}, backfills)


@contextmanager
def migration_fleet(fleet: Fleet) -> Iterator[MigrationFleet]:
    """Yield a fleet with some items; one look a second for what is pending."""
    folder = fleet.config.parent / "migrations"
    folder.mkdir()
    with fleet.config.open("a") as config:
        config.write(
            f"\n[worker]\nlease_seconds = {LEASE_SECONDS}\n[shard]\nlock_wait_seconds = 2\n"
            f'[migrations]\nfolder = "{folder}"\nevery_seconds = 1\n'
        )
    with open_platform(load(file=fleet.config, environment={}).settings) as platform:
        with platform.engine(1).begin() as connection:
            for statement in iteration_shop.SCHEMA:
                connection.execute(text(statement))
            rows = [{"id": number} for number in range(1, ROWS + 1)]
            connection.execute(text("INSERT INTO items VALUES (:id, 0)"), rows)
        yield MigrationFleet(fleet, platform, folder)
