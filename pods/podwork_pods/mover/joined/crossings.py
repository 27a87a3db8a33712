"""Everything that a move's steps are done with, put together from a topology.

Owns: `Crossings`. Promises: it connects nothing before a step needs it; one process follows each pod's log
once, for all of its moves. Leaves to others: when it is closed (whoever made it).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from podwork_pods.engines import reader
from podwork_pods.mover.crossing import Crossing
from podwork_pods.mover.joined.debts import MoveDebts
from podwork_pods.mover.joined.embedded_rows import EmbeddedRows
from podwork_pods.mover.joined.fences import MoveFences
from podwork_pods.mover.joined.jobs import MoveJobs
from podwork_pods.mover.joined.looking import Look, MovePreflight
from podwork_pods.mover.joined.pod_runs import PodRuns
from podwork_pods.mover.move import Move
from podwork_pods.mover.plans.pace import Paces
from podwork_pods.mover.tables import catalogue
from podwork_pods.mover.tables.declaration import ShopTables
from podwork_pods.mover.tables.table import MovedTable
from podwork_pods.topology import Topology

if TYPE_CHECKING:
    from podwork_pods.mover.joined.served_rows import ServedRows
    from podwork_pods.mover.joined.served_shard import ServedShard
    from podwork_pods.mover.rows.stream.tailer import Tailer


class Crossings:
    """Makes crossings for this process's movers.

    Args:
        topology: has the pods. declaration: what the application says of its tables.
        further: are looked with in preflight, too.
        small_rows: a shop with so many rows, or fewer, is copied while its writes stand still; 0: none is,
            but on SQLite, where there is no other way. In a rehearsal nothing stands still.
    """

    def __init__(
        self,
        topology: Topology,
        declaration: ShopTables,
        further: Sequence[Look] = (),
        *,
        small_rows: int = 0,
    ) -> None:
        self._topology = topology
        self._further = further
        self._declaration = declaration
        self._small_rows = small_rows
        self._tailers: dict[int, Tailer] = {}
        self._paces = Paces(topology)
        self._lock = threading.Lock()

    def __call__(self, move: Move) -> Crossing:
        """Return what the move's leg is done with, under its latest mover epoch."""
        topology, passage = self._topology, move.passage
        runs = PodRuns(passage, topology.connections.engine)
        fences = topology.shard_fence(passage.source), topology.shard_fence(passage.target)
        rows = self._rows(move)
        return Crossing(
            MovePreflight(
                passage,
                self._declaration,
                topology.roster.pod,
                topology.connections.engine,
                runs,
                self._further,
            ),
            MoveFences(passage, *fences),
            MoveJobs(passage, topology.queues),
            rows,
            MoveDebts(
                passage,
                topology.iteration_shard,
                topology.connections.engine,
                topology.shard_fence,
                topology.directory.locate,
            ),
            rows.close,
            self._why_unsure,
        )

    def close(self) -> None:
        """Follow no pod's log any more."""
        with self._lock:
            tailers, self._tailers = list(self._tailers.values()), {}
        for tailer in tailers:
            tailer.close()

    def _why_unsure(self) -> str:
        """Ask for the session with the registry: who is cut off sees no pod change its state or its place."""
        registry = self._topology.registry
        return "" if registry.connected else f"the registry of pods does not answer: {registry.address}"

    def _rows(self, move: Move) -> EmbeddedRows | ServedRows:
        passage, was_planned = move.passage, bool(move.found.get("tables"))
        here, there = (self._topology.connections.engine(pod) for pod in (passage.source, passage.target))
        if here.dialect.name == "sqlite":
            fences = self._topology.shard_fence(passage.source), self._topology.shard_fence(passage.target)
            return EmbeddedRows(
                passage, lambda: self._tables(here), here, there, *fences, was_planned=was_planned
            )
        # Not at the top: it brings the driver of MariaDB and the reader of its log.
        from podwork_pods.mover.joined.served_rows import ServedRows  # noqa: PLC0415 - see above

        return ServedRows(
            passage,
            self._tables,
            self._shard(passage.source, here),
            self._shard(passage.target, there),
            was_planned=was_planned,
            pace=self._paces.of(move),
            small_rows=0 if move.is_rehearsal else self._small_rows,
        )

    def _shard(self, pod_id: int, engine: Engine) -> ServedShard:
        from podwork_pods.mover.joined.served_shard import ServedShard  # noqa: PLC0415 - as above
        from podwork_pods.mover.rows.stream.tailer import Tailer  # noqa: PLC0415 - as above

        with self._lock:
            tailer = self._tailers.get(pod_id)
            if tailer is None:
                tailer = self._tailers[pod_id] = Tailer(pod_id, engine)
        return ServedShard(engine, self._topology.shard_fence(pod_id), tailer)

    def _tables(self, engine: Engine) -> Sequence[MovedTable]:
        with reader(engine).connect() as connection:
            return catalogue.read(connection, self._declaration)
