"""Whether a process has done what it was told, as far as it has said so.

Owns: `Obedience`. Orders are heard with a heartbeat, a third of a lease later at most, and what changes is
said in Redis at once. Promises: `done` is never said on a guess: of `dump`, which leaves no trace here, it
only means that the process has heard it. Leaves to others: giving orders (`podwork.interventions`), obeying
them (`podwork.worker.child`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from podwork import keys
from podwork.interventions import Order
from podwork.store import Store


class Answer(StrEnum):
    """How far a process is with an order."""

    DONE = "done"
    DRAINING = "draining"
    """It was told to stop, and lets end what runs."""
    PENDING = "pending"
    """It has said nothing yet."""
    GONE = "gone"
    """It is not there any more, and was not told to be."""


class Sight(NamedTuple):
    """What can be seen of a process: whether it is there, how many orders it has not heard, what it says."""

    present: bool
    unheard: int
    quiet: bool
    stopping: bool
    busy: int
    held: int

    def answer(self, order: Order) -> Answer:
        """Return how far it is with the order."""
        if not self.present:
            return Answer.DONE if order == "stop" else Answer.GONE
        if order == "stop":
            return Answer.DRAINING if self.stopping else Answer.PENDING
        heard = self.unheard == 0
        so = {"quiet": self.quiet, "resume": heard and not self.quiet, "dump": heard}
        return Answer.DONE if so[order] else Answer.PENDING


class Obedience:
    """Looks at processes of the pod whose Redis is `store`. Raises StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def look(self, incarnation: str) -> Sight:
        """Return what can be seen of a process now."""
        score, unheard, said, held = self._store.commands(
            ("ZSCORE", keys.PROCESSES, incarnation),
            ("LLEN", keys.orders(incarnation)),
            ("HMGET", keys.process(incarnation), "quiet", "stopping", "busy"),
            ("HLEN", keys.held(incarnation)),
        )
        quiet, stopping, busy = (int(value or 0) for value in said)
        return Sight(score is not None, int(unheard), bool(quiet), bool(stopping), busy, int(held))
