"""`podctl migrations hold|release|cancel|set`: what an operator does to a plan, or to a pod in all plans.

Promises: what has begun goes on, whatever is asked: only others are kept from beginning; a pod that is held
takes no further step, and the plan goes on without it. Who did it and why is kept with it. Leaves to others:
the changes (`podwork_migrations.plan`, `podwork_migrations.control`).
"""

from __future__ import annotations

from typing import Any

import click

from podwork.errors import PodworkError
from podwork_migrations.plan.plan import Plan
from podwork_migrations.plan.states import LIVE, PlanState
from podwork_ops.cli.commands import Command
from podwork_ops.cli.grounds import owner_option, reason_option
from podwork_ops.cli.migration_choice import dry_run_option, plan_argument, plan_meant, yes_option
from podwork_ops.cli.pod_options import completed, pod_option, pods_of_registry
from podwork_ops.cli.session import Session, confirm, session
from podwork_ops.cli.values import POD
from podwork_ops.composition import Platform
from podwork_ops.masking import mask

UNDER_WAY = "that is under way"


@click.command(
    "hold",
    cls=Command,
    examples=[
        'podctl migrations hold --reason "incident 42"',
        'podctl migrations hold --pod 7 --reason "its disk is being replaced"',
        'podctl migrations hold --pod 7 --free-place --reason "the machine is gone"',
    ],
)
@plan_argument
@pod_option(help="This pod, in all plans; they go on without it.")
@click.option(
    "--free-place", is_flag=True, help="Let another pod migrate in its place, if it has begun nothing."
)
@reason_option
@owner_option
@dry_run_option
@session
def hold(
    session: Session,
    *,
    plan: int | None,
    pod_id: int | None,
    free_place: bool,
    reason: str,
    owner: str,
    dry_run: bool,
) -> None:
    """Hold a plan, or a pod, until it is released.

    Under a plan no further migration begins; what has begun goes on. On a held pod a migration stops between
    two steps; runs of its backfills go on, see podctl runs pause.
    """
    if pod_id is not None and plan is not None:
        raise click.UsageError("a pod is held in all plans - give a plan or --pod")
    if free_place and pod_id is None:
        raise click.UsageError("whose place? - give --pod")
    with session.platform() as platform:
        if pod_id is not None:
            _hold_pod(session, platform, pod_id, reason, owner, free_place, dry_run)
            return
        plans = platform.migrations.plans_to_change(dry_run=dry_run)
        found = plan_meant(plans, plan, sorted(LIVE), UNDER_WAY)
        after = plans.hold(found.number, reason, owner)
        _say(session, found, after, "no other migration begins", dry_run)


@click.command(
    "release",
    cls=Command,
    examples=[
        "podctl migrations release",
        "podctl migrations release 3",
        "podctl migrations release --pod 7",
    ],
)
@plan_argument
@pod_option(help="This pod.")
@owner_option
@dry_run_option
@session
def release(session: Session, *, plan: int | None, pod_id: int | None, owner: str, dry_run: bool) -> None:
    """Let a plan or a pod go on that is held, or a plan that halted.

    A plan that halted goes on as it stands: what failed until now is known, and halts it no more. Mend it,
    and retry what failed.
    """
    if pod_id is not None and plan is not None:
        raise click.UsageError("a pod is held in all plans - give a plan or --pod")
    with session.platform() as platform:
        if pod_id is not None:
            _release_pod(session, platform, pod_id, dry_run)
            return
        plans = platform.migrations.plans_to_change(dry_run=dry_run)
        found = plan_meant(plans, plan, [PlanState.HELD, PlanState.HALTED], "that is held or has halted")
        go_on = plans.resume if found.state is PlanState.HALTED else plans.release
        after = go_on(found.number, by=owner)
        for line in [] if dry_run else platform.migrations.status(after.number).pods:
            if line.wave <= after.wave:
                platform.migrations.wake(line.pod_id)
        _say(session, found, after, "it goes on", dry_run)


@click.command(
    "cancel",
    cls=Command,
    examples=['podctl migrations cancel 3 --reason "split it in two"'],
)
@plan_argument
@reason_option
@owner_option
@yes_option
@dry_run_option
@session
def cancel(session: Session, *, plan: int | None, reason: str, owner: str, yes: bool, dry_run: bool) -> None:
    """Give a plan up; its migrations may be planned anew.

    Nothing else begins. What has begun goes on, and what was applied stays: podctl migrations revert.
    """
    with session.platform() as platform:
        plans = platform.migrations.plans_to_change(dry_run=dry_run)
        found = plan_meant(plans, plan, [PlanState.DRAFT, *sorted(LIVE)], "that is not over")
        confirm(f"give plan {found.number} up, which is {found.state}", yes or dry_run)
        after = plans.cancel(found.number, reason, owner)
        _say(session, found, after, "its migrations may be planned anew", dry_run)


@click.command(
    "set",
    cls=Command,
    examples=["podctl migrations set --max-migrating-pods 20", "podctl migrations set 3 --canary 5"],
)
@plan_argument
@click.option(
    "--max-migrating-pods", "most", type=click.IntRange(min=1), help="How many pods migrate at the same time."
)
@click.option(
    "--canary",
    type=POD,
    metavar="POD",
    shell_complete=completed(pods_of_registry),
    help="Another pod goes first, in the place of one that is blocked.",
)
@owner_option
@dry_run_option
@session
def set_plan(
    session: Session,
    *,
    plan: int | None,
    most: int | None,
    canary: int | None,
    owner: str,
    dry_run: bool,
) -> None:
    """Change how a plan goes on; what is not given stays."""
    if most is None and canary is None:
        raise click.UsageError("nothing to set - give --max-migrating-pods or --canary")
    with session.platform() as platform:
        plans = platform.migrations.plans_to_change(dry_run=dry_run)
        found = after = plan_meant(plans, plan, [PlanState.DRAFT, *sorted(LIVE)], "that is not over")
        said = []
        if canary is not None:
            after = plans.set_canary(found.number, canary, by=owner)
            said.append(f"pod {canary} goes first")
        if most is not None:
            after = plans.limit(found.number, most, by=owner)
            said.append(f"at most {most} at the same time")
        _say(session, found, after, ", ".join(said), dry_run)


def _hold_pod(
    session: Session,
    platform: Platform,
    pod_id: int,
    reason: str,
    owner: str,
    free_place: bool,
    dry_run: bool,
) -> None:
    platform.pod(pod_id)
    if free_place:
        platform.migrations.blocking.check_free(pod_id)
    if dry_run:
        _say_pod(
            session, pod_id, f"pod {pod_id} would be held: plans go on without it", is_held=True, dry_run=True
        )
        return
    platform.migrations.blocking.block(pod_id, reason, owner)
    why_not = None
    try:
        platform.migrations.control(pod_id).hold(reason, owner)
    except PodworkError as error:  # its shard is away: then no step is taken there either
        why_not = mask(str(error))
    _say_pod(session, pod_id, f"pod {pod_id} is held: plans go on without it", is_held=True)
    if why_not is not None:
        session.out.message(f"its shard does not know: {why_not}")
    if free_place:
        platform.migrations.blocking.free(pod_id)


def _release_pod(session: Session, platform: Platform, pod_id: int, dry_run: bool) -> None:
    platform.pod(pod_id)
    if dry_run:
        _say_pod(
            session,
            pod_id,
            f"pod {pod_id} would be released: it is taken up again",
            is_held=False,
            dry_run=True,
        )
        return
    platform.migrations.control(pod_id).release()
    platform.migrations.blocking.unblock(pod_id)
    platform.migrations.wake(pod_id)
    _say_pod(session, pod_id, f"pod {pod_id} is released: it is taken up again", is_held=False)


def _say(session: Session, before: Plan, after: Plan, said: str, dry_run: bool) -> None:
    if session.out.json:
        document: dict[str, Any] = {
            "plan": after.number,
            "was": before.state.value,
            "state": after.state.value,
            "reason": mask(after.reason) or None,
            "max_migrating_pods": after.options.max_migrating_pods,
            "canary": after.options.canary,
            "dry_run": dry_run,
        }
        session.out.document(document)
    else:
        is_now = "would be" if dry_run else "is"
        session.out.message(f"plan {after.number} {is_now} {after.state}: {said}")


def _say_pod(session: Session, pod_id: int, said: str, *, is_held: bool, dry_run: bool = False) -> None:
    if session.out.json:
        session.out.document({"pod_id": pod_id, "is_held": is_held, "dry_run": dry_run})
    else:
        session.out.message(said)
