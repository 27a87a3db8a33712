"""`podctl moves`: shops on their way from pod to pod: where each is, what it did, what it waits for.

Promises: reading changes nothing. Leaves to others: orders (`move_changes`), new moves (`move_start`), plans
of many (`move_plan`, `move_plans`), and doing anything about them (the movers, which are jobs of the pods'
workers).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from podwork_ops.cli import move_changes, move_plan, move_plans, move_start, move_verify
from podwork_ops.cli.commands import Group
from podwork_ops.cli.move_choice import MOVE, move_argument
from podwork_ops.cli.move_rows import COLUMNS, EVENT_COLUMNS, GET_COLUMNS, details_of, event_row, row_of
from podwork_ops.cli.move_watch import watch_move
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import SHOP, Duration
from podwork_ops.errors import ShopNeverMoved
from podwork_pods.mover.states import ENDED, MoveState

STATES = [state.value for state in MoveState]

moves = Group("moves", help="Move shops between pods while they trade; see, hold, cut over, reverse.")


@moves.command(
    "list",
    examples=[
        "podctl moves list",
        "podctl moves list --pod 7 --all",
        "podctl moves list --state reversible -o json",
    ],
)
@pod_option(help="Only moves that leave this pod or come to it.")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="Only those; repeatable.")
@click.option("--all", "every", is_flag=True, help="Also those that are over.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most so many."
)
@click.option("--before", type=MOVE, metavar="MOVE", help="Go on with those older than this one.")
@session
def list_moves(
    session: Session, pod_id: int | None, states: Sequence[str], every: bool, limit: int, before: int | None
) -> None:
    """List moves, the latest first; without --all or --state those that are not over."""
    wanted = None if every and not states else _meant(states)
    with session.platform() as platform:
        found = platform.moves.store.page(states=wanted, pod_id=pod_id, before=before, limit=limit + 1)
    rows = [row_of(move) for move in found[:limit]]
    next_before = rows[-1]["move_id"] if len(found) > limit else None
    if session.out.json:
        session.out.document({"moves": rows, "next_before": next_before})
        return
    session.out.rows("moves", rows, COLUMNS, "no moves" if every else "no moves under way - see also: --all")
    if next_before:
        session.out.message(f"more: --before {next_before}")


@moves.command(
    "get",
    examples=["podctl moves get 12", "podctl moves get 12 --watch", "podctl moves get --shop 330 -o json"],
)
@click.argument("move_id", metavar="[MOVE]", type=MOVE, required=False)
@click.option("--shop", "shop_id", type=SHOP, metavar="SHOP", help="The latest move of this shop.")
@click.option("--watch", is_flag=True, help="Show it until it waits for somebody, or is over.")
@click.option(
    "--every", "every_seconds", type=Duration(), default="1s", show_default=True, help="How often to look."
)
@session
def get(session: Session, move_id: int | None, shop_id: int | None, watch: bool, every_seconds: float) -> int:
    """Show one move: where it stands, since when, in whose hands, and what comes next."""
    if (move_id is None) == (shop_id is None):
        raise click.UsageError("which move? - give its number, or --shop")
    with session.platform() as platform:
        access = platform.moves
        if move_id is None:
            assert shop_id is not None
            latest = access.store.of_shop(shop_id)
            if latest is None:
                raise ShopNeverMoved(shop_id)
            move_id = latest.id
        if watch:
            return watch_move(session, access, move_id, every_seconds)
        move = access.store.get(move_id)
        row = {**details_of(move), **access.copied(move)}
    session.out.record(row, GET_COLUMNS)
    return 0


@moves.command("explain", examples=["podctl moves explain 12", "podctl moves explain 12 -o json"])
@move_argument
@session
def explain(session: Session, move_id: int) -> None:
    """Tell a move's story: each change of its state, who made it, when, and why.

    Also what preflight has found, and what holds it now.
    """
    with session.platform() as platform:
        store = platform.moves.store
        move = store.get(move_id)
        events = store.events(move_id)
    first_at = events[0].at if events else move.created
    rows = [event_row(event, first_at) for event in events]
    if session.out.json:
        session.out.document({**details_of(move), "events": rows})
        return
    session.out.rows("events", rows, EVENT_COLUMNS)
    for line in _findings(move.found):
        session.out.write(f"{line}\n")
    now = row_of(move)
    if now["waits_for"]:
        session.out.write(f"It waits for: {now['waits_for']}\n")
    if now["held_reason"]:
        session.out.write(f"It is held: {now['held_reason']}\n")
    session.out.write(f"Next: {now['next_action']}\n")


def _meant(states: Iterable[str]) -> list[MoveState]:
    chosen = [MoveState(state) for state in states]
    return chosen or [state for state in MoveState if state not in ENDED]


def _findings(found: object) -> list[str]:
    """Return what preflight has written with the move, a line each."""
    if not isinstance(found, dict):
        return []
    return [f"Preflight, {name.replace('_', ' ')}: {_shown(value)}" for name, value in found.items() if value]


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_shown(item) for item in value)
    return str(value)


for command in (
    move_start.start,
    move_changes.hold,
    move_changes.release,
    move_changes.cutover,
    move_changes.abort,
    move_changes.reverse,
    move_changes.complete,
    move_verify.verify,
    move_plan.plan,
    move_plans.plans,
    move_plans.pause,
    move_plans.resume,
    move_plans.cancel,
):
    moves.add_command(command)
