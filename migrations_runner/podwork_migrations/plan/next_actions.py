"""What a person would do next, in a sentence each.

Owns: the sentences of the status. They name commands of `podctl migrations`; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from podwork_migrations.ledger.states import EntryState
from podwork_migrations.plan import moving
from podwork_migrations.plan.cells import Cell
from podwork_migrations.plan.halting import named
from podwork_migrations.plan.plan import Placement, Plan
from podwork_migrations.plan.states import PlacementState, PlanState

SILENT_SECONDS = 300.0
"""A pod that may go and has not asked for so long is asked after."""


def of_plan(
    plan: Plan, placed: Mapping[int, Placement], blocked: Collection[int], waits_for: str = ""
) -> str:
    """Return what a person would do about a plan; "": it goes on by itself, or is over.

    `waits_for`: what it finalizes, and is not applied everywhere.
    """
    number = plan.number
    if plan.state is PlanState.DRAFT:
        return f"start it: podctl migrations run {number}"
    if plan.state is PlanState.HALTED:
        return f"mend the cause, retry what failed, then: podctl migrations release {number}"
    if plan.state is PlanState.HELD:
        return f"podctl migrations release {number}"
    late = [each.pod_id for each in placed.values() if each.state is not PlacementState.DONE]
    if plan.state is PlanState.SUCCEEDED:
        return f"{named(late)} will catch up when they may" if late else ""
    if plan.state is not PlanState.RUNNING:
        return ""
    return _of_running(plan, placed, blocked) or (f"it waits for {waits_for}" if waits_for else "")


def _of_running(plan: Plan, placed: Mapping[int, Placement], blocked: Collection[int]) -> str:
    waited_for = moving.unfinished(plan, placed, blocked)
    failed = [each.pod_id for each in waited_for if each.state is PlacementState.FAILED]
    if failed:
        return f"{named(failed)} failed: podctl migrations retry, or skip"
    if not waited_for and not moving.is_complete(plan, placed, blocked):
        canary = named([each.pod_id for each in placed.values() if each.wave == 0])
        return (
            f"the canary, {canary}, is blocked: podctl migrations release --pod, "
            f"or choose another: podctl migrations set {plan.number} --canary"
        )
    return ""


def of_pod(placement: Placement, is_open: bool, blocked: str | None, heard_seconds_ago: float | None) -> str:
    """Return what a person would do about a pod of a plan; `is_open`: the plan lets it go now."""
    pod_id, cells = placement.pod_id, placement.cells
    is_silent = heard_seconds_ago is None or heard_seconds_ago > SILENT_SECONDS
    action = ""
    if placement.state is PlacementState.DONE:
        if Cell.EDITED in cells:
            action = "a file was edited after it ran here: compare, then podctl migrations drift"
    elif blocked is not None:
        action = "it is taken up when it is back"
    elif placement.state is PlacementState.FAILED:
        action = f"podctl migrations retry --pod {pod_id}, or skip"
    elif Cell.REVERTED in cells:
        action = f"it was reverted: podctl migrations retry --pod {pod_id}, skip, or cancel the plan"
    elif is_open and is_silent and placement.state is PlacementState.WAITING:
        action = (
            f"nothing is heard of it: does a worker of pod {pod_id} run, with this code? "
            f"To go on without it: podctl migrations hold --pod {pod_id}"
        )
    return action


def of_moving(pod_id: int, version: str, state: EntryState | None, heartbeat_seconds: float) -> str:
    """Return what a person would do about a migration that is open, or failed; None: it was let go."""
    if state is EntryState.FAILED:
        return f"podctl migrations retry --pod {pod_id} {version}, skip --reason, or revert"
    if heartbeat_seconds <= SILENT_SECONDS:
        return ""
    if state is None:
        return f"it was let go and has not begun: does a worker of pod {pod_id} run?"
    return f"its heartbeat is old: does a worker of pod {pod_id} run, and its shard answer?"
