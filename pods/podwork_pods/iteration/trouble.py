"""What an error means for a run: whose fault it is, and whether the same will do the next time.

Owns: `Kind`, `kind_of`, and how long to wait. Promises: a run never fails for what is no fault of its items:
a shard or Redis that does not answer, a deadlock, a shop that moves. Everything else that is raised, by
whatever means (`SystemExit`, a time limit), is taken for a failure of what was worked on. Leaves to others:
what follows from it (`failing`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from sqlalchemy.exc import DBAPIError

from podwork.errors import ShopOnHold, StaleEpoch, StoreRefused, StoreUnavailable
from podwork.signals import Interrupted, Snooze
from podwork_pods.driver_errors import is_deadlock, is_lock_timeout
from podwork_pods.errors import DirectoryUnavailable, PodUnavailable, RegistryUnavailable, ShardUnavailable
from podwork_pods.iteration.errors import PartitionLost

OUTAGES: Final = (
    ShardUnavailable,
    PodUnavailable,
    DirectoryUnavailable,
    RegistryUnavailable,
    StoreUnavailable,
    StoreRefused,
)
"""Something that a batch needs is away, and comes back without the run."""

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 2.0
TRIES: Final = 8
"""So often the same is tried in place, about five seconds in all; then the job makes room for others."""
AWAY_SECONDS: Final = (5.0, 15.0)
"""For so long a job goes away that did not get through."""


class Kind(Enum):
    """What is to be done about an error."""

    LOST = auto()
    """The partition is somebody else's: nothing more is written to it."""
    ELSEWHERE = auto()
    """The shop is being moved, or has been: the worker knows what becomes of the job."""
    SIGNAL = auto()
    """The job's code wants the job to end so; what it did in this batch is undone."""
    CROWDED = auto()
    """Others held what the batch needed: the same again, and smaller if it waited in vain."""
    OUTAGE = auto()
    """The same again, later."""
    FAILED = auto()
    """The items, or the code that works on them."""


def kind_of(error: BaseException) -> Kind:
    """Return what an error means."""
    if isinstance(error, PartitionLost):
        return Kind.LOST
    if isinstance(error, StaleEpoch | ShopOnHold):
        return Kind.ELSEWHERE
    if isinstance(error, Interrupted | Snooze):
        return Kind.SIGNAL
    if is_crowded(error):
        return Kind.CROWDED
    return Kind.OUTAGE if isinstance(error, OUTAGES) else Kind.FAILED


def is_crowded(error: BaseException) -> bool:
    """Whether a deadlock, or a wait for a lock, is at the bottom of it: the job may have wrapped it."""
    return any(
        isinstance(cause, DBAPIError) and (is_deadlock(cause) or is_lock_timeout(cause))
        for cause in _causes(error)
    )


def pause_seconds(failures: int) -> float:
    """Return how long to wait after so many failures in a row: growing, and different for each."""
    longest = min(FIRST_PAUSE_SECONDS * 2.0 ** (failures - 1), LONGEST_PAUSE_SECONDS)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret


def away_seconds() -> float:
    """Return for how long a job goes away that did not get through."""
    return random.uniform(*AWAY_SECONDS)  # noqa: S311 - as above


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__
