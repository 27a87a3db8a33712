"""How a plan moves on: wave by wave, and leg by leg.

Owns: `advance`, and when a wave is done. Promises: a wave opens only when every pod of the waves before it is
done or blocked, and never without a canary that is done: one that is blocked stops the plan, not the caution.
A pod that was blocked in an earlier wave and is back is waited for again. What is waited for is in rows; the
clock says only when it is worth looking. Leaves to others: the lock, and who is blocked (`fleet`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from podwork_migrations.plan.plan import Placement, Plan
from podwork_migrations.plan.states import PlanState


def advance(plan: Plan, placed: Mapping[int, Placement], blocked: Collection[int], now: float) -> Plan:
    """Return the plan as it is when it has moved on as far as it may."""
    while True:
        following = _step(plan, placed, blocked, now)
        if following is plan:
            return plan
        plan = following


def is_complete(plan: Plan, placed: Mapping[int, Placement], blocked: Collection[int]) -> bool:
    """Whether the open waves are done with the open leg, as far as that is waited for."""
    canaries = [each for each in placed.values() if each.wave == 0]
    if not any(each.legs_done > plan.leg for each in canaries):
        return False
    return not unfinished(plan, placed, blocked)


def unfinished(plan: Plan, placed: Mapping[int, Placement], blocked: Collection[int]) -> list[Placement]:
    """Return the pods of the open waves that the open leg waits for."""
    return [
        each
        for each in placed.values()
        if each.wave <= plan.wave and each.legs_done <= plan.leg and each.pod_id not in blocked
    ]


def _step(plan: Plan, placed: Mapping[int, Placement], blocked: Collection[int], now: float) -> Plan:
    if plan.state is PlanState.SOAKING:
        if not is_complete(plan, placed, blocked):
            return replace(plan, state=PlanState.RUNNING, soak_until=None, reason="")
        is_over = plan.soak_until is None or now >= plan.soak_until
        return _onward(plan) if is_over else plan
    if plan.state is not PlanState.RUNNING or not is_complete(plan, placed, blocked):
        return plan
    if plan.is_at_its_end:
        return replace(plan, state=PlanState.SUCCEEDED, ended=now, reason="")
    watch_seconds = plan.options.watch_seconds(plan.wave)
    if watch_seconds:
        return replace(plan, state=PlanState.SOAKING, soak_until=now + watch_seconds, reason="")
    return _onward(plan)


def _onward(plan: Plan) -> Plan:
    leg, wave = (plan.leg, plan.wave + 1) if plan.wave < plan.waves - 1 else (plan.leg + 1, 0)
    return replace(plan, state=PlanState.RUNNING, leg=leg, wave=wave, soak_until=None, reason="")
