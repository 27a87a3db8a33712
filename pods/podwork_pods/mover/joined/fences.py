"""The fences of both shards, as the steps of a move set them.

Owns: `MoveFences`. Promises: each step waits for the lock budget and no longer; a row that is missing is made
first where the protocol allows it. Leaves to others: the rows themselves (`podwork_pods.fence`).
"""

from __future__ import annotations

from typing import Final

from podwork_pods.errors import FenceBusy
from podwork_pods.fence import FenceRow, FenceState, ShardFence
from podwork_pods.mover.passage import Passage

LOCK_BUDGET_SECONDS: Final = 2
"""For how long transactions of the shop are waited for; meanwhile the shop's later ones wait too."""


class MoveFences:
    """Both fences of a leg."""

    def __init__(self, passage: Passage, here: ShardFence, there: ShardFence) -> None:
        self._passage = passage
        self._here = here
        self._there = there
        self._shop_id = passage.shop_id
        self._mover = passage.mover

    def receive_there(self) -> None:
        """Step 4."""
        self._there.receive(
            self._shop_id,
            self._passage.epoch + 1,
            mover_epoch=self._mover,
            lock_wait_seconds=LOCK_BUDGET_SECONDS,
        )

    def close_here(self) -> None:
        """Step 15."""
        self._here.close(
            self._shop_id, self._passage.epoch, mover_epoch=self._mover, lock_wait_seconds=LOCK_BUDGET_SECONDS
        )

    def open_there(self) -> None:
        """Step 21."""
        self._open(self._there, self._passage.epoch + 1)

    def reopen_here(self) -> None:
        """Step a2. A shop whose first transaction is yet to come has no row: it gets one, to bear the
        stamp.

        A transaction that does not end holds an open fence against the stamp, too. Then writes go on anyhow:
        closes that were in the line have given up, and one that comes late is undone (`stay_open_here`;
        when the move has ended, by the sweeper).
        """
        if self._here.read(self._shop_id) is None:
            self._here.introduce(self._shop_id, self._passage.epoch)
        try:
            self._open(self._here, self._passage.epoch)
        except FenceBusy:
            if not _is(FenceState.OPEN, self._here.read(self._shop_id), self._passage.epoch):
                raise

    def stay_open_here(self) -> None:
        """While a leg waits for its cut-over, where the shop lives: undo a close that came late."""
        self._stay_open(self._here, self._passage.epoch)

    def stay_open_there(self) -> None:
        """While the move is reversible, where the shop lives: likewise."""
        self._stay_open(self._there, self._passage.epoch + 1)

    def leave_here(self) -> None:
        """Steps 25, 29 and the end of 30."""
        self._leave(self._here, self._passage.epoch)

    def leave_there(self) -> None:
        """The end of a6."""
        self._leave(self._there, self._passage.epoch + 1)

    def purge_here(self) -> None:
        """Step 30."""
        self._purge(self._here, self._passage.epoch)

    def purge_there(self) -> None:
        """Step a6; a move that is given up before step 4 has no row there yet."""
        if self._there.read(self._shop_id) is None:
            self.receive_there()
        self._purge(self._there, self._passage.epoch + 1)

    def _stay_open(self, fence: ShardFence, epoch: int) -> None:
        if _is(FenceState.CLOSED, fence.read(self._shop_id), epoch):
            self._open(fence, epoch)

    def _open(self, fence: ShardFence, epoch: int) -> None:
        fence.open(self._shop_id, epoch, mover_epoch=self._mover, lock_wait_seconds=LOCK_BUDGET_SECONDS)

    def _leave(self, fence: ShardFence, epoch: int) -> None:
        fence.leave(
            self._shop_id,
            self._kept_epoch(fence, epoch),
            mover_epoch=self._mover,
            lock_wait_seconds=LOCK_BUDGET_SECONDS,
        )

    def _purge(self, fence: ShardFence, epoch: int) -> None:
        fence.purge(
            self._shop_id,
            self._kept_epoch(fence, epoch),
            mover_epoch=self._mover,
            lock_wait_seconds=LOCK_BUDGET_SECONDS,
        )

    def _kept_epoch(self, fence: ShardFence, epoch: int) -> int:
        """Return the row's own epoch where the shop is not: a way back that was given up has left its own."""
        row = fence.read(self._shop_id)
        is_away = row is not None and row.state in (FenceState.MOVED, FenceState.PURGING)
        return row.epoch if row is not None and is_away else epoch


def _is(state: FenceState, row: FenceRow | None, epoch: int) -> bool:
    return row is not None and (row.state, row.epoch) == (state, epoch)
