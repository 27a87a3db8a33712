"""The online copy beside pt-online-schema-change (Debian's percona-toolkit) and the server's blocking COPY.

The same table of a million rows, the same change, one after the other on the same private MariaDB, which has
all cores; first alone, then beside a writer at full speed (`copy_writer`). Times are from the first statement
to the cut-over; podwork's include comparing both tables row by row, which the others do not do.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from podwork_ops.local.account import server_account
from podwork_ops.local.mariadb import MariadbServer
from tests.benchmarks.harness.guard import guard
from tests.benchmarks.harness.measured import Figures
from tests.benchmarks.harness.stage import Stage
from tests.benchmarks.harness.trouble import Trouble
from tests.support.copy_stand import CopyStand
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
TOOL = "pt-online-schema-change"
ALONE_SECONDS = 8.0


def measure(place: Stage, scale: float) -> Figures:
    """Measure once. Raises Trouble when the peer is missing or fails."""
    if shutil.which(TOOL) is None:
        raise Trouble(f"{TOOL} is not installed: apt-get install percona-toolkit")
    rows = max(20_000, int(ROWS * scale))
    with _mariadb(place.folder) as server:
        bench = _Bench(server, rows)
        figures: Figures = {"blocking_copy_rows_per_s": bench.rows_per_s(bench.block)}
        figures["pt_osc_rows_per_s"] = bench.rows_per_s(bench.percona)
        figures["online_copy_rows_per_s"] = bench.rows_per_s(bench.podwork)
        figures |= bench.beside_writer("writer_alone", lambda: time.sleep(ALONE_SECONDS))
        figures |= bench.beside_writer("writer_pt_osc", bench.percona, "pt_osc_written_rows_per_s")
        figures |= bench.beside_writer("writer_copy", bench.podwork, "online_copy_written_rows_per_s")
    return figures


class _Bench:
    def __init__(self, server: MariadbServer, rows: int) -> None:
        self._server = server
        self._rows = rows
        server.create_database("bench")

    def block(self) -> None:
        """Let the server do it, with writers waiting."""
        self._execute(f"ALTER TABLE bench.order_lines {CHANGE}, ALGORITHM=COPY")

    def percona(self) -> None:
        """Let pt-online-schema-change do it."""
        dsn = f"h=127.0.0.1,P={self._server.port},u=root,D=bench,t=order_lines"
        command = [
            TOOL,
            "--alter",
            CHANGE,
            "--execute",
            "--no-version-check",
            "--recursion-method",
            "none",
            dsn,
        ]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
        if ran.returncode:
            raise Trouble(f"{TOOL}: {ran.stdout[-300:]} {ran.stderr[-300:]}")

    def podwork(self) -> None:
        """Do it by podwork's online copy, with the default batches."""
        stand = CopyStand(f"{self._server.url}/bench", lock_budget_seconds=3)
        try:
            stand.execute("DELETE FROM podwork_migrations")
            stand.begin(f"ALTER TABLE order_lines {CHANGE}", hold_hours=1)
            stand.finish(seconds=900)
        except Exception as error:
            raise Trouble(f"online copy: {error}") from error
        finally:
            stand.close()

    def rows_per_s(self, change: Any) -> float:
        """Return how many rows a second it does."""
        self._fill()
        began = time.perf_counter()
        change()
        return self._rows / (time.perf_counter() - began)

    def beside_writer(self, name: str, change: Any, rate: str = "") -> Figures:
        """Do it beside a writer; return how that fared, and the rows a second."""
        self._fill()
        command = [sys.executable, "-m", "tests.benchmarks.alone.copy_writer"]
        command += [str(self._server.port), str(self._rows), "900"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
        ) as writer:
            guard(writer.pid)
            time.sleep(1.0)
            began = time.perf_counter()
            change()
            seconds = time.perf_counter() - began
            said = msgspec.json.decode(writer.communicate("\n", timeout=60)[0])
        figures = {
            f"{name}_p50_ms": said["p50"], f"{name}_p99_ms": said["p99"], f"{name}_longest_ms": said["max"],
            f"{name}_per_s": said["statements"] / said["seconds"], f"{name}_errors": said["errors"],
        }  # fmt: skip
        return {**figures, rate: self._rows / seconds} if rate else figures

    def _fill(self) -> None:
        self._execute("DROP DATABASE bench", "CREATE DATABASE bench")
        self._execute(TABLE, FILL.format(rows=self._rows), "ANALYZE TABLE bench.order_lines")

    def _execute(self, *statements: str) -> None:
        for statement in statements:
            self._server.execute(statement, timeout_seconds=900.0)


@contextmanager
def _mariadb(folder: Path) -> Iterator[MariadbServer]:
    folder.chmod(0o711)  # the server's account passes through it
    place = folder / "mariadb-copy"
    server = MariadbServer("mariadb", place, server_account())
    try:
        server.start()
        assert server.mark is not None
        guard(server.mark.pid)
        yield server
    finally:
        server.stop()
        shutil.rmtree(place, ignore_errors=True)
