"""The client of a block: the production's, with what a test adds.

Owns: `BlockClient`. Promises: a push is checked and built as everywhere (arguments, route, times, locks),
because the same code does it; with `transaction=` it arrives when that commits. Leaves to others: what
follows a push.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from podwork.client import Client
from podwork.interfaces import Clock, Router
from podwork.job import Call, JobClass
from podwork.parcel import Parcel
from podwork.queues import Queues
from podwork.testing.transactions import Kept, Transactions


class BlockClient(Client):
    """Pushes to the pods of a test."""

    def __init__(self, router: Router, queues_of: Callable[[int], Queues], clock: Clock) -> None:
        super().__init__(router, queues_of, clock=clock, outbox=Transactions(self._arrive))
        self.pushed: Callable[[], None] = _nothing
        """Called after every push that reached a pod."""

    def push(self, call: Call, **options: Any) -> str:
        """Push one job; see `Client.push`."""
        job_id = super().push(call, **options)
        self.pushed()
        return job_id

    def send(self, parcels: Sequence[Parcel], pod: int | None) -> None:
        """Push parcels under the ids that they have; see `Client.send`."""
        super().send(parcels, pod)
        self.pushed()

    def push_bulk(
        self, job_class: JobClass[Any], rows: Iterable[Mapping[str, Any]], *, transaction: object = None
    ) -> list[str]:
        """Push one job a row; see `Client.push_bulk`."""
        ids = super().push_bulk(job_class, rows, transaction=transaction)
        self.pushed()
        return ids

    def _arrive(self, kept: Kept) -> None:
        """Push what a transaction has kept until its commit."""
        self._delivery().send(kept.parcels, kept.pod, fresh=True)
        self.pushed()


def _nothing() -> None:
    """Let jobs wait."""
