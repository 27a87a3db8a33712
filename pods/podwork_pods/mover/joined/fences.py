"""The fences of both shards, as the steps of a move set them.

Owns: `MoveFences`. Promises: each step waits for the lock budget and no longer; a row that is missing is made
first where the protocol allows it. Leaves to others: the rows themselves (`podwork_pods.fence`).
"""

from __future__ import annotations

from typing import Final

from podwork_pods.fence import FenceState, ShardFence
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
        """
        if self._here.read(self._shop_id) is None:
            self._here.introduce(self._shop_id, self._passage.epoch)
        self._open(self._here, self._passage.epoch)

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
