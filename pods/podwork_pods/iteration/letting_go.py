"""Giving a partition back, and how a job goes on or ends afterwards.

Owns: `Ending` and its kinds, `LettingGo`. Promises: whoever lets go last lets the run stand, so that it can
be paused, cancelled and taken up at once. Where the shop is on its way or gone nothing is written: its fence
says so, the partition stays under this job's name, and the job, which goes after its shop, takes it back
there. Leaves to others: why (`walk`, `failing`).
"""

from __future__ import annotations

import logging
from typing import Final, NamedTuple

from podwork.retry import describe
from podwork.signals import JobSignal
from podwork_pods.iteration.course import Course
from podwork_pods.iteration.leases import Leases
from podwork_pods.iteration.partition import Leaving, Partition
from podwork_pods.iteration.trouble import Kind, kind_of

log = logging.getLogger("podwork.iteration")


class Ending(NamedTuple):
    """What comes after a partition: another one, or the job's end by this signal.

    `is_lost`: the partition was somebody else's.
    """

    signal: JobSignal | None
    takes_another: bool = False
    is_lost: bool = False


OVER: Final = Ending(None)
ANOTHER: Final = Ending(None, takes_another=True)
LOST: Final = Ending(None, takes_another=True, is_lost=True)


class LettingGo:
    """Of one job; `leases`: of the run's shop, or of the pod; `me` is the job's id."""

    def __init__(self, leases: Leases, course: Course, me: str) -> None:
        self._leases = leases
        self._course = course
        self._me = me

    def leave(self, held: Partition, why: Leaving, reason: str, signal: JobSignal | None) -> Ending:
        """Give the partition back; if nobody else works on the run, let it stand. `reason` is for people.

        Raises StaleEpoch, ShopOnHold if the fence refused that and no signal says how the job goes on: an end
        without one would be the job's end for good, and the run would stand as it is.
        """
        try:
            self._leases.release(held, why, reason)
            self._course.settle(self._me, reason, stays_throttled=why is Leaving.THROTTLED)
        except Exception as error:
            # Whoever comes next finds it as it is, and takes it over when the lease has run out.
            kind = kind_of(error)
            if kind is Kind.FAILED or (kind is Kind.ELSEWHERE and signal is None):
                raise
            log.warning("run %s was left as it is: %s", held.run_id, describe(error))
        return Ending(signal)
