"""A partition of a run, as its row in the shard says.

Owns: `PartitionState`, `Leaving`, `Partition`, and reading and making its row. Leaves to others: the
statements (`partitions`).

| state | what it means |
| --- | --- |
| waiting | nobody holds it; it is handed out to the next who asks |
| running | its owner works on it, under a lease epoch; who takes it over has a higher one |
| done | nothing is left of it |
| failed | a batch of it failed for good; it waits for a person who resumes the run |
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from podwork.iteration.collection import Cursor, Slice
from podwork_pods.iteration.schema import partitions
from podwork_pods.iteration.statements import cursor_of, key


class PartitionState(StrEnum):
    """How a partition stands; see the table of the module."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Leaving(StrEnum):
    """Why an owner gives back a partition that is not done."""

    INTERRUPTED = "interrupted"
    """Its process ends, or was told to; counted."""
    THROTTLED = "throttled"
    """Something holds the run back for longer; the reason is kept."""
    YIELDED = "yielded"
    """A pause, a cancellation, the end of its time slice, or a lower limit of partitions."""
    FAILED = "failed"
    """A batch failed for good; the error is kept, and nobody is given the partition."""


class Partition(NamedTuple):
    """A partition. Times are wall time in seconds since 1970."""

    run_id: str
    number: int
    slice: Slice
    cursor: Cursor | None
    rows_done: int
    batches: int
    lease_epoch: int
    lease_forced: int
    revision: int
    owner: str | None
    leased_at: float
    slot: int | None
    state: PartitionState
    attempts: int
    tried_rows: int | None
    tried_alone: int
    interruptions: int
    throttle_reason: str | None
    last_error: str | None
    updated: float

    def is_held_since(self, moment: float, forced: int) -> bool:
        """Whether it is held by somebody who said since then that it lives, and whose lease is not void.

        `forced` is the run's.
        """
        return (
            self.state is PartitionState.RUNNING and self.leased_at >= moment and self.lease_forced >= forced
        )


COLUMNS = tuple(partitions.c)


def read(row: Any) -> Partition:
    """Return the partition in a row that begins with `COLUMNS`."""
    run_id, number, after, upto, last, *plain = row[: len(COLUMNS)]
    found = Partition(run_id, number, Slice(cursor_of(after), cursor_of(upto)), cursor_of(last), *plain)
    return found._replace(state=PartitionState(found.state))


def new_row(run_id: str, number: int, part: Slice, now: float) -> dict[str, Any]:
    """Return the row of a partition that nobody has worked on."""
    zeros = ("rows_done", "batches", "lease_epoch", "lease_forced", "revision", "leased_at", "attempts",
             "tried_alone", "interruptions")  # fmt: skip
    return {
        **dict.fromkeys(zeros, 0),
        "run_id": run_id,
        "number": number,
        "after_cursor": key(part.after),
        "upto_cursor": key(part.upto),
        "state": PartitionState.WAITING,
        "updated": now,
    }
