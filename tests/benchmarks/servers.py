"""A private Redis for a benchmark: Debian's server without persistence on a unix socket."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

PINNED_CPU = 0


@contextmanager
def private_redis(port: int | None = None) -> Iterator[redis.Redis]:
    """Start redis-server, yield a client, stop it. With `port` it also listens on 127.0.0.1."""
    folder = tempfile.mkdtemp(prefix="podwork-bench-")
    path = str(Path(folder) / "redis.sock")
    pin = ["taskset", "-c", str(PINNED_CPU)] if shutil.which("taskset") else []
    command = [*pin, "redis-server", "--port", str(port or 0), "--bind", "127.0.0.1", "--unixsocket", path]
    command += ["--save", "", "--appendonly", "no", "--dir", folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            client = redis.Redis(unix_socket_path=path, retry=Retry(ConstantBackoff(0.05), 100))
            client.ping()
            yield client
        finally:
            server.terminate()
            server.wait()
            shutil.rmtree(folder, ignore_errors=True)
