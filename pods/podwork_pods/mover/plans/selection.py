"""Which shops move where: chosen by the load of shops and the weights of pods.

Owns: `to_one`, `evacuate`, `rebalance`, pure functions over what was counted. A pod's fair share of a load is
its weight's share. Promises: a shop is chosen once at most and never stays where it is; nothing goes to a pod
that takes no shops, or has no weight; the same input gives the same choice. Leaves to others: counting
(`loads`), and the moves.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from podwork_pods.mover.plans.errors import InvalidMovePlan

EVEN_SHARE: Final = 0.05
"""Pods within so much of their fair share are even."""


class Choice(NamedTuple):
    """A shop that is to move. `load`: rows, or 1 a shop."""

    shop_id: int
    from_pod: int
    to_pod: int
    load: int


@dataclass(frozen=True, slots=True)
class PodLoad:
    """A pod with its shops and their loads. `takes`, `leaves`: whether shops may come, or go."""

    pod_id: int
    weight: int
    shops: Mapping[int, int]
    takes: bool = True
    leaves: bool = True

    @property
    def load(self) -> int:
        """The load of all its shops."""
        return sum(self.shops.values())


def to_one(pods: Sequence[PodLoad], to_pod: int) -> list[Choice]:
    """Return all shops of these pods, to one pod; those that are there already are left out."""
    return [
        Choice(shop_id, pod.pod_id, to_pod, load)
        for pod in pods
        if pod.pod_id != to_pod
        for shop_id, load in sorted(pod.shops.items())
    ]


def evacuate(pods: Sequence[PodLoad], from_pod: int) -> list[Choice]:
    """Return all shops of a pod, each to the pod that is the least loaded for its weight when it comes.

    Raises:
        InvalidMovePlan: no other pod takes shops.
    """
    leaving = next(pod for pod in pods if pod.pod_id == from_pod)
    others = {pod.pod_id: pod for pod in pods if pod.takes and pod.weight and pod.pod_id != from_pod}
    if not others:
        raise InvalidMovePlan(
            f"no other pod takes the shops of pod {from_pod}", "activate one, with a weight"
        )
    held = {pod_id: (pod.load, len(pod.shops)) for pod_id, pod in others.items()}
    fullness = [(*_full(held[pod_id], pod.weight), pod_id) for pod_id, pod in others.items()]
    heapq.heapify(fullness)
    chosen = []
    for shop_id, load in sorted(leaving.shops.items(), key=lambda item: (-item[1], item[0])):
        to_pod = heapq.heappop(fullness)[-1]
        held[to_pod] = held[to_pod][0] + load, held[to_pod][1] + 1
        heapq.heappush(fullness, (*_full(held[to_pod], others[to_pod].weight), to_pod))
        chosen.append(Choice(shop_id, from_pod, to_pod, load))
    return sorted(chosen)


def _full(held: tuple[int, int], weight: int) -> tuple[float, float]:
    """Return how full a pod is for its weight: of load, and where that is equal, of shops."""
    return held[0] / weight, held[1] / weight


def rebalance(pods: Sequence[PodLoad]) -> list[Choice]:
    """Return few moves after which the pods with a weight are about as loaded as their weights ask for.

    From the pod that is furthest above its share to the one furthest below, each time the shop that brings
    both nearest to their shares. It ends when all are even (`EVEN_SHARE`), or nothing helps.
    """
    sharing = {pod.pod_id: pod for pod in pods if pod.weight}
    total, weights = sum(pod.load for pod in sharing.values()), sum(pod.weight for pod in sharing.values())
    share = {pod_id: total * pod.weight / weights for pod_id, pod in sharing.items()}
    above = {pod_id: pod.load - share[pod_id] for pod_id, pod in sharing.items()}
    left = {
        pod_id: sorted((load, shop_id) for shop_id, load in pod.shops.items() if load)
        for pod_id, pod in sharing.items()
        if pod.leaves
    }
    chosen: list[Choice] = []
    while (step := _next(sharing, left, above, share)) is not None:
        from_pod, to_pod, place = step
        load, shop_id = left[from_pod].pop(place)
        above[from_pod] -= load
        above[to_pod] += load
        chosen.append(Choice(shop_id, from_pod, to_pod, load))
    return chosen


def _next(
    sharing: Mapping[int, PodLoad],
    left: Mapping[int, list[tuple[int, int]]],
    above: Mapping[int, float],
    share: Mapping[int, float],
) -> tuple[int, int, int] | None:
    """Return the next move: from, to, and the shop's place among those that are left; None: no more."""
    takers = [pod_id for pod_id, pod in sharing.items() if pod.takes]
    if not takers or all(abs(above[pod_id]) <= EVEN_SHARE * share[pod_id] for pod_id in sharing):
        return None
    emptiest = min(takers, key=lambda pod_id: (above[pod_id] / sharing[pod_id].weight, pod_id))
    for fullest in _fullest(left, above, sharing):
        if above[emptiest] >= 0 or fullest == emptiest:
            continue
        pair = sharing[fullest], sharing[emptiest]
        place = _place(left[fullest], above[fullest], -above[emptiest], *pair)
        if place is not None:
            return fullest, emptiest, place
    return None


def _fullest(
    left: Mapping[int, Sequence[tuple[int, int]]], above: Mapping[int, float], sharing: Mapping[int, PodLoad]
) -> Iterator[int]:
    return iter(
        sorted(
            (pod_id for pod_id in left if above[pod_id] > 0),
            key=lambda pod_id: (-above[pod_id] / sharing[pod_id].weight, pod_id),
        )
    )


def _place(
    shops: Sequence[tuple[int, int]], too_much: float, too_little: float, fullest: PodLoad, emptiest: PodLoad
) -> int | None:
    """Return the place of the shop to move, among (load, shop) in ascending order; None: no one helps.

    It is the largest that takes neither pod past its share, or the next one, whichever leaves both nearer.
    """

    def distance(load: float) -> float:
        return max(abs(too_much - load) / fullest.weight, abs(too_little - load) / emptiest.weight)

    fits = bisect_right(shops, min(too_much, too_little), key=lambda shop: shop[0])
    places = [place for place in (fits - 1, fits) if 0 <= place < len(shops)]
    nearest = min(places, key=lambda place: distance(shops[place][0]), default=None)
    if nearest is None or distance(shops[nearest][0]) >= distance(0):
        return None
    return nearest
