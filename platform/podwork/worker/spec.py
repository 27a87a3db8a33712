"""What a worker is asked to be, what it connects to, and how it says that it is well.

Owns: `WorkerSpec`, `Connections`, `Surroundings`, `Health`. Leaves to others: where the values come from (the
composition root in `podwork_ops` makes them from the settings).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from podwork.interfaces import Clock, SystemClock

if TYPE_CHECKING:
    from podwork.app import App
    from podwork.client import Client
    from podwork.interfaces import Fence, Iterations
    from podwork.observation import Tally
    from podwork.queues import Queues
    from podwork.worker.awaiting import AppliedMigrations
    from podwork.worker.life import Life, LifeThread
    from podwork.worker.middleware import Middleware
    from podwork.worker.outage import Outage


def _no_epoch() -> int:
    return 0


def _connected() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a service of a child may use: the pod's queues, and what the child's threads know together.

    The clock says when jobs expire and run again; `podwork.testing` turns it.
    """

    queues: Queues
    life: Life
    outage: Outage
    tally: Tally
    clock: Clock = field(default_factory=SystemClock)


Service = Callable[[Surroundings], "LifeThread"]
"""Makes a thread that every child runs beside its jobs; most of them work only while `life.is_leader`."""


@dataclass(frozen=True, slots=True)
class Connections:
    """What one child works with; made in the child, after the fork, by `WorkerSpec.connect`.

    `services` are started with the child. `directory_epoch` and `connected` are asked once a second and must
    answer from memory. `iterations` is called whenever an iteration job runs, `applied_migrations` by a
    thread of its own; without it job classes that require a migration do not run.
    """

    queues: Queues
    client: Client
    fence: Fence
    close: Callable[[], None]
    directory_epoch: Callable[[], int] = _no_epoch
    connected: Callable[[], bool] = _connected
    services: tuple[Service, ...] = ()
    iterations: Callable[[], Iterations] | None = None
    applied_migrations: AppliedMigrations | None = None


@dataclass(frozen=True, slots=True)
class JobConnections:
    """What one job process works with; made in it, after the fork, by `WorkerSpec.connect_in_job`.

    It should connect nothing before it is used: every job pays for it.
    """

    client: Client
    close: Callable[[], None]
    iterations: Callable[[], Iterations] | None = None


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """One `podctl workers` command.

    `says` are further fields of its processes in Redis, for people and for migrations.
    `connect` runs in every child and raises a `PodworkError` if the child can never work; an unreachable
    Redis is not that: the child waits for it. `isolate` gives each job a process of its own, which calls
    `connect_in_job`, or without one `connect`. `memory_limit_bytes` of 0 means no limit.
    """

    pod_id: int
    app: App
    connect: Callable[[], Connections]
    queues: tuple[str, ...] = ("critical", "default", "low")
    processes: int = 1
    threads: int = 5
    drain_seconds: float = 25.0
    lease_seconds: float = 15.0
    memory_limit_bytes: int = 0
    prefetch_seconds: float = 0.05
    revision: str = "unknown"
    middleware: tuple[Middleware, ...] = ()
    isolate: bool = False
    connect_in_job: Callable[[], JobConnections] | None = None
    says: Mapping[str, str] = field(default_factory=dict)

    def open_in_job(self) -> JobConnections:
        """Open what a job process works with. Raises PodworkError."""
        if self.connect_in_job is not None:
            return self.connect_in_job()
        connections = self.connect()
        return JobConnections(connections.client, connections.close, connections.iterations)


@dataclass(frozen=True, slots=True)
class ChildHealth:
    """What the supervisor knows of a child. `claims_ok`: its last words with Redis went well."""

    pid: int
    beat_age_seconds: float
    busy: int
    claims_ok: bool
    ready: bool


@dataclass(frozen=True, slots=True)
class Health:
    """The worker as a whole. `ready`: every wanted child is registered and can claim."""

    children: list[ChildHealth]
    stopping: bool
    ready: bool
