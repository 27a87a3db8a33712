"""Moves as people reach them from one process: their rows, orders about them, and what stands in their way.

Owns: `MoveAccess`, which `Platform` gives out. Promises: nothing is connected before it is used; nothing
here moves a shop: that is done by the pods' workers. Leaves to others: the workers' side
(`podwork_ops.moving`), printing (`podwork_ops.cli`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select

from podwork.errors import PodworkError
from podwork_ops.application import load_tables
from podwork_ops.move_plan_access import MovePlanAccess
from podwork_pods.engines import reader
from podwork_pods.mover.crossing import Found
from podwork_pods.mover.move import Move, Wanted
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.orders import MoveOrders
from podwork_pods.mover.states import MoveState

if TYPE_CHECKING:
    from podwork_ops.composition import Platform
    from podwork_ops.move_compare import TableCompared
    from podwork_pods.mover.tables.declaration import ShopTables

_COPIES = frozenset({MoveState.COPYING, MoveState.CATCHUP, MoveState.VERIFYING})


class MoveAccess:
    """The moves of a fleet, for those who operate them."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @cached_property
    def store(self) -> Moves:
        """The moves, in the directory's database."""
        return Moves(self._platform.directory)

    @cached_property
    def plans(self) -> MovePlanAccess:
        """Plans of many moves."""
        return MovePlanAccess(self._platform)

    @cached_property
    def orders(self) -> MoveOrders:
        """What a person orders about moves."""
        return MoveOrders(self.store)

    def rehearse(self, order: Callable[[MoveOrders], Move]) -> Move:
        """Give an order and take it back; return what it would have made. Raises what it would raise."""
        return order(MoveOrders(self.store, dry_run=True))

    def check(self, wanted: Wanted) -> Found:
        """Look at everything that could stop a move, as its mover would; change nothing.

        Raises:
            InvalidMove, MoveUnderWay, UnknownShop: the move itself cannot be wanted.
            AppNotLoaded: the declaration of the application's tables cannot be read.
            ShardUnavailable: a shard does not answer.
        """
        from podwork_ops import moving  # noqa: PLC0415 - it brings all of a mover
        from podwork_pods.mover.joined.crossings import Crossings  # noqa: PLC0415 - likewise

        move = self.store.plan(wanted, dry_run=True)
        crossings = Crossings(
            self._platform.topology,
            self._tables(),
            moving.further_looks(self._platform.settings, self._platform.topology),
        )
        try:
            return crossings(replace(move, mover_epoch=0)).preflight.look()
        finally:
            crossings.close()

    def sizes(self, pod_id: int, shop_id: int) -> list[dict[str, Any]]:
        """Return the shop's rows on a pod, table by table: `table`, `rows`, and about how many `bytes`.

        Raises:
            AppNotLoaded, TablesBlocked: the declaration cannot be used for this shard.
            ShardUnavailable: the shard does not answer.
        """
        from podwork_pods.mover.tables import catalogue, size  # noqa: PLC0415 - with what reads a schema

        declaration = self._tables()
        with reader(self._platform.engine(pod_id)).connect() as shard:
            tables = catalogue.read(shard, declaration)
            sizes = size.size_of(shard, catalogue.facts_of(shard), tables, shop_id)
        return [{"table": one.table, "rows": one.rows, "bytes": one.estimated_bytes} for one in sizes]

    def compared(self, move: Move) -> Iterator[TableCompared]:
        """Compare what both pods have of the move's shop, table after table.

        Raises:
            MoveConflict: in its state both need not be equal.
            AppNotLoaded, TablesBlocked: the declaration cannot be used for this shard.
            ShardUnavailable: a shard does not answer.
        """
        from podwork_ops.move_compare import compared  # noqa: PLC0415 - with what reads a schema

        passage, engine = move.passage, self._platform.engine
        # A reversible move's shop trades on the target of its leg.
        is_there = move.state is MoveState.REVERSIBLE
        here, there = (passage.target, passage.source) if is_there else (passage.source, passage.target)
        return compared(move, engine(here), engine(there), self._tables())

    def copied(self, move: Move) -> dict[str, Any]:
        """Return how many rows the copy of a move's leg has brought so far, of how many, if that is known."""
        total = sum(int(size["rows"]) for size in move.found.get("tables", {}).values())
        if move.state.is_over:  # what counted them went with it
            words = f"about {total:,}" if total and move.state is not MoveState.ABORTED else ""
            return {"rows_copied": None, "rows_total": total or None, "rows_in_words": words}
        try:
            rows, bytes_ = self._copied(move)
        except PodworkError as error:
            return {"rows_copied": None, "rows_total": total or None, "rows_in_words": f"unknown: {error}"}
        words = ""
        if rows or move.state in _COPIES:
            words = f"{rows:,} of about {total:,}" if total else f"{rows:,}"
        return {
            "rows_copied": rows,
            "bytes_copied": bytes_,
            "rows_total": total or None,
            "rows_in_words": words,
        }

    def _copied(self, move: Move) -> tuple[int, int]:
        from podwork_pods.mover.rows.progress import progress  # noqa: PLC0415 - with what reads a log

        engine = reader(self._platform.engine(move.passage.target))
        query = select(func.sum(progress.c.rows_copied), func.sum(progress.c.bytes_copied)).where(
            progress.c.move_id == move.id, progress.c.leg == move.leg
        )

        def read(connection: Connection) -> tuple[int, int]:
            if not engine.dialect.has_table(connection, progress.name):
                return 0, 0
            rows, bytes_ = connection.execute(query).one()
            return int(rows or 0), int(bytes_ or 0)

        with engine.connect() as connection:
            return read(connection)

    def _tables(self) -> ShopTables:
        return load_tables(self._platform.settings.moves.tables)
