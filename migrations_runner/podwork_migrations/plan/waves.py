"""Waves: in which order pods migrate, a few first.

Owns: `split` and `size_of`. Promises: every pod is in one wave; the canary is in the first; a wave that would
be empty is left out. A wave's size counts the pods before it too: `1, 10%, 50%, 100%` of 200 pods are waves
of 1, 19, 80 and 100.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from podwork_migrations.plan.errors import InvalidPlan

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)%|([0-9]+)")


def size_of(text: str, pods: int) -> int:
    """Return how many of the pods a size means: `10%` (rounded up) or a number.

    Raises:
        InvalidPlan: it is neither, or 0.
    """
    match = _SIZE.fullmatch(text.strip())
    share, number = match.groups() if match else ("0", None)
    size = int(number) if number else math.ceil(round(float(share) * pods / 100, 6))
    if size < 1 or (share and float(share) > 100):
        raise InvalidPlan(f"a wave of {text!r}", "give numbers from 1, or shares such as 10%, up to 100%")
    return min(size, pods)


def split(pod_ids: Sequence[int], canary: int, sizes: Sequence[str]) -> dict[int, int]:
    """Return the wave of each pod, from 0 on; whatever the sizes leave over is a last wave.

    Raises:
        InvalidPlan: a size is none, or sizes fall; the canary is not among the pods.
    """
    if canary not in pod_ids:
        raise InvalidPlan(f"pod {canary} cannot be the canary", "it is not among the plan's pods")
    ordered = [canary, *sorted(set(pod_ids) - {canary})]
    ends = [size_of(size, len(ordered)) for size in sizes]
    if ends != sorted(ends):
        raise InvalidPlan(f"waves of {', '.join(sizes)}", "each size counts the pods before it, so they grow")
    bounds = sorted({*ends, len(ordered)})
    return {
        pod_id: next(wave for wave, end in enumerate(bounds) if place < end)
        for place, pod_id in enumerate(ordered)
    }
