"""The online copy beside pt-online-schema-change and the server's own blocking COPY.

The same table of a million rows, the same change, filled anew before each, one after the other on one private
MariaDB: alone, beside a steady writer, and beside one at full speed (`copy_writer`). Seconds are from the
first statement to the cut-over and the end of the triggers; podwork's include comparing both tables row by
row, which the others do not do, and the runner's looks at its runs, as seldom as they are in a worker. Its
runs have as many jobs at once as they ask for, each in a thread of its own, with the default batches and
throttles.

The server has both cores, a pool and a log of a size at which nobody waits for them, a full row binlog, and
`innodb_autoinc_lock_mode=2`, as a row binlog allows: otherwise INSERT ... SELECT, of all three, holds up
inserts.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from podwork import App
from podwork.queues import Queues
from podwork.store import Store
from podwork_migrations.copy import job
from podwork_ops.local.account import server_account
from podwork_ops.local.mariadb import MariadbServer
from podwork_pods.iteration.iterations import ShardIterations
from podwork_pods.iteration.throttles.throttles import PodThrottles
from tests.benchmarks.harness import cores
from tests.benchmarks.harness.guard import guard
from tests.benchmarks.harness.measured import Figures
from tests.benchmarks.harness.stage import Stage
from tests.benchmarks.harness.trouble import Trouble
from tests.benchmarks.peers import pt_osc
from tests.support.copy_stand import CopyStand
from tests.support.iteration_stand import POD
from tests.support.processes import REPOSITORY

ROWS = 1_000_000
CHANGE = "ADD COLUMN seen INT NOT NULL DEFAULT 0"
TABLE = (
    "CREATE TABLE bench.order_lines (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, shop_id BIGINT NOT NULL, "
    "sku VARCHAR(40) NOT NULL, note VARCHAR(200) NULL, price DECIMAL(12, 2) NOT NULL, "
    "ordered DATETIME NOT NULL, "
    "KEY by_shop (shop_id, id)) ENGINE=InnoDB"
)
FILL = (
    "INSERT INTO bench.order_lines SELECT seq, seq % 97, MD5(seq), CONCAT(MD5(seq + 1), MD5(seq + 2)), "
    "seq % 1000, '2026-01-01' + INTERVAL seq SECOND FROM bench.seq_1_to_{rows}"
)
SERVER_OPTIONS = (
    "--innodb-autoinc-lock-mode=2",
    "--innodb-log-file-size=256M",
    "--innodb-buffer-pool-size=512M",
)
BLOCKING_NOTE = "which has no writer beside it: they wait until it is done"
LOCK_BUDGET_SECONDS = 3
STEADY_PER_SECOND = 500
ALONE_SECONDS = 8.0
_SECONDS = 900.0


def measure(place: Stage, scale: float) -> Figures:
    """Measure once. Raises Trouble when the peer is missing or fails."""
    pt_osc.check_installed()
    rows = max(20_000, int(ROWS * scale))
    with cores.on(cores.ALL), _mariadb(place.folder) as server:
        bench = _Bench(server, place.redis.url, rows)
        figures: Figures = {"blocking_copy_rows_per_s": bench.rows_per_s(bench.block)}
        figures["pt_osc_rows_per_s"] = bench.rows_per_s(bench.percona)
        figures["online_copy_rows_per_s"] = bench.rows_per_s(bench.podwork)
        for name, change in (("pt_osc", bench.percona), ("online_copy", bench.podwork)):
            seconds, _ = bench.beside_writer(change, STEADY_PER_SECOND)
            figures[f"{name}_steady_rows_per_s"] = rows / seconds
        alone = lambda: time.sleep(ALONE_SECONDS)  # noqa: E731 - one of three that are alike
        for name, change in (("no_change", alone), ("pt_osc", bench.percona), ("online_copy", bench.podwork)):
            seconds, said = bench.beside_writer(change, 0)
            figures |= {f"writer_{name}_{what}": value for what, value in said.items()}
            if change is not alone:
                figures[f"{name}_full_speed_rows_per_s"] = rows / seconds
    return figures


class _Bench:
    def __init__(self, server: MariadbServer, redis_url: str, rows: int) -> None:
        self._server = server
        self._queues = Queues(Store(redis_url))
        self._rows = rows

    def block(self) -> None:
        """Let the server do it, with writers waiting."""
        self._execute(f"ALTER TABLE bench.order_lines {CHANGE}, ALGORITHM=COPY")

    def percona(self) -> None:
        """Let pt-online-schema-change do it."""
        pt_osc.change(self._server.port, "bench", "order_lines", CHANGE)

    def podwork(self) -> None:
        """Do it by podwork's online copy."""
        stand = CopyStand(f"{self._server.url}/bench", lock_budget_seconds=LOCK_BUDGET_SECONDS)
        try:
            stand.begin(f"ALTER TABLE order_lines {CHANGE}", hold_hours=1)
            _hold_back(stand, self._queues)
            with stand.working(cores.COUNT):
                stand.finish_by_others(_SECONDS)
        except Exception as error:
            raise Trouble(f"online copy: {error!r}") from error
        finally:
            stand.close()

    def rows_per_s(self, change: Callable[[], None]) -> float:
        """Return how many rows a second it does alone."""
        self._fill()
        return self._rows / _seconds(change)

    def beside_writer(self, change: Callable[[], None], per_second: float) -> tuple[float, Figures]:
        """Do it beside a writer; return how long it took, and how the writer fared."""
        self._fill()
        command = [sys.executable, "-m", "tests.benchmarks.alone.copy_writer"]
        command += [str(self._server.port), str(self._rows), str(per_second)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
        ) as writer:
            guard(writer.pid)
            assert writer.stdin is not None
            assert writer.stdout is not None
            writer.stdin.write("\n")
            writer.stdin.flush()
            writer.stdout.readline()  # it writes from now on
            try:
                seconds = _seconds(change)
            finally:
                said = writer.communicate("\n", timeout=60)[0]
        return seconds, msgspec.json.decode(said, type=dict[str, float])

    def _fill(self) -> None:
        self._execute("DROP DATABASE IF EXISTS bench", "CREATE DATABASE bench CHARACTER SET utf8mb4", TABLE)
        self._execute(FILL.format(rows=self._rows), "ANALYZE TABLE bench.order_lines")

    def _execute(self, *statements: str) -> None:
        for statement in statements:
            self._server.execute(statement, timeout_seconds=_SECONDS)


def _seconds(change: Callable[[], None]) -> float:
    began = time.perf_counter()
    change()
    return time.perf_counter() - began


def _hold_back(stand: CopyStand, queues: Queues) -> None:
    """Let the runs be held back by what holds them back in a worker."""
    stand.app = App("copies")
    job.declare(stand.app)
    throttles = PodThrottles(POD, lambda: stand.stand.single, lambda: queues)
    stand.iterations = ShardIterations(
        stand.shard, lambda _class, run: stand.pushed.append(run), throttles.of
    )


class _Mariadb(MariadbServer):
    def command(self) -> list[str]:
        return [*super().command(), *SERVER_OPTIONS]


@contextmanager
def _mariadb(folder: Path) -> Iterator[MariadbServer]:
    folder.chmod(0o711)  # the server's account passes through it
    place = folder / "mariadb-copy"
    server = _Mariadb("mariadb", place, server_account())
    try:
        server.start()
        assert server.mark is not None
        guard(server.mark.pid)
        yield server
    finally:
        server.stop()
        shutil.rmtree(place, ignore_errors=True)
