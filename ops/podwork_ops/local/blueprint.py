"""Which servers a stack of N pods consists of, and the addresses that follow from them.

Embedded: a SQLite file and a Valkey per pod; registry and directory are SQLite files.
Served: a MariaDB and a Redis per pod, one ZooKeeper; the directory is a database in pod 1's MariaDB.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from podwork_ops.local.account import Account
from podwork_ops.local.mariadb import MariadbServer, MariadbTemplate
from podwork_ops.local.process import ProcessMark
from podwork_ops.local.redis import RedisServer
from podwork_ops.local.server import Server
from podwork_ops.local.state import Form, StackState
from podwork_ops.local.valkey import ValkeyServer
from podwork_ops.local.zookeeper import ZookeeperServer


class PodAddress(NamedTuple):
    """Where a pod's shard and its Redis are."""

    pod_id: int
    shard_url: str
    redis_url: str


class Blueprint(ABC):
    """The servers of a stack, as objects that know the ports and processes of the recorded state."""

    servers: Sequence[Server]

    @property
    @abstractmethod
    def registry_url(self) -> str:
        """The registry of pods."""

    @property
    @abstractmethod
    def directory_url(self) -> str:
        """The directory's database."""

    @abstractmethod
    def pod_addresses(self) -> list[PodAddress]:
        """Where each pod's parts are, in the order of the pods."""

    def create_databases(self) -> None:  # noqa: B027 - SQLite makes its files by itself
        """Create the databases that the addresses name; those that are there stay as they are."""


class EmbeddedBlueprint(Blueprint):
    """SQLite and Valkey."""

    def __init__(self, directory: Path, pods: int, servers_directory: Path, account: Account) -> None:
        self._directory = directory
        self._valkeys = [
            ValkeyServer(name, servers_directory / name, account)
            for name in (f"valkey-{pod_id}" for pod_id in range(1, pods + 1))
        ]
        self.servers = self._valkeys

    @property
    def registry_url(self) -> str:
        """The registry of pods."""
        return self._file("registry")

    @property
    def directory_url(self) -> str:
        """The directory's database."""
        return self._file("directory")

    def pod_addresses(self) -> list[PodAddress]:
        """Where each pod's parts are, in the order of the pods."""
        return [
            PodAddress(pod_id, self._file(f"shard-{pod_id}"), valkey.url)
            for pod_id, valkey in enumerate(self._valkeys, start=1)
        ]

    def _file(self, name: str) -> str:
        return f"sqlite:///{self._directory / name}.db"


class ServedBlueprint(Blueprint):
    """MariaDB, Redis and ZooKeeper."""

    def __init__(self, pods: int, servers_directory: Path, account: Account) -> None:
        template = MariadbTemplate(servers_directory / "mariadb-template", account)
        ids = range(1, pods + 1)
        self._mariadbs = [
            MariadbServer(name, servers_directory / name, account, template=template, server_id=pod_id)
            for pod_id, name in ((pod_id, f"mariadb-{pod_id}") for pod_id in ids)
        ]
        self._redises = [
            RedisServer(name, servers_directory / name, account)
            for name in (f"redis-{pod_id}" for pod_id in ids)
        ]
        self._zookeeper = ZookeeperServer("zookeeper", servers_directory / "zookeeper", account)
        self.servers = [*self._mariadbs, *self._redises, self._zookeeper]

    @property
    def registry_url(self) -> str:
        """The registry of pods."""
        return f"{self._zookeeper.url}/podwork"

    @property
    def directory_url(self) -> str:
        """The directory's database."""
        return self._mariadbs[0].database_url("podwork_directory")

    def pod_addresses(self) -> list[PodAddress]:
        """Where each pod's parts are, in the order of the pods."""
        return [
            PodAddress(pod_id, mariadb.database_url(f"shard_{pod_id}"), redis.url)
            for pod_id, (mariadb, redis) in enumerate(
                zip(self._mariadbs, self._redises, strict=True), start=1
            )
        ]

    def create_databases(self) -> None:
        """Create the databases that the addresses name; those that are there stay as they are."""
        self._mariadbs[0].create_database("podwork_directory")
        for pod_id, mariadb in enumerate(self._mariadbs, start=1):
            mariadb.create_database(f"shard_{pod_id}")


def draw(directory: Path, state: StackState, account: Account) -> Blueprint:
    """Return the stack's servers with the ports and processes that the state remembers."""
    folder = Path(state.servers_directory)
    blueprint: Blueprint
    if state.form is Form.EMBEDDED:
        blueprint = EmbeddedBlueprint(directory, state.pods, folder, account)
    else:
        blueprint = ServedBlueprint(state.pods, folder, account)
    for server in blueprint.servers:
        record = state.servers.get(server.name)
        if record is not None:
            server.port = record.port
            server.mark = ProcessMark(record.pid, record.born) if record.pid else None
    return blueprint
