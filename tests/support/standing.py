"""Jobs in every state, and lists of them read to their end."""

from __future__ import annotations

from collections.abc import Sequence

from podwork.inspection import Filter, Inspection, JobState, State
from podwork.queues import Queues
from tests.support.engine import A, B, claim, push

LATER_MS = 4_000_000_000_000


def stand_everywhere(queues: Queues) -> dict[State, list[str]]:
    """Bring some jobs into every state; return their ids by state, as they are listed."""
    dead = push(queues, ("7", 2), ("8", 1), job_class="shop.dead")
    for n, lease in enumerate(sorted(claim(queues), key=lambda one: one.id)):
        queues.bury(A, lease, f"ValueError: row {n}", {"e": "0000aaaa" if n < 2 else "0000bbbb"})
    parked = push(queues, ("7", 2), ("10", 1), job_class="shop.newer")
    for lease in claim(queues):
        queues.park(A, lease)
    held = push(queues, ("7", 2), job_class="shop.held")
    claim(queues, 1, A)
    claim(queues, 1, B)
    scheduled = push(queues, ("7", 2), due_ms=LATER_MS)
    scheduled = push(queues, ("9", 1), due_ms=LATER_MS - 1000) + scheduled
    ready = push(queues, ("7", 2), ("10", 2), ("pod", 1))
    ready = ready[4:] + ready[:4] + push(queues, ("7", 1), queue="low")
    return {"held": held, "ready": ready, "scheduled": scheduled, "parked": parked, "dead": dead[::-1]}


def listed(inspection: Inspection, wanted: Filter, limit: int = 50) -> list[JobState]:
    """Return all jobs of a list, read page by page."""
    jobs: list[JobState] = []
    cursor = None
    while True:
        page = inspection.jobs(wanted, cursor, limit)
        assert len(page.jobs) <= limit
        jobs += page.jobs
        cursor = page.cursor
        if cursor is None:
            return jobs


def ids(jobs: Sequence[JobState]) -> list[str]:
    """Return their ids."""
    return [job.id for job in jobs]
