"""The jobs and gates of both Redis, as the steps of a move set them.

Owns: `MoveJobs`. Promises: what is left behind is pushed straight to the pod that the move knows the shop
on, not where a router remembers it. Leaves to others: every script and its guard (`podwork.transfer`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from podwork.queues import Queues
from podwork.transfer import Transfer, pushing_to
from podwork_pods.mover.crossing import Pulse
from podwork_pods.mover.passage import Passage


class MoveJobs:
    """The jobs of a leg. `queues` gives a pod's; nothing is connected before a step needs it."""

    def __init__(self, passage: Passage, queues: Callable[[int], Queues]) -> None:
        self._passage = passage
        self._queues = queues
        self._made: Transfer | None = None

    def hold_there(self) -> None:
        """Step 11."""
        self._transfer.hold_there()

    def pause_here(self) -> None:
        """Step 12."""
        self._transfer.pause_here()

    def still_held(self) -> Sequence[str]:
        """Name the jobs that processes hold."""
        return [f"{held.job_class} {held.id} at {held.incarnation}" for held in self._transfer.drained()]

    def bring(self, pulse: Pulse) -> None:
        """Step 13."""
        self._transfer.bring(lambda _jobs: pulse("jobs are brought"))

    def hold_here(self) -> None:
        """Step 16."""
        self._transfer.hold_here()

    def bring_last(self) -> None:
        """Step 18."""
        self._transfer.bring_last()

    def check_gates(self) -> None:
        """The look before step 20."""
        self._transfer.look()

    def leave_here(self) -> None:
        """Step 22."""
        self._transfer.leave_here()

    def pass_there(self) -> None:
        """Step 23."""
        self._transfer.pass_there()

    def sweep_here(self) -> None:
        """Step 26."""
        there = self._queues(self._passage.target)
        self._transfer.sweep_here(pushing_to(there, self._passage.epoch + 1))

    def pass_here(self) -> None:
        """Step a3."""
        self._transfer.pass_here()

    def close_there(self) -> None:
        """Step a4."""
        self._transfer.close_there()

    def drop_there(self) -> None:
        """Step a5."""
        self._transfer.drop_there(pushing_to(self._queues(self._passage.source), self._passage.epoch))

    @property
    def _transfer(self) -> Transfer:
        if self._made is None:
            passage = self._passage
            self._made = Transfer(
                self._queues(passage.source),
                self._queues(passage.target),
                shop_id=passage.shop_id,
                epoch=passage.epoch,
                source_pod=passage.source,
                target_pod=passage.target,
                mover=passage.mover,
            )
        return self._made
