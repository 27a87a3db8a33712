"""The engine's two protocols, answered from the directory.

Owns: `DirectoryRouter` (`podwork.interfaces.Router`) and `PodFence` (`podwork.interfaces.Fence`). Promises:
a push is routed from memory; a job is turned away only on the word of the truth, never on a stale memory
alone. Leaves to others: the last word, which the fence in the shard has (`fence`).
"""

from __future__ import annotations

from collections.abc import Sequence

from podwork.errors import StaleEpoch
from podwork.interfaces import Route
from podwork_pods.cache import DirectoryCache
from podwork_pods.pod import PodState
from podwork_pods.roster import Roster


class DirectoryRouter:
    """Answers which pod owns a shop."""

    def __init__(self, cache: DirectoryCache, roster: Roster) -> None:
        self._roster = roster
        self.route = cache.route
        """The cache's own method, so that a hit costs no second call."""
        self._cache = cache

    def learn(self, shop_id: int, route: Route) -> None:
        """Take a gate's correction; an older epoch than the known is ignored."""
        self._cache.learn(shop_id, route)

    def forget(self, shop_id: int) -> None:
        """Ask the truth the next time."""
        self._cache.forget(shop_id)

    def pod_ids(self) -> Sequence[int]:
        """Return the pods that are not down, in ascending order."""
        return [pod.id for pod in self._roster.pods() if pod.state is not PodState.DOWN]


class PodFence:
    """Says whether a job of a shop may run on this pod."""

    def __init__(self, pod_id: int, cache: DirectoryCache) -> None:
        self._pod_id = pod_id
        self._cache = cache

    def admit(self, shop_id: int, epoch: int) -> int:
        """Return the epoch to run under.

        Raises:
            StaleEpoch: the truth says that the shop is on another pod.
            UnknownShop, DirectoryUnavailable: the truth had to be asked, and has no answer.
        """
        route = self._cache.route(shop_id)
        # A job that was pushed under a later epoch than we remember knows more than we do.
        if route.pod_id != self._pod_id or route.epoch < epoch:
            route = self._cache.reload(shop_id)
        if route.pod_id != self._pod_id:
            raise StaleEpoch(shop_id, epoch, f"the shop is on pod {route.pod_id} at epoch {route.epoch}")
        return route.epoch
