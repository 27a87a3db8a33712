"""The protocols through which the engine meets pods, without knowing them, and the clock.

Owns: `Router` (asked at push), `Fence` (asked before a run), `Outbox` (given jobs that belong to a
transaction), `Iterations` (run iteration jobs), `Clock`. `podwork_pods` implements the first four over the
directory and the shards; `podwork.single` implements router and fence for an application with one pod.
To the engine a shop is an opaque integer, a pod a number, an epoch a number that grows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from podwork.context import JobContext
    from podwork.job import JobClass
    from podwork.parcel import Parcel
    from podwork.signals import JobSignal

LARGEST_SHOP_ID = 2**63 - 1
"""Shops are numbered from 0 to what a signed 64-bit column holds."""


class Route(NamedTuple):
    """Where a shop's work belongs: the pod's number and the shop's epoch there."""

    pod_id: int
    epoch: int


class Router(Protocol):
    """Answers, from a local cache, which pod owns a shop. A stale answer costs a redirect, no more."""

    def route(self, shop_id: int) -> Route:
        """Return the shop's pod and epoch. Raises `podwork_pods.errors.UnknownShop` or its like."""
        ...

    def learn(self, shop_id: int, route: Route) -> None:
        """Take the correction that a pod's gate gave (`MOVED`); older epochs than the known are ignored."""
        ...

    def forget(self, shop_id: int) -> None:
        """Drop what is cached for the shop, so that the next `route` asks the truth."""
        ...

    def pod_ids(self) -> Sequence[int]:
        """Return the pods that accept jobs, in ascending order (for `enqueue_on_every_pod`)."""
        ...


class Fence(Protocol):
    """Refuses work under a stale epoch. The cheap half: the shard's row is checked in the transaction."""

    def admit(self, shop_id: int, epoch: int) -> int:
        """Return the epoch under which a job of the shop, pushed under `epoch`, may run on this pod now.

        Raises:
            StaleEpoch: the shop's work belongs to another pod, as far as this process knows.
        """
        ...


class Outbox(Protocol):
    """Keeps jobs in the shard until the transaction that makes them has committed."""

    def add(self, transaction: object, parcels: Sequence[Parcel], pod: int | None) -> None:
        """Write the jobs with the transaction: they are pushed if and only if it commits.

        `pod` is where work without a shop belongs; None when the parcels are for shops.

        Raises:
            InvalidRoute: the transaction is none of the shop's, or none on the pod's shard.
        """
        ...


class Iterations(Protocol):
    """Runs iteration jobs: their progress stands in the shard, which the engine does not know."""

    def work(
        self, job_class: JobClass[Any], args: Mapping[str, Any], context: JobContext
    ) -> JobSignal | None:
        """Work on the run to which this job belongs, until it is over or somebody else should go on.

        Args:
            job_class: of an iteration job, with its declaration.
            args: the parameters, as they were pushed; they count when the run begins.
            context: of this job, which is asked whether to stop.

        Returns:
            How the job ends, as if it had been raised; None: with success, whatever became of the run.
        """
        ...


class Clock(Protocol):
    """Wall time in seconds since 1970, so that tests can turn it."""

    def now(self) -> float:
        """Return the wall time in seconds."""
        ...


class SystemClock:
    """The machine's wall clock."""

    def now(self) -> float:
        """Return the wall time in seconds."""
        return time.time()
