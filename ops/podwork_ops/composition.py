"""The composition root: from settings to a platform that is open.

Owns: `Platform`, what commands, workers and applications hold, and `connect`, for an application's own
processes. Promises: nothing else in podwork turns settings into connections; nothing is connected before
it is used. Leaves to others: the composition of a worker (`podwork_ops.workers`), and every part itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from podwork import App
from podwork.client import Client
from podwork.errors import PodworkError
from podwork.settings import Settings, load
from podwork.store import Store
from podwork_ops.application import load_app
from podwork_pods import Pod, current
from podwork_pods.directory import Directory
from podwork_pods.outbox.arrivals import Arrivals
from podwork_pods.outbox.rebuild import Once, Rebuild
from podwork_pods.registry import PodRegistry
from podwork_pods.topology import Topology

if TYPE_CHECKING:
    from podwork.inspection import Inspection
    from podwork_ops.migration_access import Migrations
    from podwork_ops.move_access import MoveAccess
    from podwork_pods.iteration.control import RunControl
    from podwork_pods.mover.tables.declaration import ShopTables


class Platform:
    """The platform as one process reaches it; everything behind it is opened when first used."""

    def __init__(self, settings: Settings, topology: Topology) -> None:
        self.settings = settings
        self.topology = topology
        self.client: Client = topology.client()
        if settings.moves.tables:
            topology.tables = self._tables

    def _tables(self) -> ShopTables:
        from podwork_ops.application import load_tables  # noqa: PLC0415 - with the first run or move

        return load_tables(self.settings.moves.tables)

    @property
    def registry(self) -> PodRegistry:
        """The registry of pods."""
        return self.topology.registry

    @property
    def directory(self) -> Directory:
        """The directory: shop -> pod and epoch."""
        return self.topology.directory

    def pods(self) -> list[Pod]:
        """Return the pods in ascending order."""
        return sorted(self.registry.list(), key=lambda pod: pod.id)

    def pod(self, pod_id: int) -> Pod:
        """Return one pod. Raises `UnknownPod`."""
        return self.registry.get(pod_id)

    def add_pod(self, pod: Pod) -> None:
        """Register a pod and prepare its shard; a pod that cannot be reached is not registered."""
        self.topology.prepare()
        self.registry.put(pod)
        try:
            self.prepare_shard(pod.id)
            self.topology.connections.store(pod.id).ping()
        except PodworkError:
            self.registry.remove(pod.id)
            raise

    def prepare_shard(self, pod_id: int) -> None:
        """Make podwork's tables in a pod's shard, those of migrations too; repeatable.

        Raises:
            UnknownPod, ShardUnavailable, DirectoryUnavailable: there is none, or it cannot be reached.
        """
        from podwork_ops import migrations  # noqa: PLC0415 - no worker makes tables

        migrations.prepare(self.topology, pod_id)

    def chosen(self, pod_id: int | None) -> list[int]:
        """Return the one pod that was asked for, or all of them. Raises `UnknownPod`."""
        return [self.pod(pod_id).id] if pod_id is not None else [pod.id for pod in self.pods()]

    def store(self, pod_id: int) -> Store:
        """Return a pod's Redis, for what changes holds, limits, jobs and processes. Raises `UnknownPod`."""
        return self.topology.connections.store(pod_id)

    def inspection(self, pod_id: int) -> Inspection:
        """Return the read side of a pod's Redis. Raises `UnknownPod`."""
        from podwork.inspection import Inspection  # noqa: PLC0415 - for people; a worker asks nothing

        return Inspection(self.store(pod_id))

    def rebuild(self, pod_id: int, once: Once = Once.LEAVE) -> Rebuild:
        """Return what gives a pod's emptied Redis back what its shard knows. Raises `UnknownPod`."""
        topology = self.topology
        arrivals = Arrivals(topology.queues(pod_id))
        return Rebuild(topology.outbox_rows(pod_id), arrivals, topology.gates(pod_id), once)

    def runs(self, pod_id: int) -> RunControl:
        """Return what a person does to the pod's runs of iteration jobs, and sees of them."""
        from podwork_pods.iteration.control import RunControl  # noqa: PLC0415 - for people; a worker has its own

        engine = self.topology.connections.engine
        return RunControl(pod_id, partial(engine, pod_id), partial(engine, pod_id, autocommit=True))

    @cached_property
    def migrations(self) -> Migrations:
        """What a person does to migrations, and sees of them."""
        from podwork_ops.migration_access import Migrations  # noqa: PLC0415 - for people; a worker has its own

        return Migrations(self)

    @cached_property
    def moves(self) -> MoveAccess:
        """What a person orders about moves, and sees of them."""
        from podwork_ops.move_access import MoveAccess  # noqa: PLC0415 - for people; a worker has its own

        return MoveAccess(self)

    def engine(self, pod_id: int) -> Engine:
        """Return the engine of a pod's shard; what is done through it is not fenced. Raises `UnknownPod`."""
        return self.topology.connections.engine(pod_id)

    def bind(self, app: App) -> None:
        """Let the application push jobs and open shop transactions from this process."""
        app.bind(self.client)
        current.bind_when_used(lambda: self.topology.transactions)

    def close(self) -> None:
        """Close every connection of this process."""
        if "migrations" in vars(self):
            self.migrations.close()
        self.topology.close()


@contextmanager
def open_platform(settings: Settings) -> Iterator[Platform]:
    """Open the platform for one command."""
    platform = Platform(settings, Topology.open(settings))
    try:
        yield platform
    finally:
        platform.close()


def connect(app: App | None = None, *, config: str | Path | None = None) -> Platform:
    """Connect this process to the platform, so that its jobs can be enqueued and its shops opened.

    Call it once when a web process, a script or a shell starts; call `close()` on the result at the end.

    Args:
        app: the application to bind; without it the one that `app.target` names, if it names one.
        config: a settings file; without it `PODWORK_CONFIG`, then `podwork.toml` in the working directory.

    Raises:
        ConfigurationError: the settings, or the application that they name, cannot be used.
    """
    settings = load(file=Path(config) if config is not None else None).settings
    platform = Platform(settings, Topology.open(settings))
    if app is None and settings.app.target:
        app = load_app(settings.app.target)
    if app is not None:
        platform.bind(app)
    return platform
