"""Which partition of a run is handed out next.

Owns: `Dead`, `Held`, `Offer`, `choose`. Promises: a paused run hands out nothing; what nobody holds comes
before what a dead owner left, whose row may be locked yet; what is handed out has a slot below the run's
limit. Leaves to others: reading the rows, and that an offer is taken once (`partitions`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from podwork_pods.iteration.partition import PartitionState
from podwork_pods.iteration.run import HANDS_OUT


class Dead(NamedTuple):
    """Whose leases are over, as the caller says: those of these owners, and those older than a moment.

    That is about promptness only: whoever is declared dead and lives writes nothing any more.
    """

    owners: frozenset[str] = frozenset()
    not_leased_since: float | None = None


class Held(NamedTuple):
    """A partition that is not done, and who holds it."""

    number: int
    state: PartitionState
    owner: str | None
    leased_at: float
    lease_epoch: int
    lease_forced: int
    slot: int | None


class Limits(NamedTuple):
    """What the run's row says about handing out."""

    state: str
    parallel: int
    forced: int


class Offer(NamedTuple):
    """A partition to take, as it was seen, and the slot to hold it in."""

    seen: Held
    slot: int
    forced: int
    if_not_leased_since: float | None
    """Take it only if its owner has not said meanwhile that it lives; None: it is over, whatever it says."""


def choose(limits: Limits, unfinished: Sequence[Held], dead: Dead, without: Collection[int]) -> Offer | None:
    """Return what to take next; None: nothing is to be had.

    Args:
        limits: of the run.
        unfinished: its partitions that wait or are held, in order.
        dead: whose leases are over.
        without: numbers that are not to be had, because their rows are locked.
    """
    if limits.state not in HANDS_OUT:
        return None
    used = {held.slot for held in unfinished}
    free = next((slot for slot in range(limits.parallel) if slot not in used), None)
    candidates = [held for held in unfinished if held.number not in without]
    if free is not None:
        for held in candidates:
            if held.state == PartitionState.WAITING:
                return Offer(held, free, limits.forced, None)
    for held in candidates:
        if held.state != PartitionState.RUNNING:
            continue
        keeps = held.slot is not None and held.slot < limits.parallel
        slot = held.slot if keeps else free
        if slot is None:
            continue
        if held.owner in dead.owners or held.lease_forced < limits.forced:
            return Offer(held, slot, limits.forced, None)
        if dead.not_leased_since is not None and held.leased_at < dead.not_leased_since:
            return Offer(held, slot, limits.forced, dead.not_leased_since)
    return None
