"""A pod with workers of `tests.support.iteration_shop`, and a run that is watched and disturbed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text

from podwork.iteration.states import RunState
from podwork.settings import load
from podwork_ops.composition import Platform, open_platform
from podwork_pods.iteration.partition import Partition
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.shard import IterationShard
from tests.support import iteration_shop
from tests.support.fleets import Fleet
from tests.support.pause import PausingProcess, Point, start_pausing
from tests.support.processes import PODCTL, ManagedProcess
from tests.support.wait import until

LEASE_SECONDS = 2.0
SHOP = 7
WORKERS = ("workers", "--pod", "1", "--app", "tests.support.iteration_shop:app")


class IterationFleet:
    """One pod, and one run at a time."""

    def __init__(self, fleet: Fleet, platform: Platform) -> None:
        self.fleet = fleet
        self.platform = platform
        self.shard: IterationShard = platform.topology.iteration_shard(1)
        self.run_id = ""

    def fill(self, rows: int) -> None:
        """Make the tables, and so many items."""
        with self.platform.engine(1).begin() as connection:
            for statement in iteration_shop.SCHEMA:
                connection.execute(text(statement))
            for first in range(1, rows + 1, 10_000):
                portion = [{"id": number} for number in range(first, min(first + 10_000, rows + 1))]
                connection.execute(text("INSERT INTO items VALUES (:id, 0)"), portion)

    def start(self, job: type[iteration_shop.Backfill] = iteration_shop.Increment, **given: Any) -> None:
        """Enqueue the run; of the pod, unless a shop is given."""
        where = {} if "shop_id" in given else {"pod": 1}
        self.run_id = job.enqueue(**where, **given)

    def worker(self, *options: str, processes: int = 1, threads: int = 2) -> ManagedProcess:
        """Start a worker."""
        return self.fleet.podctl(*WORKERS, "--processes", str(processes), "--threads", str(threads), *options)

    def pausing_worker(self, *stops: Point) -> PausingProcess:
        """Start a worker with one process and one thread that stops at the points."""
        config = ("--config", str(self.fleet.config))
        return start_pausing(
            self.fleet.processes, stops, *PODCTL, *WORKERS, *config, "--processes", "1", "--threads", "1"
        )

    # The run

    def run(self) -> Run | None:
        """The run, if it was made."""
        return self.shard.runs.get(self.run_id)

    def state(self) -> RunState | None:
        """Its state."""
        run = self.run()
        return None if run is None else run.state

    def parts(self) -> list[Partition]:
        """Its partitions."""
        return self.shard.partitions.of(self.run_id)

    def rows_done(self) -> int:
        """How many rows it has done."""
        return self.shard.partitions.rows_done([self.run_id])[self.run_id]

    def until_rows(self, rows: int, what: object = "", timeout_seconds: float = 60.0) -> None:
        """Wait until so many rows are done."""
        until(lambda: self.rows_done() >= rows, timeout_seconds, f"{rows} rows done; {what}")

    def until_state(self, state: RunState, what: object = "", timeout_seconds: float = 60.0) -> None:
        """Wait until the run is in a state."""
        until(lambda: self.state() is state, timeout_seconds, f"the run to be {state}; {what}")

    def change(self, to: RunState) -> None:
        """Bring it into a state, as a person does."""
        with self.platform.engine(1).begin() as connection:
            self.shard.runs.transition(connection, self.run_id, to)

    # What came of it

    def counts(self) -> Counter[int]:
        """How many rows were incremented how often."""
        with self.platform.engine(1).connect() as connection:
            grouped = connection.execute(text("SELECT n, COUNT(*) FROM items GROUP BY n"))
            return Counter({int(n): int(rows) for n, rows in grouped})

    def told(self) -> Counter[str]:
        """How often each hook was called, and committed."""
        with self.platform.engine(1).connect() as connection:
            return Counter(connection.execute(text("SELECT what FROM told")).scalars())

    def check(self, rows: int, **told: int) -> None:
        """Every row was incremented once, and the run completed once."""
        assert self.counts() == {1: rows}
        assert self.told() == {"on_start": 1, "on_complete": 1, **told}
        assert sum(part.rows_done for part in self.parts()) == rows


@contextmanager
def iteration_fleet(fleet: Fleet, rows: int, sections: Sequence[str] = ()) -> Iterator[IterationFleet]:
    """Yield a fleet with so many items; `sections` are further lines of the settings file."""
    with fleet.config.open("a") as config:
        config.write(f"\n[worker]\nlease_seconds = {LEASE_SECONDS}\n" + "\n".join(sections) + "\n")
    with open_platform(load(file=fleet.config, environment={}).settings) as platform:
        platform.bind(iteration_shop.app)
        platform.directory.assign_many({SHOP: 1})
        made = IterationFleet(fleet, platform)
        made.fill(rows)
        yield made
