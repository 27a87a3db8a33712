"""What a plan does next: nothing, begin moves, halt, or end.

Owns: `decide`, a pure function over what was counted. Promises: nothing begins in a plan that is not
running; the rest begins when the whole canary has arrived, and no move of it was given up; a plan halts
after more than one, and more than `FAILED_SHARE`, that were. What a person has seen and let pass (`resume`)
is not counted again. Leaves to others: which shops (`choosing`), and doing it (`turns`).
"""

from __future__ import annotations

from typing import NamedTuple

from podwork_pods.mover.plans.plan import FAILED_SHARE, MovePlan, Standing
from podwork_pods.mover.plans.states import PlanState


class Decision(NamedTuple):
    """`state`: the plan's new one, None: it stays. `room`: how many moves may begin, of `first` shops."""

    state: PlanState | None = None
    reason: str = ""
    room: int = 0
    first: int = 0


def decide(plan: MovePlan, standing: Standing) -> Decision:
    """Return what the plan does next."""
    if plan.state.is_over:
        return Decision()
    if not standing.waiting and not standing.under_way:
        return Decision(PlanState.ENDED, _summary(standing))
    if plan.state is not PlanState.RUNNING:
        return Decision()
    why = why_to_halt(plan, standing)
    if why:
        return Decision(PlanState.HALTED, why)
    first = plan.canary_shops if standing.canary_left else plan.shops
    return Decision(room=max(0, plan.options.concurrency - standing.under_way), first=first)


def why_to_halt(plan: MovePlan, standing: Standing) -> str:
    """Say for people why the plan is to stop; "": it goes on."""
    is_canary = standing.others_begun == 0
    if is_canary and standing.canary_failed > plan.forgiven:
        verb = "was" if standing.canary_failed == 1 else "were"
        return f"{standing.canary_failed} of {plan.canary_shops} canary shops {verb} given up or taken back"
    failed = standing.failed - plan.forgiven
    if failed > max(1, FAILED_SHARE * plan.shops):
        return f"{failed} of {plan.shops} shops were given up or taken back"
    return ""


def _summary(standing: Standing) -> str:
    parts = [f"{standing.done} arrived"]
    parts += [f"{standing.failed} given up or taken back"] if standing.failed else []
    parts += [f"{standing.skipped} skipped"] if standing.skipped else []
    return ", ".join(parts)
