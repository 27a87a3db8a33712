"""Everything that knows pods, in one object.

Owns: `Topology`, which builds the registry, the directory, the connections and the routing from settings.
Promises: opening it connects nothing; it may be shared between threads and carried over a fork, and each
process makes its own connections when it first needs them. Leaves to others: when to open and close it (the
composition root).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from podwork.app import App
from podwork.client import Client
from podwork.interfaces import Iterations, Route
from podwork.queues import Queues
from podwork.settings import Settings
from podwork_pods.cache import DirectoryCache
from podwork_pods.connections import PodConnections
from podwork_pods.directory import Directory
from podwork_pods.engines import create_tables
from podwork_pods.fence import ShardFence
from podwork_pods.outbox import ShardOutbox, schema
from podwork_pods.outbox.gates import Gates
from podwork_pods.outbox.place import Places
from podwork_pods.outbox.ringing import Ringer
from podwork_pods.outbox.rows import OutboxRows
from podwork_pods.pod import Pod
from podwork_pods.registry import PodRegistry, open_registry
from podwork_pods.roster import Roster
from podwork_pods.routing import DirectoryRouter, PodFence

if TYPE_CHECKING:
    from podwork.worker.spec import Service
    from podwork_pods.iteration.shard import IterationShard
    from podwork_pods.mover.tables.declaration import ShopTables
    from podwork_pods.transaction import ShopTransactions


class Topology:
    """The pods, who owns what, and how to get there."""

    def __init__(self, settings: Settings, registry: PodRegistry, directory: Directory) -> None:
        self.settings = settings
        self.registry = registry
        self.directory = directory
        self.cache = DirectoryCache(
            directory, settings.topology.directory_cache_shops, settings.topology.directory_refresh_seconds
        )
        self.roster = Roster(registry)
        self.router = DirectoryRouter(self.cache, self.roster)
        self.connections = PodConnections(self.roster.pod, settings.shard, settings.redis)
        self._ringer = Ringer(self.connections.store)
        self.outbox = ShardOutbox(Places(self.connections.pod_of, self.roster.pods), self._ringer.ring)
        self._iterations: dict[int, Iterations] = {}
        self.tables: Callable[[], ShopTables | None] = lambda: None
        """What the application says of its tables, as whoever composes says where it stands."""

    @classmethod
    def open(cls, settings: Settings) -> Topology:
        """Build it from settings.

        Raises:
            ConfigurationError: a URL is of an unknown kind, or its driver is not installed.
        """
        registry = open_registry(settings.topology.registry_url)
        return cls(settings, registry, Directory(settings.topology.directory_url, settings.shard))

    @cached_property
    def transactions(self) -> ShopTransactions:
        """What opens transactions of shops."""
        # Not at the top: it brings SQLAlchemy's ORM, which a worker loads with its application or not at all.
        from podwork_pods.transaction import ShopTransactions  # noqa: PLC0415 - see above

        return ShopTransactions(self.cache, self.connections.engine, self.shard_fence)

    def client(self) -> Client:
        """Return a client that pushes jobs to the pods that own their shops."""
        return Client(
            self.router,
            self.queues,
            hold_timeout_seconds=self.settings.redis.hold_timeout_seconds,
            outbox=self.outbox,
        )

    def queues(self, pod_id: int) -> Queues:
        """Return the pod's queues.

        Raises:
            UnknownPod, PodUnavailable: there is no such pod, or it is down.
        """
        return Queues(self.connections.store(pod_id), lease_seconds=self.settings.worker.lease_seconds)

    def fence(self, pod_id: int) -> PodFence:
        """Return the engine's fence for workers of the pod."""
        return PodFence(pod_id, self.cache)

    def shard_fence(self, pod_id: int) -> ShardFence:
        """Return the fences in the pod's shard."""
        return ShardFence(pod_id, lambda: self.connections.engine(pod_id), self.directory.locate)

    def outbox_rows(self, pod_id: int) -> OutboxRows:
        """Return the outbox in the pod's shard."""
        return OutboxRows(pod_id, partial(self.connections.engine, pod_id, autocommit=True))

    def gates(self, pod_id: int) -> Gates:
        """Return the gates that the pod's fences call for."""
        return Gates(pod_id, partial(self.connections.engine, pod_id), self.directory.locate)

    def iterations(self, pod_id: int, app: App) -> Iterations:
        """Return what runs the application's iteration jobs on the pod; the same one for each of them."""
        found = self._iterations.get(pod_id)
        if found is None:  # two threads may come here: the first one's stays
            # Not at the top: a worker without such jobs has no use for it.
            from podwork_pods.iteration.iterations import ShardIterations  # noqa: PLC0415 - see above
            from podwork_pods.iteration.run_jobs import RunJobs  # noqa: PLC0415 - see above
            from podwork_pods.iteration.throttles.throttles import PodThrottles  # noqa: PLC0415 - see above

            single = partial(self.connections.engine, pod_id, autocommit=True)
            throttles = PodThrottles(pod_id, single, partial(self.queues, pod_id))
            made = ShardIterations(
                self.iteration_shard(pod_id),
                RunJobs(app).of_class,
                throttles.of,
                lease_seconds=self.settings.worker.lease_seconds,
            )
            found = self._iterations.setdefault(pod_id, made)
        return found

    def keeper(self, pod_id: int, app: App) -> Service:
        """Return the service that sees to it that the pod's runs have jobs."""
        from podwork_pods.iteration.keeper import keeper_service  # noqa: PLC0415 - as in `iterations`
        from podwork_pods.iteration.run_jobs import RunJobs  # noqa: PLC0415 - as in `iterations`

        shard, lease_seconds = self.iteration_shard(pod_id), self.settings.worker.lease_seconds
        return keeper_service(shard, RunJobs(app).of_known, lease_seconds)

    def iteration_shard(self, pod_id: int) -> IterationShard:
        """Return the pod's shard as runs see it."""
        from podwork_pods.iteration.shard import IterationShard  # noqa: PLC0415 - as in `iterations`

        engine = self.connections.engine
        single = partial(engine, pod_id, autocommit=True)
        return IterationShard(
            pod_id, partial(engine, pod_id), single, lambda: self.transactions, tables=self._declared_tables
        )

    def _declared_tables(self) -> ShopTables | None:
        return self.tables()  # as it is then: it may be said later than this shard is asked for

    def allocate_shop(self) -> tuple[int, Route]:
        """Make a new shop on one of the active pods; return its number and its route.

        Raises:
            NoActivePod: none takes new shops.
        """
        return self.directory.allocate_shop(self.registry.list())

    def prepare(self) -> None:
        """Make the directory's tables, those of moves too; repeatable.

        The registry makes its own at the first `put`.
        """
        from podwork_pods.mover import schema as moves_schema  # noqa: PLC0415 - no worker makes tables

        self.directory.create_schema(moves_schema.create)

    def prepare_shard(self, pod_id: int, *further: Callable[[Connection], object]) -> None:
        """Make podwork's tables in the pod's shard (and an SQLite shard's file); repeatable.

        `further` make those of packages that this one does not know.
        In a shard that was prepared by an earlier version it makes what has been added since.

        Raises:
            UnknownPod: there is no such pod.
            ShardUnavailable: its shard cannot be reached.
        """
        from podwork_pods.iteration import schema as runs_schema  # noqa: PLC0415 - no worker makes tables

        pod: Pod = self.registry.get(pod_id)
        engine = self.connections.shard_engine(pod, must_exist=False)
        try:
            create_tables(engine, self.shard_fence(pod_id).create_schema)
            create_tables(engine, schema.create)
            create_tables(engine, runs_schema.create)
            if engine.dialect.name != "sqlite":  # there rows are copied in one go
                from podwork_pods.mover.rows import progress  # noqa: PLC0415 - it needs MariaDB's driver

                create_tables(engine, progress.create_schema)
            for create in further:
                create_tables(engine, create)
        finally:
            engine.dispose()

    def close(self) -> None:
        """Close what this process opened."""
        self._ringer.close()
        self.cache.close()
        self.roster.close()
        self.connections.close()
        self.directory.close()
        self.registry.close()
