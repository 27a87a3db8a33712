"""One shop's jobs change pods: the steps of a move that are about jobs, one method each.

    there: hold_there                             (11)  the target's gate is on hold
    here:  pause_here, drained, bring         (12, 13)  no job starts; all are brought, behind the gate
    here:  hold_here, bring_last, look        (16, 18)  pushes wait; what came since is brought
      the switch, in the directory                (20)
    both:  leave_here, pass_there, sweep_here (22, 23, 26)  jobs go on there; what is left here is swept
    back:  pass_here, close_there, drop_there (a3, a4, a5)  before the switch: as if nothing had been

Owns: that order, within each step, and the guards that it rests on (ops/docs/moves.md, "The guards").
Promises: each step can be repeated, and is refused to a mover that another has followed, by the gates
themselves; at no time can a job be started on both pods; whoever dies between two scripts, a successor
repeats the step, or gives up, and no job is lost. The engine knows no pods: their numbers are only
written into gates. Leaves to others: which step is next, waiting and time-outs, and everything about rows
(the mover).

Every method raises StoreUnavailable (it may or may not have been done: the mover is in doubt),
StoreRefused and PassageRefused.
"""

from __future__ import annotations

from podwork.errors import JobsDiffer, PassageRefused
from podwork.queues import Queues
from podwork.transfer.bringing import Bringing, OnPage
from podwork.transfer.manifest import Manifests
from podwork.transfer.side import Held, Side
from podwork.transfer.sweeping import PushOn, sweep


class Transfer:
    """The jobs of one passage, in the hands of one mover.

    Args:
        source, target: the queues of the pods between which the shop passes.
        epoch: the shop's at the source; at the target it opens under the next.
        mover: the mover epoch. A mover in doubt draws another one, and makes another transfer.
    """

    def __init__(
        self,
        source: Queues,
        target: Queues,
        *,
        shop_id: int,
        epoch: int,
        source_pod: int,
        target_pod: int,
        mover: int,
    ) -> None:
        self._here = Side(source.store, shop_id, epoch, mover)
        self._there = Side(target.store, shop_id, epoch, mover)
        self._epoch = epoch
        self._source_pod = source_pod
        self._target_pod = target_pod

    # Before the switch

    def hold_there(self) -> None:
        """Put the target's gate on hold, and clear what an earlier attempt has brought (step 11)."""
        self._there.set_gate("hold", self._epoch, self._target_pod)
        if not self._here.is_mine(self._here.gate(), "pausing", "hold"):
            Bringing(self._here, self._there).clear()

    def pause_here(self) -> None:
        """Let no job of the shop start at the source, and tell those who hold some to yield (step 12).

        Said again, it tells those who still hold some once more.
        """
        self._here.pause(self._source_pod)

    def drained(self) -> list[Held]:
        """Return what is still held at the source; empty: it can be brought."""
        return self._here.held()

    def bring(self, on_page: OnPage | None = None) -> Manifests:
        """Bring the shop's jobs, while pushes are still accepted; return what both pods have (step 13).

        Args:
            on_page: told after each page how many jobs it had; what it raises ends the step, to be repeated.

        Raises:
            JobsHeld: processes hold some. JobsDiffer: the pods do not have the same.
        """
        bringing = Bringing(self._here, self._there, on_page)
        bringing.whole()
        return bringing.compare_all()

    def hold_here(self) -> None:
        """Let pushes wait at the source (step 16). PassageRefused if this mover has not paused it there."""
        self._here.set_gate("hold", self._epoch, self._source_pod, paused=True)

    def bring_last(self) -> Manifests:
        """Bring what came since; return what both pods have of it (step 18). Costs what that is.

        Raises:
            JobsHeld: processes hold some. JobsDiffer: the pods do not have the same.
        """
        bringing = Bringing(self._here, self._there)
        manifests = bringing.compare_some(bringing.last())
        self.look()
        return manifests

    def look(self) -> None:
        """Look once more whether all is as it has to be for the switch: gates, marks, counts.

        Raises:
            PassageRefused, JobsDiffer: a Redis has lost what it had acknowledged, or a later mover was here.
        """
        here, there = self._here.totals(), self._there.totals()
        for side, gate in ((self._here, here.gate), (self._there, there.gate)):
            if not side.is_mine(gate, "hold") or gate.epoch != self._epoch:
                raise side.refused(" ".join(map(str, gate)).encode())
        # One that a dead set has dropped since is no more here, and dead there.
        if not here.jobs <= here.brought == there.arrived <= there.jobs:
            raise JobsDiffer(
                self._here.shop_id,
                f"{here.jobs} jobs, {here.brought} of them brought",
                f"{there.jobs}, {there.arrived} of them arrived",
            )

    # After the switch

    def leave_here(self) -> None:
        """Take the source's jobs out of reach, after what came since the last step is brought (step 22).

        Raises:
            JobsHeld: a process holds one, because a gate was forgotten; repeat it.
        """
        there_is_open = self._hold_on_there()
        self._here.set_gate("moved", self._epoch + 1, self._target_pod)
        if self._here.leave(also_late=there_is_open):
            return
        bringing = Bringing(self._here, self._there)
        bringing.last(take_away=False)  # the shop is there by now: a worker may have sent a job after it
        bringing.jobs()
        self._here.leave(also_late=True)

    def pass_there(self) -> None:
        """Open the target's gate: jobs go on (step 23)."""
        self._there.set_gate("open", self._epoch + 1, self._target_pod)

    def sweep_here(self, push_on: PushOn) -> int:
        """Forget what is left at the source; push on what was never brought, and return how many (step 26).

        Raises:
            JobsHeld: a process holds one, because a gate was forgotten; repeat it. And what `push_on` raises.
        """
        self._here.set_gate("moved", self._epoch + 1, self._target_pod)
        self._here.leave(also_late=True)
        return sweep(self._here, "brought", self._there, self._epoch + 1, push_on)

    # Giving up, before the switch

    def pass_here(self) -> None:
        """Open the source's gate: jobs go on, as they were (step a3)."""
        self._here.set_gate("open", self._epoch, self._source_pod)

    def close_there(self) -> None:
        """Let the target's gate say that the shop is at the source (step a4)."""
        self._there.set_gate("moved", self._epoch, self._source_pod)

    def drop_there(self, push_on: PushOn) -> int:
        """Forget what was brought; push to the source what came by itself, and return how many (step a5).

        Raises:
            JobsHeld: a process holds one, because a gate was forgotten; repeat it. And what `push_on` raises.
        """
        self._there.leave(also_late=True)
        return sweep(self._there, "arrived", self._here, self._epoch, push_on)

    def _hold_on_there(self) -> bool:
        """Stamp the target's gate. True: it is open, and what follows was done before."""
        try:
            self._there.set_gate("hold", self._epoch, self._target_pod)
        except PassageRefused:
            gate = self._there.gate()
            if gate.state == "open" and gate.epoch == self._epoch + 1 and not self._there.is_later(gate):
                return True
            raise
        return False
