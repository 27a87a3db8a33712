"""The composition of moves: from settings to the job that moves shops in a worker.

Owns: `declare`, `bind`, `service_of`. Promises: a declaration of tables that cannot be used stops the worker
before it forks, in one line; nothing here is imported by a worker whose settings name no tables, and no
driver of a log before a move needs it. Leaves to others: the job (`podwork_pods.mover.service`) and what it
does (`podwork_pods.mover`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from podwork import App
from podwork.settings import Settings
from podwork.worker.spec import Service
from podwork_ops.application import load_tables
from podwork_pods.mover import service
from podwork_pods.mover.moves import Moves
from podwork_pods.topology import Topology

if TYPE_CHECKING:
    from podwork_pods.mover.joined.looking import Look


def declare(settings: Settings, app: App) -> None:
    """Declare the job that moves shops, if the application says what its tables are.

    Raises:
        AppNotLoaded, InvalidTables: the declaration cannot be used.
    """
    load_tables(settings.moves.tables)
    service.declare(app, settings.moves.queue)


def bind(settings: Settings, app: App, topology: Topology) -> None:
    """Let the job work in this process; nothing is connected before it runs."""

    def parts() -> service.Parts:
        from podwork_pods.mover.joined.crossings import Crossings  # noqa: PLC0415 - with a mover's first turn

        tables = load_tables(settings.moves.tables)
        crossings = Crossings(
            topology,
            tables,
            further_looks(settings, topology),
            small_rows=settings.moves.small_rows,
        )
        return Moves(topology.directory), crossings

    service.bind(app, parts)


def further_looks(settings: Settings, topology: Topology) -> Sequence[Look]:
    """Return with what preflight looks beyond the mover's own tables: at the pods' ledgers of migrations."""
    if not settings.migrations.folder:
        return ()
    from podwork_migrations.apart import Apart  # noqa: PLC0415 - only where there are migrations
    from podwork_migrations.ledger.ledger import Ledger  # noqa: PLC0415 - as above
    from podwork_migrations.plan.coming import Coming  # noqa: PLC0415 - as above

    engine = topology.connections.engine
    coming = Coming(topology.directory, topology.roster.pods)
    return (Apart(lambda pod_id: Ledger(pod_id, partial(engine, pod_id, autocommit=True)), coming),)


def service_of(app: App, topology: Topology, pod_id: int) -> Service:
    """Return what sees to it that the pod's moves have movers, and that plans go on."""
    return service.moves_service(
        app,
        Moves(topology.directory),
        pod_id,
        topology.shard_fence,
        topology.queues,
        topology.roster.pods,
    )
