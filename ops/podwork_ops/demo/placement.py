"""Which shop lives in which pod: by the number of its lines, in proportion to the pods' weights.

Owns: `spread`. Leaves to others: writing it down (the directory).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping


def spread(lines_by_shop: Mapping[int, int], weights: Mapping[int, int]) -> dict[int, int]:
    """Return the pod of every shop: the largest first, each to the pod with the most room.

    Args:
        lines_by_shop: how many lines each shop has.
        weights: by pod; at least one must be above 0.
    """
    filled = [(0.0, pod_id) for pod_id, weight in sorted(weights.items()) if weight > 0]
    pods = {}
    for shop_id, lines in sorted(lines_by_shop.items(), key=lambda item: (-item[1], item[0])):
        load, pod_id = filled[0]
        pods[shop_id] = pod_id
        heapq.heapreplace(filled, (load + lines / weights[pod_id], pod_id))
    return pods
