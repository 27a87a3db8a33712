"""The composition of a worker: the process behind `podctl workers`.

Owns: the order of its start and its end. Promises: what can be refused is refused before the first child is
forked, in one line (no application, no such pod, Redis silent, port taken); nothing is open while it forks;
each child opens its own and announces itself. Leaves to others: children and signals (`podwork.worker`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Final

from podwork import App
from podwork.identity import new_incarnation
from podwork.observation import Observation
from podwork.schedules.ticker import service as schedules_service
from podwork.settings import Settings
from podwork.worker import Connections, JobConnections, Supervisor, WorkerSpec
from podwork.worker.spec import Service
from podwork.worker.surveyor import Surveyor
from podwork_ops.application import declare_schedules, load_app
from podwork_ops.composition import Platform, open_platform
from podwork_pods import PodState
from podwork_pods.errors import PodUnavailable
from podwork_pods.outbox.service import relay_service
from podwork_pods.topology import Topology

WITH_ITERATION_JOBS: Final = ("podwork_pods.iteration.iterations", "podwork_pods.transaction")
"""Loaded before the fork, for children and job processes to share, where the application has such jobs."""


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """What a worker says of itself when it starts."""

    pod_id: int
    pid: int
    app: str
    queues: list[str]
    processes: int
    threads: int
    isolate: bool
    drain_seconds: float
    revision: str
    metrics: str | None

    def __str__(self) -> str:
        metrics = f"metrics http://{self.metrics}/metrics" if self.metrics else "no metrics endpoint"
        runners = "job processes" if self.isolate else "threads"
        return (
            f"pod {self.pod_id}: working for {self.app} on {', '.join(self.queues)}; "
            f"{self.processes} x {self.threads} {runners}, revision {self.revision}, "
            f"{metrics}, pid {self.pid}"
        )


def run_workers(settings: Settings, pod_id: int, started: Callable[[WorkerStart], None]) -> int:
    """Run a pod's workers until they are told to stop; return the exit code.

    Args:
        settings: all of them, flags included.
        pod_id: the pod whose jobs to run.
        started: told once, when everything is ready and before the first child is forked.

    Raises:
        PodworkError: the worker cannot start: no such application or pod, Redis does not answer, the
            port is taken. Once it runs, a server that goes away is waited for.
    """
    app = load_app(settings.app.target)
    declare_schedules(settings.schedules.file, app)
    says = _declare_migrations(settings, app)
    _declare_moves(settings, app)
    if app.has_iteration_jobs():
        for module in WITH_ITERATION_JOBS:
            import_module(module)
    check_pod(settings, pod_id)
    spec = worker_spec(settings, app, pod_id, says)
    if not settings.metrics.port:
        started(_start(settings, pod_id, None))
        return Supervisor(spec, _unobserved).run()
    # Not at the top: prometheus-client and an HTTP server are 3 MiB, which every child inherits.
    from podwork_ops.metrics import MetricsEndpoint, WorkerMetrics  # noqa: PLC0415 - see above

    metrics = WorkerMetrics(pod_id, settings.app.revision)
    supervisor = Supervisor(spec, metrics.observe)
    endpoint = MetricsEndpoint(
        settings.metrics.host, settings.metrics.port, metrics.registry, supervisor.health
    )
    endpoint.start()
    try:
        started(_start(settings, pod_id, endpoint.address))
        return supervisor.run()
    finally:
        endpoint.stop()


def check_pod(settings: Settings, pod_id: int) -> None:
    """Ask once for what a worker needs, and let go of it again: the supervisor forks with nothing open.

    Raises:
        PodworkError: the pod is unknown or down, or its Redis does not answer.
    """
    with open_platform(settings) as platform:
        pod = platform.pod(pod_id)
        if pod.state is PodState.DOWN:
            raise PodUnavailable(pod_id, pod.state.value, "run its jobs")
        platform.topology.connections.store(pod_id).ping()


def worker_spec(
    settings: Settings, app: App, pod_id: int, says: Mapping[str, str] = MappingProxyType({})
) -> WorkerSpec:
    """Return what the supervisor and its children need to know; `says` is what they say of themselves."""
    worker = settings.worker
    return WorkerSpec(
        pod_id=pod_id,
        app=app,
        queues=tuple(worker.queues),
        processes=worker.processes,
        threads=worker.threads,
        drain_seconds=worker.drain_seconds,
        lease_seconds=worker.lease_seconds,
        memory_limit_bytes=worker.memory_limit_mib * 1024 * 1024,
        prefetch_seconds=worker.prefetch_seconds,
        revision=settings.app.revision,
        connect=lambda: connect_child(settings, app, pod_id),
        isolate=worker.isolate,
        connect_in_job=lambda: connect_in_job(settings, app, pod_id),
        says=says,
    )


def connect_child(settings: Settings, app: App, pod_id: int) -> Connections:
    """Open what one child needs; called in the child, after the fork."""
    platform = Platform(settings, Topology.open(settings))
    platform.bind(app)
    topology = platform.topology
    presence = platform.registry.announce(pod_id, new_incarnation(), _details(settings))

    def close() -> None:
        presence.close()
        platform.close()

    return Connections(
        queues=topology.queues(pod_id),
        client=platform.client,
        fence=topology.fence(pod_id),
        close=close,
        directory_epoch=lambda: topology.cache.position,
        connected=lambda: presence.held,
        services=(
            relay_service(topology.outbox_rows(pod_id), topology.gates(pod_id)),
            schedules_service(app.schedules, pod_id),
            Surveyor,
            *([topology.keeper(pod_id, app)] if app.has_iteration_jobs() else []),
            *_bind_moves(settings, app, topology, pod_id),
        ),
        iterations=lambda: topology.iterations(pod_id, app),
        applied_migrations=_bind_migrations(settings, app, topology, pod_id),
    )


def connect_in_job(settings: Settings, app: App, pod_id: int) -> JobConnections:
    """Open what one job's own process needs, which connects nothing before it is used (`--isolate`)."""
    platform = Platform(settings, Topology.open(settings))
    platform.bind(app)
    _bind_migrations(settings, app, platform.topology, pod_id)
    _bind_moves(settings, app, platform.topology, pod_id)
    return JobConnections(platform.client, platform.close, lambda: platform.topology.iterations(pod_id, app))


def _declare_migrations(settings: Settings, app: App) -> Mapping[str, str]:
    """Declare the job that applies migrations, if there are any; return what this worker says of them."""
    if not settings.migrations.folder:
        return {}
    from podwork_ops import migrations  # noqa: PLC0415 - only with an application that has migrations

    return migrations.declare(settings, app)


def _bind_migrations(
    settings: Settings, app: App, topology: Topology, pod_id: int
) -> Callable[[], Collection[str]] | None:
    """Let that job work in this process; return what says which migrations are applied."""
    if not settings.migrations.folder:
        return None
    from podwork_ops import migrations  # noqa: PLC0415 - as above; the supervisor has loaded it

    migrations.bind(settings, app, topology, pod_id)
    return migrations.applied(topology, pod_id)


def _declare_moves(settings: Settings, app: App) -> None:
    """Declare the job that moves shops, if the application says what its tables are."""
    if settings.moves.tables:
        from podwork_ops import moving  # noqa: PLC0415 - only where shops are moved

        moving.declare(settings, app)


def _bind_moves(settings: Settings, app: App, topology: Topology, pod_id: int) -> list[Service]:
    """Let that job work in this process; return what looks after the pod's moves."""
    if not settings.moves.tables:
        return []
    from podwork_ops import moving  # noqa: PLC0415 - as above; the supervisor has loaded it

    moving.bind(settings, app, topology)
    return [moving.service_of(app, topology, pod_id)]


def _unobserved(_child_pid: int, _observation: Observation) -> None:
    """Keep nothing of what a child counted: nobody can ask for it."""


def _details(settings: Settings) -> dict[str, str]:
    return {"revision": settings.app.revision, "queues": ",".join(settings.worker.queues)}


def _start(settings: Settings, pod_id: int, metrics: str | None) -> WorkerStart:
    worker = settings.worker
    return WorkerStart(
        pod_id=pod_id,
        pid=os.getpid(),
        app=settings.app.target,
        queues=worker.queues,
        processes=worker.processes,
        threads=worker.threads,
        isolate=worker.isolate,
        drain_seconds=worker.drain_seconds,
        revision=settings.app.revision,
        metrics=metrics,
    )
