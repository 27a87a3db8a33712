"""The private servers of a test session: each kind is started when a test first asks for it.

They end with the session, or, if the session is killed, by the hand of their guardian. A missing program
fails the test and says what to install; nothing is skipped.
"""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar, cast

import redis
from kazoo.client import KazooClient

from podwork_ops.local.account import server_account
from podwork_ops.local.fleet import stop_all
from podwork_ops.local.guardian import Guardian
from podwork_ops.local.mariadb import MariadbServer, MariadbTemplate
from podwork_ops.local.redis import DATABASES, RedisServer
from podwork_ops.local.server import Server
from podwork_ops.local.valkey import ValkeyServer
from podwork_ops.local.zookeeper import ZookeeperServer
from tests.support.wait import until

S = TypeVar("S", bound=Server)


class PrivateServers:
    """Starts servers on demand in a folder of their own."""

    def __init__(self) -> None:
        self.account = server_account()
        self.directory = Path(tempfile.mkdtemp(prefix="podwork-tests-"))
        self.directory.chmod(0o711)  # the servers' account passes through it
        self._template = MariadbTemplate(self.directory / "template", self.account)
        self._guardian = Guardian(remove=self.directory)
        self._shared: dict[type[Server], Server] = {}
        self._all: list[Server] = []
        self._numbers = itertools.count(1)

    def mariadb(self) -> MariadbServer:
        """The session's MariaDB."""
        return self._share(MariadbServer)

    def redis(self) -> RedisServer:
        """The session's Redis."""
        return self._share(RedisServer)

    def valkey(self) -> ValkeyServer:
        """The session's Valkey."""
        return self._share(ValkeyServer)

    def zookeeper(self) -> ZookeeperServer:
        """The session's ZooKeeper."""
        return self._share(ZookeeperServer)

    def start(self, kind: type[S]) -> S:
        """Start one more server, for a test that stops, pauses or kills it."""
        name = f"{kind.kind}-{next(self._numbers)}"
        server: Server
        if issubclass(kind, MariadbServer):
            server = kind(
                name, self.directory / name, self.account, template=self._template, server_id=self.number()
            )
        else:
            server = kind(name, self.directory / name, self.account)
        server.start()
        self._all.append(server)
        assert server.mark is not None
        self._guardian.watch(server.mark)
        return server

    def restart(self, server: Server) -> None:
        """Start a server again, on its old port, after it was stopped or killed."""
        server.stop()
        port = server.port
        server.start()
        assert server.port == port, "another process took the port in between"
        assert server.mark is not None
        self._guardian.watch(server.mark)

    def number(self) -> int:
        """A number not given before in this session, for the name of a database or a chroot."""
        return next(self._numbers)

    def close(self) -> None:
        """Stop everything and delete the folder."""
        stop_all(self._all)
        self._guardian.close()

    def _share(self, kind: type[S]) -> S:
        if kind not in self._shared:
            self._shared[kind] = self.start(kind)
        return cast(S, self._shared[kind])


@contextmanager
def fresh_mariadb(servers: PrivateServers) -> Iterator[str]:
    """Yield the URL of an empty database."""
    server = servers.mariadb()
    name = f"t{servers.number()}"
    yield server.create_database(name)
    with suppress(OSError):  # a test that left a transaction open: the database goes with the session
        server.execute(f"SET STATEMENT lock_wait_timeout=1 FOR DROP DATABASE `{name}`")


def fresh_redis(servers: PrivateServers, server: RedisServer) -> str:
    """Return the URL of an empty database of the server."""
    number = servers.number() % DATABASES
    url = f"{server.url.removesuffix('/0')}/{number}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


def fresh_chroot(servers: PrivateServers) -> str:
    """Return the URL of an empty chroot."""
    server = servers.zookeeper()
    chroot = f"/test-{servers.number()}"
    client = KazooClient(hosts=f"127.0.0.1:{server.port}")
    client.start(timeout=10)
    try:
        client.create(chroot)
    finally:
        client.stop()
        client.close()
    return f"{server.url}{chroot}"


@contextmanager
def paused(server: Server) -> Iterator[None]:
    """Stop the server's process (SIGSTOP), as a frozen machine would, and let it go on afterwards."""
    assert server.mark is not None
    os.kill(server.mark.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.mark.pid, signal.SIGCONT)


def kill(server: Server) -> None:
    """Kill the server's process (SIGKILL) and wait until it is gone."""
    assert server.mark is not None
    os.kill(server.mark.pid, signal.SIGKILL)
    until(lambda: not server.is_running(), message=f"{server.name} is gone")
