"""A private Redis from the `redis-server` program, without persistence."""

from __future__ import annotations

from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from podwork_ops.local.ports import LOOPBACK
from podwork_ops.local.programs import find_program
from podwork_ops.local.server import PING_TIMEOUT_SECONDS, Server

DATABASES = 256  # so that each test can have its own


class RedisServer(Server):
    """One Redis."""

    kind = "redis"

    @property
    def url(self) -> str:
        """How clients reach it."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def program(self) -> Path:
        """Return the server's program."""
        return find_program("redis-server", debian_package="redis-server")

    def check_installed(self) -> None:
        """Raise `ServerMissing` unless its program is there."""
        self.program()

    def command(self) -> list[str]:
        """Return the command line for the present port."""
        options = {
            "--port": str(self.port),
            "--bind": LOOPBACK,
            "--dir": str(self.directory),
            "--save": "",
            "--appendonly": "no",
            "--databases": str(DATABASES),
        }
        return [str(self.program()), *(part for option in options.items() for part in option)]

    def ping(self) -> bool:
        """Tell whether the Redis on the port is the process that was started."""
        client = redis.Redis(
            host=LOOPBACK,
            port=self.port,
            socket_timeout=PING_TIMEOUT_SECONDS,
            socket_connect_timeout=PING_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),  # its default retries for seconds; the caller asks again anyway
        )
        try:
            pid = client.info("server")["process_id"]
        except redis.RedisError:
            return False
        finally:
            client.close()
        return self.mark is not None and int(pid) == self.mark.pid
