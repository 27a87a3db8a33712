"""A pod whose shard is a private MariaDB with a million rows, its workers, and its runs.

Owns: `BackfillPod`. Promises: each pass begins with the database at rest (nothing left to purge, an empty
binlog), and every row was incremented exactly once by each pass that counts; if not, that is Trouble. A run's
seconds are those between its start and its end as its own row says: opening it (counting a million rows,
finding its end) is not in them, and neither is the moment until somebody looks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psutil
from sqlalchemy import text

from podwork import IterationJob
from podwork.iteration.states import RunState
from podwork.settings import load
from podwork_ops.composition import Platform, open_platform
from podwork_ops.local.mariadb import MariadbServer
from podwork_pods import Pod
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.shard import IterationShard
from tests.benchmarks.alone import backfills
from tests.benchmarks.harness import cores
from tests.benchmarks.harness.stage import Stage
from tests.benchmarks.harness.tree import Tree, wait
from tests.benchmarks.harness.trouble import Trouble
from tests.benchmarks.peers.roster import PODWORK_ITSELF
from tests.benchmarks.servers import private_mariadb

POD = 1
PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.1
SELDOM_SECONDS = 0.5
"""How often a run is looked at: who looks takes the database's core. Its row says when it ended."""
REST_SECONDS, RESTING_HISTORY = 20.0, 50
_SETTINGS = """\
[topology]
registry_url = "sqlite:///{folder}/registry.db"
directory_url = "sqlite:///{folder}/directory.db"
"""
_HISTORY = "SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len'"


class Passed(NamedTuple):
    """All rows once: the seconds, and the processor time of a row, the client's and the database's together.

    `batch_rows`: how many rows a batch of the second half had.
    """

    seconds: float
    cpu_us: float
    batch_rows: float


class BackfillPod:
    """One pod, one table, and one run at a time."""

    def __init__(
        self, stage: Stage, config: Path, platform: Platform, server: MariadbServer, rows: int
    ) -> None:
        self.shard: IterationShard = platform.topology.iteration_shard(POD)
        self.control = platform.runs(POD)
        self.url = platform.pod(POD).shard_url
        self.rows = rows
        self._stage = stage
        self._config = config
        self._platform = platform
        self._server = server
        self._passes = 0

    def worker(self, *options: str, several: bool = False) -> Tree:
        """Start a worker on its core; `several`: with processes for several cores."""
        config = {"PODWORK_CONFIG": str(self._config)}
        surroundings = PODWORK_ITSELF.surroundings(self._stage.redis.url, self._stage.marks.path)
        return Tree(
            PODWORK_ITSELF.command(
                (
                    *("-m", "podwork_ops.cli", "workers", "--pod", str(POD), "--log-level", "warning"),
                    *("--app", f"{backfills.__name__}:app", *options),
                )
            ),
            surroundings | config,
            self._stage.folder / "backfill-worker.log",
            cores.SEVERAL if several else cores.WORKER,
        )

    def await_processes(self, worker: Tree, count: int) -> None:
        """Wait until so many processes of the worker are ready for jobs."""
        inspection = self._platform.inspection(POD)
        wait(lambda: len(inspection.processes()) == count, worker, PATIENCE_SECONDS, f"{count} processes")

    def pass_by_worker(self, job: type[IterationJob], worker: Tree) -> Passed:
        """Let the worker go through all rows. Raises Trouble."""
        self._rest()
        run_id, name = self.start(job), job.__name__
        seen: list[tuple[int, int]] = []

        def is_over() -> bool:
            seen.append(self.progress(run_id))
            return self.run(run_id).state.is_over

        wait(lambda: self.shard.runs.get(run_id), worker, PATIENCE_SECONDS, f"{name} to be made")
        wait(lambda: self.run(run_id).started, worker, PATIENCE_SECONDS, f"{name} to be begun")
        cpu, first = self._cpu_seconds() + worker.cpu_seconds(), self.progress(run_id)[0]
        wait(is_over, worker, PATIENCE_SECONDS, f"{name} to end", SELDOM_SECONDS)
        cpu = self._cpu_seconds() + worker.cpu_seconds() - cpu
        run, done = self.run(run_id), self.progress(run_id)
        if run.state is not RunState.SUCCEEDED or run.started is None or run.ended is None:
            raise Trouble(f"{name} is {run.state}: {run.reason}")
        self._check(done[0], job is not backfills.Look)
        cpu_us = cpu / max(1, self.rows - first) * 1e6
        return Passed(run.ended - run.started, cpu_us, _batch_rows([*seen, done], self.rows))

    def pass_by_hand(self, loop: Callable[[int], float], rows: int, *, increments: bool = True) -> Passed:
        """Let `loop` go through all rows in batches of so many, on the worker's core."""
        self._rest()
        cpu = self._cpu_seconds() + time.process_time()
        with cores.on(cores.WORKER):
            seconds = loop(rows)
        cpu = self._cpu_seconds() + time.process_time() - cpu
        self._check(self.rows, increments)
        return Passed(seconds, cpu / self.rows * 1e6, rows)

    def start(self, job: type[IterationJob]) -> str:
        """Enqueue a run; return its id."""
        run_id: str = job.enqueue(pod=POD)
        return run_id

    def run(self, run_id: str) -> Run:
        """Return a run that is there."""
        run = self.shard.runs.get(run_id)
        assert run is not None
        return run

    def progress(self, run_id: str) -> tuple[int, int]:
        """Return how many rows and batches of a run are done."""
        parts = self.shard.partitions.of(run_id)
        return sum(part.rows_done for part in parts), sum(part.batches for part in parts)

    def values(self, query: str) -> list[Any]:
        """Return the first column of what a query finds."""
        with self._platform.engine(POD).connect() as connection:
            return list(connection.execute(text(query)).scalars())

    def on_all_cores(self) -> None:
        """Let the database use every core, for workers that do."""
        assert self._server.mark is not None
        cores.move(self._server.mark.pid, cores.ALL)

    def forget_counts(self) -> None:
        """Set all rows back, after a run that was not let to its end."""
        with self._platform.engine(POD).begin() as connection:
            connection.execute(text("UPDATE items SET n = 0"))
        self._passes = 0

    def _cpu_seconds(self) -> float:
        assert self._server.mark is not None
        return sum(psutil.Process(self._server.mark.pid).cpu_times()[:2])

    def _rest(self) -> None:
        """Wait until the pass before costs the database nothing any more."""
        self._server.execute("RESET MASTER")
        until = time.monotonic() + REST_SECONDS
        while int(str(self._server.execute(_HISTORY)[0][0])) > RESTING_HISTORY and time.monotonic() < until:
            time.sleep(POLL_SECONDS)

    def _check(self, done: int, increments: bool) -> None:
        self._passes += increments
        wrong = self.values(f"SELECT COUNT(*) FROM items WHERE n <> {self._passes}")[0]
        if wrong or done != self.rows:
            raise Trouble(f"{done} of {self.rows} rows done, {wrong} of them not once in each pass")


def _batch_rows(seen: Sequence[tuple[int, int]], rows: int) -> float:
    """Return the mean size of the batches from the first look past the half on, or of all."""
    last_rows, last_batches = seen[-1]
    for done, batches in seen:
        if rows / 2 <= done and batches < last_batches:
            return (last_rows - done) / (last_batches - batches)
    return last_rows / max(1, last_batches)


@contextmanager
def backfill_pod(stage: Stage, rows: int) -> Iterator[BackfillPod]:
    """Open a pod with so many rows beside the stage's own; everything is gone afterwards."""
    stage.clear()
    with (
        TemporaryDirectory(prefix="backfill-", dir=stage.folder) as folder,
        private_mariadb(stage.folder) as server,
    ):
        config = Path(folder) / "podwork.toml"
        config.write_text(_SETTINGS.format(folder=folder))
        url = server.create_database("backfill")
        with open_platform(load(environment={}, file=config).settings) as platform:
            platform.topology.prepare()
            platform.registry.put(Pod(POD, shard_url=url, redis_url=stage.redis.url))
            platform.topology.prepare_shard(POD)
            platform.bind(backfills.app)
            with platform.engine(POD).begin() as connection:
                for statement in (*backfills.SCHEMA, backfills.FILL.format(rows=rows)):
                    connection.execute(text(statement))
            yield BackfillPod(stage, config, platform, server, rows)
