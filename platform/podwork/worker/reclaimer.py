"""Gives back what dead processes held; every live child does so, continuously.

Owns: one sweep. Promises: within one lease and one sweep after a process died, its jobs are queued again, as
long as any child of the pod lives (J1). Leaves to others: the rhythm (`Timekeeper`), the script (`Queues`).
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from podwork.observation import Tally

if TYPE_CHECKING:
    from podwork.queues import Queues

log = logging.getLogger("podwork.worker")


def sweep(queues: Queues, tally: Tally) -> int:
    """Reclaim what expired leases held; return how many jobs that were."""
    reclaimed = queues.reclaim()
    tally.reclaimed(len(reclaimed))
    for incarnation, jobs in Counter(one.incarnation for one in reclaimed if not one.buried).items():
        log.warning("process %s is gone; jobs that it held and that are queued again: %d", incarnation, jobs)
    for one in reclaimed:
        if one.buried:
            log.error("job %s is buried: too many processes died holding it", one.id)
    return len(reclaimed)
