"""The sweeper of moves: mends what a Redis that forgot, or a late word, has left of a move that has ended.

Owns: `Sweeper`. It looks at shops whose latest move has ended: where the shop is, its fence and its gate
have to be open; where it is not, there are no jobs of it. Promises: it acts under a mover epoch of its own,
which it draws only while the shop has no move under way: a move that is planned later draws a later one,
and refuses it. A gate that was forgotten whole is none: it is open. Leaves to others: moves under way, and
shops that never moved.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from podwork import keys
from podwork.errors import PodworkError
from podwork.gate import read_gate
from podwork.interfaces import Route
from podwork.queues import Queues
from podwork.transfer import Transfer, pushing_to
from podwork_pods.fence import FenceState, ShardFence
from podwork_pods.mover.joined.fences import LOCK_BUDGET_SECONDS
from podwork_pods.mover.move import Move
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.states import ENDED

PAGE_MOVES: Final = 100
"""So many moves are looked at in a turn; the next turn goes on from there, and then from the latest again."""
WATCHED_SECONDS: Final = 7 * 86_400.0
"""For so long after its end a move is looked after."""

log = logging.getLogger("podwork.mover")


class Sweeper:
    """Sweeps after moves whose shops live on one pod now. `fence` and `queues` give a pod's."""

    def __init__(
        self, store: Moves, pod_id: int, fence: Callable[[int], ShardFence], queues: Callable[[int], Queues]
    ) -> None:
        self._store = store
        self._pod_id = pod_id
        self._fence = fence
        self._queues = queues
        self._before: int | None = None

    def turn(self) -> int:
        """Look at a page of moves; return how many things were mended."""
        since = self._store.directory.clock.now() - WATCHED_SECONDS
        page = self._store.page(states=ENDED, pod_id=self._pod_id, before=self._before, limit=PAGE_MOVES)
        recent = [move for move in page if move.entered >= since]
        is_last = len(page) < PAGE_MOVES or len(recent) < len(page)
        self._before = None if is_last else page[-1].id
        return sum(self._look_after(move) for move in recent)

    def _look_after(self, move: Move) -> int:
        route = self._store.directory.locate(move.shop_id)
        away = move.home_pod + move.away_pod - route.pod_id
        if route.pod_id != self._pod_id or self._store.of_shop(move.shop_id) != move:
            return 0  # another pod's, or another move has come since
        try:
            return self._mend(move.shop_id, route, away)
        except PodworkError as error:
            log.warning("move %s: nothing is swept: %s", move.id, error)
            return 0

    def _mend(self, shop_id: int, route: Route, away: int) -> int:
        fence = self._fence(route.pod_id).read(shop_id)
        is_shut = fence is not None and fence.epoch == route.epoch and fence.state == FenceState.CLOSED
        here = self._queues(route.pod_id).store.command("HGET", keys.GATE, shop_id)
        is_held = here is not None and read_gate(here).state != "open"
        is_behind = bool(self._queues(away).store.command("HLEN", keys.jobs(str(shop_id))))
        if not (is_shut or is_held or is_behind):
            return 0
        mover = self._store.draw_for(shop_id)
        if mover is None:
            return 0
        if is_shut:
            self._fence(route.pod_id).open(
                shop_id, route.epoch, mover_epoch=mover, lock_wait_seconds=LOCK_BUDGET_SECONDS
            )
        # As after a switch from there to here, whichever way the move had gone.
        passage = Transfer(
            self._queues(away),
            self._queues(route.pod_id),
            shop_id=shop_id,
            epoch=route.epoch - 1,
            source_pod=away,
            target_pod=route.pod_id,
            mover=mover,
        )
        if is_held:
            passage.pass_there()
        if is_behind:
            passage.sweep_here(pushing_to(self._queues(route.pod_id), route.epoch))
        log.warning(
            "shop %s: swept after its move:%s%s%s",
            shop_id,
            " its fence was closed;" if is_shut else "",
            " its gate was not open;" if is_held else "",
            f" jobs were left on pod {away};" if is_behind else "",
        )
        return is_shut + is_held + is_behind
