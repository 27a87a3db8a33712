"""What holds a run back while its pod has other worries, and how an application writes its own.

    class CheckoutIsQuiet(Throttle):
        name = "checkout"

        def held(self, around: Surroundings) -> Held | None:
            busy = orders_in_flight(around.pod_id)
            return Held(f"checkout {busy} orders in flight, limit 100") if busy > 100 else None

    @app.job(queue="backfills")
    class FillNetPrice(IterationJob):
        throttles = (ReplicaLag(limit_seconds=5), CheckoutIsQuiet())

Owns: `Throttle`, what it is told (`Surroundings`) and what it answers (`Held`). A throttle is asked before a
batch, but not before each of them: its answer stands for a second, for all runs of the process on the pod
that have the same one. Promises: one that raises holds the run back; it says nothing about the pod, and
nothing good is assumed. Leaves to others: the throttles that come with podwork, and how long a held run waits
(`podwork_pods.iteration.throttles`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from podwork.interfaces import Clock
    from podwork.queues import Queues
    from podwork.store import Store


class Held(NamedTuple):
    """A run is held back.

    `reason` names the throttle, its reading and its limit, for people: `replica_lag 12 s, limit 5 s`.
    `retry_seconds`: after how long it is worth asking again; the longer it holds, the more
    seldom it is asked.
    """

    reason: str
    retry_seconds: float = 1.0


class Surroundings(NamedTuple):
    """Where a run works.

    `shop_id` is None for work of the pod, and for a throttle whose answer does not depend on it. `engine` is
    SQLAlchemy's, of the pod's shard; each statement is a transaction of its own. `store` is the pod's Redis.
    """

    pod_id: int
    shop_id: int | None
    engine: Any
    store: Store
    queues: Queues
    clock: Clock


@runtime_checkable
class Throttle(Protocol):
    """Says whether a run has to wait.

    Two that are equal share their answers, so that a throttle has to be hashable: a frozen dataclass, or an
    object that is equal to itself alone.
    """

    @property
    def name(self) -> str:
        """What people know it by; it begins each reason."""
        ...

    @property
    def per_shop(self) -> bool:
        """Whether the answer depends on the shop: then it is asked for each shop by itself."""
        return False

    def held(self, around: Surroundings) -> Held | None:
        """Return why the run has to wait; None: it may go on.

        Called by one thread at a time. It has to answer soon: who asks works on nothing meanwhile. What it
        raises holds the run back too.
        """
        ...
