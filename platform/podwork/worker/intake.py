"""How jobs come into a child: by a claim, by a push that hands them over, or adopted.

Owns: that what is held is taken in once, whichever thread hears of it: the dispatcher, or the idle processor
that sits (`Ear`) and runs the first job it hears of itself. Promises: while a child adopts nobody hears, so
that nothing comes twice; what arrives of a job that is still being given up here is not run (`again`). Leaves
to others: what is claimed, and when (`Manager`); who waits for what (`Ear`, `ReadyJobs`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from podwork.points import reach
from podwork.worker.outage import TROUBLE

if TYPE_CHECKING:
    from podwork.lease import Lease
    from podwork.worker.ear import Ear
    from podwork.worker.ready import ReadyJobs


class Intake:
    """The intake of a child. Processors call `listen`, the dispatcher the rest.

    Attributes:
        hint: it was told that there may be more work than it was given; it is listed as idle no more.
        deaf: the line has ended; what was handed over meanwhile has to be adopted.
        moved_at: when a job came in or ended, in monotonic seconds.
    """

    def __init__(
        self, ear: Ear, ready: ReadyJobs, held: dict[str, Lease], told: Callable[[str], None]
    ) -> None:
        self.hint = False
        self.deaf = False
        self.moved_at = time.monotonic()
        self._ear = ear
        self._ready = ready
        self._held = held
        self._told = told
        self._again: set[str] = set()
        self._one_hears = threading.Lock()

    def listen(self) -> Lease | None:
        """Listen in the seat, which the caller has taken; return the first job that was handed over, if any.

        The seat is free again afterwards.
        """
        try:
            # Looked for in the seat: who puts a job there now stirs it.
            if self._ready or not self._ear.listen():
                return None
            leases = self._hear()
        except TROUBLE:
            return None  # the dispatcher, which is rung for, sees to it
        finally:
            self._ear.rise()
        if len(leases) > 1:
            self._ready.put(leases[1:])
        return leases[0] if leases else None

    def hear(self) -> None:
        """Take in what the dispatcher has heard. Raises StoreUnavailable: the line has ended."""
        if self._ear.heard:
            self._put(self._hear())

    def claimed(self, leases: Sequence[Lease]) -> None:
        """Take in what was claimed."""
        with self._one_hears:
            fresh = self._accept(leases)
        self._put(fresh)

    def adopt(self, adopted: Callable[[], Sequence[Lease]]) -> None:
        """Take in what Redis says is held here and is not known. Raises what `adopted` raises."""
        with self._one_hears:
            self._ear.close()  # what is on its way there is among what is adopted, and must not come twice
            known = set(self._held)
            leases = adopted()
            self.deaf = False
            self._again &= self._held.keys()
            fresh = self._accept([lease for lease in leases if lease.id not in known])
        self._put(fresh)

    @property
    def owes_adopting(self) -> bool:
        """Whether all that came again while it was being given up has been given up: it is to be adopted."""
        return bool(self._again) and self._again.isdisjoint(self._held)

    def stir(self) -> None:
        """See to it that idle processors look for what is ready, the one in the seat, too."""
        self._ready.rouse()
        self._ear.stir()

    def _hear(self) -> list[Lease]:
        """Return what was said and is to be run."""
        fresh: list[Lease] = []
        with self._one_hears:
            try:
                said = self._ear.hear()
            except TROUBLE:
                self.deaf = True
                raise
            for one in said:
                reach("worker.told")
                if one.order:
                    self._told(one.order)
                if one.more:
                    self.hint = True
                fresh += self._accept(one.leases)
        return fresh

    def _accept(self, leases: Sequence[Lease]) -> list[Lease]:
        """Hold jobs from now on; return those that are to be run."""
        # What a processor is still giving up: if it has to say so again, it gives up this claim as well.
        self._again.update(lease.id for lease in leases if lease.id in self._held)
        fresh = [lease for lease in leases if lease.id not in self._again]
        if fresh:
            reach("worker.claimed")
            self._held.update([(lease.id, lease) for lease in fresh])
            self.moved_at = time.monotonic()
        return fresh

    def _put(self, leases: Sequence[Lease]) -> None:
        if leases:
            self._ready.put(leases)
            self._ear.stir()
