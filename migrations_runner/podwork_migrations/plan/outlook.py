"""How long it may take: guesses for people, on which nothing is decided.

Owns: `rows_seconds` and `plan_seconds`. A pod's rest is its rows at the rate of late. A plan's rest is, wave
by wave, as many rounds of the pods left as it takes at the allowed number at a time, each as long as the pods
that are done took on average, and the watch after each wave.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping

from podwork_migrations.plan.plan import Placement, Plan
from podwork_migrations.plan.states import PlacementState


def rows_seconds(done: int | None, total: int | None, rate: float | None) -> float | None:
    """Return the seconds until the rows are done; None: nobody knows."""
    if done is None or total is None or not rate:
        return None
    return max(0, total - done) / rate


def plan_seconds(
    plan: Plan, placed: Mapping[int, Placement], blocked: Collection[int], now: float
) -> float | None:
    """Return the seconds until the plan is done without those that are blocked; None: nobody knows."""
    took = [
        each.ended - each.started
        for each in placed.values()
        if each.started is not None and each.ended is not None
    ]
    if not plan.state.is_live or not took:
        return None
    left = Counter(
        each.wave
        for each in placed.values()
        if each.state is not PlacementState.DONE and each.pod_id not in blocked
    )
    seconds = max(0.0, (plan.soak_until or now) - now)
    for wave in range(plan.waves):
        seconds += math.ceil(left[wave] / plan.options.max_migrating_pods) * sum(took) / len(took)
        if left[wave] and wave < plan.waves - 1:
            seconds += plan.options.watch_seconds(wave)
    return seconds
