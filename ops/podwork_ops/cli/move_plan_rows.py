"""Plans of moves as commands show them: their columns, their words, and how long they will take.

Owns: rows of plans, of their shops and of their logs. Leaves to others: the plans
(`podwork_pods.mover.plans`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from podwork_ops.cli.output import Column, age, count, moment, size_in_bytes, span
from podwork_pods.mover.plans.calendar import why_frozen
from podwork_pods.mover.plans.plan import MovePlan, PlannedShop, PlanOptions, Standing
from podwork_pods.mover.plans.rows import PlanEvent
from podwork_pods.mover.plans.states import PlanState

Row = dict[str, Any]

COLUMNS: Final = [
    Column("PLAN", "plan", right=True),
    Column("STATE", "state"),
    Column("SHOPS", "shops", count, right=True),
    Column("DONE", "done", count, right=True),
    Column("UNDER WAY", "under_way", count, right=True),
    Column("ABORTED", "aborted", count, right=True),
    Column("LEFT", "left", count, right=True),
    Column("ETA", "eta_seconds", age, right=True),
    Column("AIM", "aim", wide=True),
    Column("NEXT", "next_action", wide=True),
]
GET_COLUMNS: Final = [
    Column("Plan", "plan"),
    Column("Aim", "aim", wide=True),
    Column("State", "state"),
    Column("Why", "reason", wide=True),
    Column("Shops", "shops", count),
    Column("Done", "done", count),
    Column("Under way", "under_way", count),
    Column("Aborted or taken back", "aborted", count),
    Column("Skipped", "skipped", count),
    Column("Left", "left", count),
    Column("Canary", "canary_in_words"),
    Column("ETA", "eta_seconds", age),
    Column("Waits for", "waits_for", wide=True),
    Column("Cut-overs wait", "frozen", wide=True),
    Column("Moves at once", "limits_in_words"),
    Column("Bandwidth", "bandwidth_in_words"),
    Column("Throttles", "throttles_in_words"),
    Column("Freezes", "freezes", "; ".join, wide=True),
    Column("Grace", "grace_in_words"),
    Column("Wanted by", "wanted_by"),
    Column("Created", "created"),
    Column("Next", "next_action", wide=True),
]
SHOP_COLUMNS: Final = [
    Column("SHOP", "shop_id", right=True),
    Column("FROM", "from_pod", right=True),
    Column("TO", "to_pod", right=True),
    Column("STANDS", "stage", lambda stage: stage.replace("_", " ")),
    Column("MOVE", "move_id", right=True),
    Column("STATE", "state"),
    Column("WHY", "why", wide=True),
]
EVENT_COLUMNS: Final = [
    Column("AT", "at"),
    Column("WHO", "who", wide=True),
    Column("BEFORE", "before"),
    Column("AFTER", "after"),
    Column("WHY", "why", wide=True),
]
POD_COLUMNS: Final = [
    Column("POD", "pod_id", right=True),
    Column("WEIGHT", "weight", right=True),
    Column("LOAD", "load", count, right=True),
    Column("LEAVE", "leave", count, right=True),
    Column("COME", "come", count, right=True),
    Column("LOAD AFTER", "load_after", count, right=True),
]

UNHEARD_SECONDS: Final = 30.0
"""After so long without a move a new plan has no worker; one that lives looks every 5 s."""
_UNHEARD: Final = (
    "are workers of the pods up, with moves.tables set? podctl processes list, podctl workers --help"
)
_NEXT: Final[Mapping[PlanState, str]] = {
    PlanState.RUNNING: "nothing: it goes on by itself",
    PlanState.PAUSED: "podctl moves resume {id}, or podctl moves cancel {id}",
    PlanState.HALTED: "look at what was aborted: podctl moves plans {id}; then podctl moves resume {id}, "
    "or podctl moves cancel {id}",
    PlanState.ENDED: "nothing: it is over",
    PlanState.CANCELLED: "nothing: it was given up; see podctl moves list for what goes on",
}


def row_of(plan: MovePlan, standing: Standing, clock: Callable[[], float] = time.time) -> Row:
    """Return a plan as JSON has it, and as tables are made of it."""
    return {
        "plan": plan.id,
        "aim": plan.aim,
        "state": plan.state.value,
        "reason": plan.reason,
        "is_over": plan.state.is_over,
        "shops": plan.shops,
        "done": standing.done,
        "under_way": standing.under_way,
        "aborted": standing.failed,
        "skipped": standing.skipped,
        "left": standing.waiting,
        "canary_shops": plan.canary_shops,
        "canary_left": standing.canary_left,
        "eta_seconds": eta_seconds(plan, standing, clock()),
        "wanted_by": plan.wanted_by,
        "created": moment(plan.created),
        "begun": None if plan.begun is None else moment(plan.begun),
        "ended": None if plan.ended is None else moment(plan.ended),
        "next_action": _next(plan, standing),
    }


def details_of(
    plan: MovePlan, standing: Standing, waits_for: str = "", clock: Callable[[], float] = time.time
) -> Row:
    """Return the row with what is shown of one plan only. `waits_for`: why none of its shops begins."""
    options = plan.options
    now = clock()
    frozen = "" if plan.state.is_over else why_frozen(options.calendar, now)
    is_unheard = plan.state is PlanState.RUNNING and plan.begun is None and not waits_for
    row = row_of(plan, standing, clock)
    if is_unheard and now > plan.created + UNHEARD_SECONDS:
        row["next_action"] = _UNHEARD
    return {
        **row,
        **options_row(options),
        "waits_for": waits_for,
        "frozen": frozen,
        "canary_in_words": _canary(plan, standing),
        "limits_in_words": f"{options.concurrency}, {options.per_pod} of a pod",
        "bandwidth_in_words": _bandwidth(options),
        "throttles_in_words": _throttles(options),
        "grace_in_words": _grace(options),
    }


def options_row(options: PlanOptions) -> Row:
    """Return a plan's options as JSON has them."""
    fields = {name: getattr(options, name) for name in options.__struct_fields__}
    return {**fields, "freezes": list(options.freezes)}


def shop_row(shop: PlannedShop) -> Row:
    """Return a shop of a plan."""
    state = None if shop.state is None else shop.state.value
    return {**shop._asdict(), "state": state, "stage": shop.stage.value}


def event_row(event: PlanEvent) -> Row:
    """Return a line of a plan's log."""
    return {**event._asdict(), "at": moment(event.at)}


def eta_seconds(plan: MovePlan, standing: Standing, now: float) -> float | None:
    """Return how long the rest takes if it goes on as until now; None: nobody can say, or it stands still."""
    settled = standing.done + standing.failed
    left = standing.waiting + standing.under_way
    if plan.state is not PlanState.RUNNING or plan.begun is None or not settled or not left:
        return None
    return round((now - plan.begun) / settled * left, 1)


def _next(plan: MovePlan, standing: Standing) -> str:
    """Say for people what comes next, and who does it."""
    text = _NEXT[plan.state]
    if plan.state is PlanState.ENDED and (standing.failed or standing.skipped):
        text = (
            "look at what was aborted or skipped: podctl moves plans {id}; mend it, and plan those shops anew"
        )
    elif plan.state is PlanState.ENDED and plan.options.grace_seconds is None:
        text = (
            "podctl moves list --state reversible; look at the shops, then: podctl moves complete, or reverse"
        )
    return text.format(id=plan.id)


def _canary(plan: MovePlan, standing: Standing) -> str:
    if not plan.canary_shops:
        return "none"
    left = f"{standing.canary_left} still to arrive" if standing.canary_left else "through"
    return f"the first {plan.canary_shops}: {left}"


def _bandwidth(options: PlanOptions) -> str:
    rate = options.bandwidth_bytes
    return "" if rate is None else f"{size_in_bytes(rate)}/s of a source pod"


def _throttles(options: PlanOptions) -> str:
    parts = []
    if options.max_lag_seconds is not None:
        parts.append(f"replica lag {span(options.max_lag_seconds)}")
    if options.max_threads_running is not None:
        parts.append(f"threads running {options.max_threads_running}")
    return ", ".join(parts)


def _grace(options: PlanOptions) -> str:
    grace = options.grace_seconds
    return "until somebody completes each move" if grace is None else f"completed after {span(grace)}"
