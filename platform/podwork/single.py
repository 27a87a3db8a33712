"""Router and fence for an application with one pod: no directory, no epochs that move.

Owns the trivial implementations of the engine's two protocols, for a project that has one database and
one Redis, and for tests. Both pass the same contract suite as the directory's.
"""

from __future__ import annotations

from collections.abc import Sequence

from podwork.errors import StaleEpoch
from podwork.interfaces import Route


class SingleRouter:
    """Every shop is on the one pod, unless a gate has said otherwise."""

    def __init__(self, pod_id: int = 1, epoch: int = 1) -> None:
        self._home = Route(pod_id, epoch)
        self._learned: dict[int, Route] = {}

    def route(self, shop_id: int) -> Route:
        """Return the pod, or what a gate taught."""
        return self._learned.get(shop_id, self._home)

    def learn(self, shop_id: int, route: Route) -> None:
        """Take a gate's correction; an older epoch than the known is ignored."""
        if route.epoch > self.route(shop_id).epoch:
            self._learned[shop_id] = route

    def forget(self, shop_id: int) -> None:
        """Return to the one pod for this shop."""
        self._learned.pop(shop_id, None)

    def pod_ids(self) -> Sequence[int]:
        """Return the one pod."""
        return [self._home.pod_id]


class SingleFence:
    """Admits what belongs to this pod by its router."""

    def __init__(self, router: SingleRouter, pod_id: int = 1) -> None:
        self._router = router
        self._pod_id = pod_id

    def admit(self, shop_id: int, epoch: int) -> int:
        """Return the epoch to run under. Raises StaleEpoch when the shop is on another pod."""
        here = self._router.route(shop_id)
        if here.pod_id != self._pod_id:
            raise StaleEpoch(shop_id, epoch, f"the shop is on pod {here.pod_id}")
        return here.epoch
