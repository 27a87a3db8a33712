"""Private servers for a benchmark, on their core: Debian's Redis without persistence, and Debian's MariaDB.

MariaDB runs as podwork's local stacks run it: a full row binlog, commits that outlive a kill -9 but not a
power cut, a buffer pool of 64 MB. Where there is memory for files, its files are there.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from podwork_ops.local.account import server_account
from podwork_ops.local.mariadb import MariadbServer
from tests.benchmarks.harness import cores
from tests.benchmarks.harness.guard import guard


class RedisReading(NamedTuple):
    """What Redis says of its own work."""

    cpu_seconds: float
    commands: int
    used_bytes: int


class RedisUnderTest:
    """The Redis through which contestants work: a client of the harness, and its meters."""

    def __init__(self, url: str, client: redis.Redis) -> None:
        self.url = url
        self.client = client

    def read(self) -> RedisReading:
        """Read the meters; the reading itself costs one command."""
        info: dict[str, Any] = self.client.info("everything")
        cpu = float(info["used_cpu_user"]) + float(info["used_cpu_sys"])
        return RedisReading(cpu, int(info["total_commands_processed"]), int(info["used_memory"]))

    def spent_seconds(self) -> float:
        """Return the time spent in scripts, what they call included, and in scans since the start."""
        stats: dict[str, Any] = self.client.info("commandstats")
        names = ("cmdstat_evalsha", "cmdstat_eval", "cmdstat_fcall", "cmdstat_hscan")
        return sum(float(stats[name]["usec"]) for name in names if name in stats) / 1e6

    def clear(self) -> None:
        """Drop everything; what was loaded as scripts stays."""
        self.client.flushall()


@contextmanager
def private_redis(port: int | None = None) -> Iterator[redis.Redis]:
    """Start redis-server, yield a client, stop it. With `port` it also listens on 127.0.0.1."""
    folder = tempfile.mkdtemp(prefix="podwork-bench-")
    path = str(Path(folder) / "redis.sock")
    command = ["redis-server", "--port", str(port or 0), "--bind", "127.0.0.1", "--unixsocket", path]
    command += ["--save", "", "--appendonly", "no", "--dir", folder]
    with subprocess.Popen(cores.pinned(command, cores.REDIS), stdout=subprocess.DEVNULL) as server:
        guard(server.pid)
        try:
            client = redis.Redis(unix_socket_path=path, retry=Retry(ConstantBackoff(0.05), 100))
            client.ping()
            yield client
        finally:
            server.terminate()
            server.wait()
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis_under_test() -> Iterator[RedisUnderTest]:
    """Start a private Redis that contestants reach over TCP on loopback."""
    port = _free_port()
    with private_redis(port) as client:
        yield RedisUnderTest(f"redis://127.0.0.1:{port}/0", client)


class _PinnedMariadb(MariadbServer):
    def command(self) -> list[str]:
        return cores.pinned(super().command(), cores.REDIS)


@contextmanager
def private_mariadb(folder: Path) -> Iterator[MariadbServer]:
    """Start MariaDB with its data in the folder, stop it and remove the data."""
    folder.chmod(0o711)  # the server's account passes through it
    place = folder / "mariadb"
    server = _PinnedMariadb("mariadb", place, server_account())
    try:
        server.start()
        assert server.mark is not None
        guard(server.mark.pid)
        yield server
    finally:
        server.stop()
        shutil.rmtree(place, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number
