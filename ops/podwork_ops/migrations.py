"""The composition of migrations: from settings to the job that applies them in a worker.

Owns: `declare`, `bind`, `applied`, `prepare`. Promises: a folder that cannot be used stops the migrations,
not the worker; nothing here is imported by a worker whose settings name no folder. Leaves to others: the job
(`podwork_migrations.runner`), the plan's word (`podwork_migrations.plan`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from functools import partial

from sqlalchemy import Connection

from podwork import App
from podwork.inspection import Inspection
from podwork.settings import MigrationsSettings, Settings
from podwork_migrations.errors import InvalidMigration
from podwork_migrations.fingerprint.expected import Expectations
from podwork_migrations.ledger import schema
from podwork_migrations.ledger.ledger import Ledger
from podwork_migrations.plan.alarms import ErrorRate, QueueLatency
from podwork_migrations.plan.gate import PlanGate
from podwork_migrations.plan.halting import Alarm
from podwork_migrations.plan.store import PlanStore
from podwork_migrations.runner import service
from podwork_migrations.runner.known import said
from podwork_migrations.runner.runner import Runner
from podwork_pods.engines import create_tables
from podwork_pods.topology import Topology

log = logging.getLogger("podwork.migrations")


def declare(settings: Settings, app: App) -> dict[str, str]:
    """Declare the job that applies migrations; return what the worker's processes say of their files."""
    service.declare(app, settings.migrations)
    try:
        return said(settings.migrations.folder)
    except InvalidMigration as error:
        log.error("no migration runs here: %s", error)
        return {}


def bind(settings: Settings, app: App, topology: Topology, pod_id: int) -> None:
    """Let the job work on this pod, in this process; nothing is connected before it runs."""
    store = PlanStore.open(settings)
    # Once in a process: an alarm compares with what it saw before.
    gate = PlanGate(store, topology.registry.list, alarms_of(settings.migrations, topology))
    service.bind(app, partial(_runner, settings, app, topology, pod_id, store, gate))


def alarms_of(settings: MigrationsSettings, topology: Topology) -> list[Alarm]:
    """Return the alarms over the pods' jobs that the settings ask for."""

    def look(pod_id: int) -> Inspection:
        return Inspection(topology.connections.store(pod_id))

    alarms: list[Alarm] = []
    if settings.halt_queue_latency_seconds:
        alarms.append(QueueLatency(look, settings.halt_queue_latency_seconds))
    if settings.halt_error_share:
        alarms.append(ErrorRate(look, settings.halt_error_share))
    return alarms


def _runner(
    settings: Settings, app: App, topology: Topology, pod_id: int, store: PlanStore, gate: PlanGate
) -> Runner:
    # Not at the top: they bring Alembic, which a worker loads when it takes its first turn.
    from podwork_migrations.change.routes import Limits  # noqa: PLC0415 - see above
    from podwork_migrations.change.ways import SchemaRoutes  # noqa: PLC0415 - see above
    from podwork_migrations.copy.applier import OnlineCopy  # noqa: PLC0415 - see above
    from podwork_migrations.fingerprint.canonical import canonical  # noqa: PLC0415 - see above

    expectations = Expectations(lambda: store.engine)

    def remember(connection: Connection, done: Collection[str]) -> None:
        expectations.report(pod_id, done, canonical(connection))

    return service.compose(
        topology,
        app,
        pod_id,
        settings.migrations,
        settings.app.revision,
        gate,
        SchemaRoutes(
            OnlineCopy(),
            Limits.of(settings.migrations),
            lock_budget_seconds=settings.migrations.lock_budget_seconds,
        ),
        remember,
    )


def applied(topology: Topology, pod_id: int) -> Callable[[], Collection[str]]:
    """Return what says which migrations count as done on the pod."""
    return Ledger(pod_id, partial(topology.connections.engine, pod_id, autocommit=True)).done


def prepare(topology: Topology, pod_id: int) -> None:
    """Make podwork's tables in the pod's shard, and those of plans beside the directory; repeatable.

    Raises:
        UnknownPod: there is no such pod.
        ShardUnavailable, DirectoryUnavailable: a database cannot be reached.
    """
    store = PlanStore.open(topology.settings)
    try:
        store.prepare()
        create_tables(store.engine, Expectations(lambda: store.engine).create_schema)
    finally:
        store.close()
    topology.prepare_shard(pod_id, schema.create)
