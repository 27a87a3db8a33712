"""`podctl moves plans|pause|resume|cancel`: plans of moves: how far each is, and orders about them.

Promises: reading changes nothing; what has begun goes on, whatever is ordered, and who did it and why is kept
with the plan. Leaves to others: making plans (`move_plan`), the orders' rules
(`podwork_pods.mover.plans.plans`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click

from podwork_ops.cli.commands import Command
from podwork_ops.cli.grounds import owner_option, reason_option
from podwork_ops.cli.move_choice import dry_run_option, why_option, yes_option
from podwork_ops.cli.move_plan_rows import (
    COLUMNS,
    EVENT_COLUMNS,
    GET_COLUMNS,
    SHOP_COLUMNS,
    details_of,
    event_row,
    row_of,
    shop_row,
)
from podwork_ops.cli.session import Session, confirm, session
from podwork_ops.cli.values import Number
from podwork_ops.composition import Platform
from podwork_pods.mover.plans.plan import MovePlan, PlannedShop, Stage
from podwork_pods.mover.plans.plans import MovePlans
from podwork_pods.mover.states import MoveState

PLAN: Final = Number("plan", least=1)
_SHOWN: Final = 20

plan_argument = click.argument("plan_id", metavar="PLAN", type=PLAN)
Order = Callable[[MovePlans], MovePlan]


@click.command(
    "plans",
    cls=Command,
    examples=["podctl moves plans", "podctl moves plans 3", "podctl moves plans 3 --every-shop -o json"],
)
@click.argument("plan_id", metavar="[PLAN]", type=PLAN, required=False)
@click.option("--every-shop", is_flag=True, help="With PLAN: every shop, not only those that need a look.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many plans."
)
@session
def plans(session: Session, plan_id: int | None, every_shop: bool, limit: int) -> None:
    """List plans of moves, the latest first; or show one, with its log and what was aborted or skipped."""
    if plan_id is None and every_shop:
        raise click.UsageError("every shop of which plan? - give its number")
    with session.platform() as platform:
        if plan_id is not None:
            _show(session, platform, plan_id, every_shop)
            return
        rows = [row_of(plan, standing) for plan, standing in platform.moves.plans.store.latest(limit)]
    session.out.rows("plans", rows, COLUMNS, "no plans - make one: podctl moves plan")


@click.command("pause", cls=Command, examples=['podctl moves pause 3 --reason "incident 42"'])
@plan_argument
@reason_option
@owner_option
@dry_run_option
@session
def pause(session: Session, plan_id: int, reason: str, owner: str, dry_run: bool) -> None:
    """Let no move of a plan begin, and none cut over, until it is resumed.

    Copies under way go on, and wait where they are ready; a cut-over that has begun is not stopped.
    """
    _give(session, plan_id, dry_run, lambda plans: plans.pause(plan_id, owner, reason))


@click.command("resume", cls=Command, examples=['podctl moves resume 3 --reason "incident 42 is over"'])
@plan_argument
@why_option
@owner_option
@dry_run_option
@session
def resume(session: Session, plan_id: int, reason: str | None, owner: str, dry_run: bool) -> None:
    """Go on with a plan that is paused, or that has halted: what was aborted until now halts it no more."""
    _give(session, plan_id, dry_run, lambda plans: plans.resume(plan_id, owner, reason or "resumed"))


@click.command("cancel", cls=Command, examples=['podctl moves cancel 3 --reason "pod 9 stays small" --yes'])
@plan_argument
@reason_option
@owner_option
@yes_option
@dry_run_option
@session
def cancel(session: Session, *, plan_id: int, reason: str, owner: str, yes: bool, dry_run: bool) -> None:
    """Give a plan up: no move of it begins any more; those that have begun go on, each by itself."""
    question = None if yes else f"give up plan {plan_id}"
    _give(session, plan_id, dry_run, lambda plans: plans.cancel(plan_id, owner, reason), question)


def _give(session: Session, plan_id: int, dry_run: bool, order: Order, question: str | None = None) -> None:
    """Give the order, or try it and take it back; say what came of it."""
    with session.platform() as platform:
        access = platform.moves.plans
        before = access.store.get(plan_id)
        after = order(
            access.to_change(dry_run=True)
        )  # what makes no sense is refused before anybody is asked
        if not dry_run:
            if question is not None:
                confirm(question, False)
            after = order(access.to_change())
        row = row_of(after, access.store.standing(after))
    if session.out.json:
        session.out.document({**row, "was": before.state.value, "dry_run": dry_run})
        return
    verb = "would be" if dry_run else "is now"
    session.out.message(f"plan {plan_id} {verb} {before.state} -> {after.state}; next: {row['next_action']}")


def _show(session: Session, platform: Platform, plan_id: int, every_shop: bool) -> None:
    store = platform.moves.plans.store
    plan = store.get(plan_id)
    row = details_of(plan, store.standing(plan), platform.moves.plans.waits_for(plan))
    events = [event_row(event) for event in store.events(plan_id)]
    shops = [shop_row(shop) for shop in store.shops(plan_id) if every_shop or _needs_a_look(shop)]
    if session.out.json:
        session.out.document({**row, "events": events, "shop_list": shops})
        return
    session.out.record(row, GET_COLUMNS)
    shown = shops if every_shop else shops[:_SHOWN]
    if shown:
        session.out.write("\n")
        session.out.rows("shops", shown, SHOP_COLUMNS)
    session.out.write("\n")
    session.out.rows("events", events, EVENT_COLUMNS)
    if len(shown) < len(shops):
        session.out.message(f"{len(shops) - len(shown)} more shops: --every-shop")


def _needs_a_look(shop: PlannedShop) -> bool:
    """Whether a shop is shown unasked: it has not simply arrived, or not begun."""
    is_kept = shop.state is MoveState.PURGING and bool(shop.why)  # its old rows are not deleted
    return is_kept or shop.stage in (Stage.FAILED, Stage.SKIPPED, Stage.UNDER_WAY)
