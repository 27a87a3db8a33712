"""`podctl moves hold|release|cutover|abort|reverse|complete`: what an operator orders about a move.

Promises: an order is one transaction on the move's row, with a line in its log that says who and why; it
works when no worker lives, and a mover obeys at its next step. What cannot be taken back asks first. Leaves
to others: the orders' rules (`podwork_pods.mover.orders`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click

from podwork_ops.cli.commands import Command
from podwork_ops.cli.grounds import owner_option, reason_option
from podwork_ops.cli.move_choice import dry_run_option, move_argument, why_option, yes_option
from podwork_ops.cli.move_rows import row_of
from podwork_ops.cli.session import Session, confirm, session
from podwork_ops.composition import Platform
from podwork_pods.mover.errors import MoveConflict
from podwork_pods.mover.move import Move
from podwork_pods.mover.orders import MoveOrders
from podwork_pods.mover.plans.holding import why_it_waits

Order = Callable[[MoveOrders], Move]
Question = Callable[[Move], str]

_AT_ONCE: Final = "a worker does it within seconds"


@click.command(
    "hold",
    cls=Command,
    examples=['podctl moves hold 12 --reason "a sale is on"', "podctl moves hold 12 --reason x --dry-run"],
)
@move_argument
@reason_option
@owner_option
@dry_run_option
@session
def hold(session: Session, move_id: int, reason: str, owner: str, dry_run: bool) -> None:
    """Let a move wait before its next cut-over, and as long as it is reversible.

    Copying goes on, and what is copied is kept equal; a cut-over that has begun is not stopped: see abort.
    """
    _give(session, move_id, dry_run, lambda orders: orders.hold(move_id, owner, reason), "held")


@click.command("release", cls=Command, examples=["podctl moves release 12"])
@move_argument
@why_option
@owner_option
@dry_run_option
@session
def release(session: Session, move_id: int, reason: str | None, owner: str, dry_run: bool) -> None:
    """Let a held move go on by itself."""
    said = f"goes on; {_AT_ONCE}"
    _give(
        session, move_id, dry_run, lambda orders: orders.release(move_id, owner, reason or "released"), said
    )


@click.command("cutover", cls=Command, examples=["podctl moves cutover 12"])
@move_argument
@why_option
@owner_option
@dry_run_option
@session
def cutover(session: Session, move_id: int, reason: str | None, owner: str, dry_run: bool) -> None:
    """Let the cut-over of a move that is ready begin now.

    Writes of the shop stand still for a moment; after --max-block it gives way by itself. Not while the plan
    of the move is paused or has halted, nor in a freeze of its calendar.
    """
    _give(
        session,
        move_id,
        dry_run,
        lambda orders: orders.cut_over(move_id, owner, reason or "cut over"),
        f"cuts over now; {_AT_ONCE}",
        check=_check_plan,
    )


def _check_plan(platform: Platform, move: Move) -> None:
    if why := why_it_waits(platform.directory, move):
        remedy = "wait, or resume the plan; or abort the move, and start the shop alone"
        raise MoveConflict(move.id, f"its plan does not let it cut over: {why}", remedy)


@click.command("abort", cls=Command, examples=['podctl moves abort 12 --reason "wrong shop" --yes'])
@move_argument
@reason_option
@owner_option
@yes_option
@dry_run_option
@session
def abort(session: Session, *, move_id: int, reason: str, owner: str, yes: bool, dry_run: bool) -> None:
    """Give a move up before its switch: the shop stays, and the target is cleared.

    After the switch there is only the way back: podctl moves reverse.
    """
    _give(
        session,
        move_id,
        dry_run,
        lambda orders: orders.abort(move_id, owner, reason),
        f"is given up; {_AT_ONCE}",
        None if yes else lambda move: f"give up move {move.id} of shop {move.shop_id}, which is {move.state}",
    )


@click.command(
    "reverse",
    cls=Command,
    examples=[
        'podctl moves reverse 12 --reason "pod 9 is slow"',
        "podctl moves reverse 12 --hold --reason x",
    ],
)
@move_argument
@click.option("--hold", "held", is_flag=True, help="Stop before its cut-over, until: podctl moves cutover.")
@reason_option
@owner_option
@yes_option
@dry_run_option
@session
def reverse(
    session: Session, *, move_id: int, held: bool, reason: str, owner: str, yes: bool, dry_run: bool
) -> None:
    """Bring a shop back to the pod that it came from, without a copy: its rows there are up to date.

    Possible until podctl moves complete.
    """
    _give(
        session,
        move_id,
        dry_run,
        lambda orders: orders.reverse(move_id, owner, reason, held=held),
        f"goes back; {_AT_ONCE}",
        None if yes else lambda move: f"bring shop {move.shop_id} back to pod {move.home_pod}",
    )


@click.command(
    "complete",
    cls=Command,
    examples=["podctl moves complete 12 --yes", "podctl moves complete 12 --despite-stale-writes --yes"],
)
@move_argument
@click.option(
    "--despite-stale-writes",
    is_flag=True,
    help="Also if somebody has written to the kept rows past the fence (that is lost), or nobody can know.",
)
@why_option
@owner_option
@yes_option
@dry_run_option
@session
def complete(
    session: Session,
    *,
    move_id: int,
    despite_stale_writes: bool,
    reason: str | None,
    owner: str,
    yes: bool,
    dry_run: bool,
) -> None:
    """End a move for good: the rows that are kept on the old pod are deleted; there is no way back then.

    They are compared with the shop's first: if somebody has written to them, they stay, and podctl moves get
    says so.
    """
    _give(
        session,
        move_id,
        dry_run,
        lambda orders: orders.complete(
            move_id, owner, reason or "completed", despite_stale_writes=despite_stale_writes
        ),
        f"is completed: the kept rows are deleted; {_AT_ONCE}",
        None if yes else _ask_to_complete,
    )


def _ask_to_complete(move: Move) -> str:
    return (
        f"delete what shop {move.shop_id} left on pod {move.home_pod}; then move {move.id} "
        "cannot be reversed any more"
    )


def _give(
    session: Session,
    move_id: int,
    dry_run: bool,
    order: Order,
    said: str,
    question: Question | None = None,
    check: Callable[[Platform, Move], None] = lambda _platform, _move: None,
) -> None:
    """Give the order, or try it and take it back; say what came of it."""
    with session.platform() as platform:
        access = platform.moves
        before = access.store.get(move_id)
        after = access.rehearse(order)  # what makes no sense is refused before anybody is asked
        check(platform, after)
        if not dry_run:
            if question is not None:
                confirm(question(before), False)
            after = order(access.orders)
    row = row_of(after)
    if session.out.json:
        session.out.document({**row, "was": before.state.value, "dry_run": dry_run})
        return
    change = f"{before.state} -> {after.state}" if before.state is not after.state else f"{after.state}"
    verb = "would be" if dry_run else "is now"
    session.out.message(f"move {move_id} of shop {after.shop_id} {verb} {change}: {said}")
