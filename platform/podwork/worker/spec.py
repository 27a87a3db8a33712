"""What a worker is asked to be, what it connects to, and how it says that it is well.

Owns: `WorkerSpec`, `Connections`, `Health`. Leaves to others: where the values come from (the composition
root in `podwork_ops` makes them from the settings).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podwork.app import App
    from podwork.client import Client
    from podwork.interfaces import Fence
    from podwork.queues import Queues
    from podwork.worker.middleware import Middleware


def _no_epoch() -> int:
    return 0


def _connected() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Connections:
    """What one child works with; made in the child, after the fork, by `WorkerSpec.connect`.

    `directory_epoch` and `connected` are asked once a second and must answer from memory.
    """

    queues: Queues
    client: Client
    fence: Fence
    close: Callable[[], None]
    directory_epoch: Callable[[], int] = _no_epoch
    connected: Callable[[], bool] = _connected


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """One `podctl workers` command.

    `connect` runs in every child and raises a `PodworkError` if the child can never work; an unreachable
    Redis is not that: the child waits for it. `memory_limit_bytes` of 0 means no limit.
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
