"""`podctl moves plan`: many shops are to move, a few at a time.

Promises: nothing is written with --dry-run; without it, what will happen is asked before it is written.
Leaves to others: which shops (`podwork_ops.move_plan_access`), and their moves (the pods' workers).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import IO, Any, Final

import click

from podwork_ops.cli.commands import Command
from podwork_ops.cli.grounds import owner_option
from podwork_ops.cli.move_choice import dry_run_option, why_option, yes_option
from podwork_ops.cli.move_plan_rows import POD_COLUMNS, options_row, row_of
from podwork_ops.cli.move_plan_values import BytesPerSecond, FreezeLine, Share, shops_in
from podwork_ops.cli.output import plural, span
from podwork_ops.cli.session import Session, confirm, session
from podwork_ops.cli.values import POD, SHOP, Duration, DurationOrNone
from podwork_ops.composition import Platform
from podwork_ops.errors import MovesNotSet
from podwork_ops.move_plan_access import Aim, Proposal
from podwork_pods.mover.plans.errors import InvalidMovePlan
from podwork_pods.mover.plans.plan import MOST_AT_ONCE, PlanOptions, Standing

DEFAULTS: Final = PlanOptions()
_AT_ONCE: Final = click.IntRange(1, MOST_AT_ONCE)


def _aim_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which shops: `from_pod` to `shop_file`."""
    options = [
        click.option("--from", "from_pod", type=POD, metavar="POD", help="All shops of this pod, to --to."),
        click.option("--to", "to_pod", type=POD, metavar="POD", help="Where they go."),
        click.option(
            "--evacuate", "evacuated", type=POD, metavar="POD", help="All its shops, spread over the others."
        ),
        click.option("--rebalance", "is_rebalance", is_flag=True, help="A few shops, until pods are even."),
        click.option("--shop", "shops", type=SHOP, multiple=True, help="This shop, to --to; repeated."),
        click.option(
            "--shops", "shop_file", type=click.File(), metavar="FILE", help="Shops, a line each, to --to."
        ),
        click.option(
            "--by",
            type=click.Choice(["rows", "shops"]),
            default="rows",
            show_default=True,
            help="What weighs: a shop's rows, or each shop the same.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _pace_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of `PlanOptions`, under their names."""
    options = [
        click.option(
            "--concurrency",
            type=_AT_ONCE,
            default=DEFAULTS.concurrency,
            show_default=True,
            help="How many of its moves are under way.",
        ),
        click.option(
            "--per-pod",
            type=_AT_ONCE,
            default=DEFAULTS.per_pod,
            show_default=True,
            help="How many moves leave a pod or come to it, whoever wants them.",
        ),
        click.option(
            "--canary",
            type=Share(),
            default="5%",
            show_default=True,
            help="So many go first, and have to arrive.",
        ),
        click.option(
            "--bandwidth",
            "bandwidth_bytes",
            type=BytesPerSecond(),
            metavar="20M",
            help="Bytes a second that copies read from a pod (default: no limit).",
        ),
        click.option(
            "--max-lag",
            "max_lag_seconds",
            type=Duration(),
            metavar="5s",
            help="Wait while a replica is further behind.",
        ),
        click.option(
            "--max-threads",
            "max_threads_running",
            type=click.IntRange(min=1),
            metavar="25",
            help="Wait while a shard runs more statements at once.",
        ),
        click.option(
            "--freeze",
            "freezes",
            type=FreezeLine(),
            multiple=True,
            metavar="SPAN",
            help='No cut-over begins then: "Fri 18:00-Mon 08:00 Europe/Paris"; repeated.',
        ),
        click.option(
            "--max-block",
            "max_block_seconds",
            type=Duration(),
            default=span(DEFAULTS.max_block_seconds),
            show_default=True,
            help="A cut-over that would block writes for longer gives way.",
        ),
        click.option(
            "--grace",
            "grace_seconds",
            type=DurationOrNone(),
            default=DEFAULTS.grace_seconds,
            metavar="24h",
            help="Complete each move so long after its switch (default: 24h).",
        ),
        click.option("--no-complete", is_flag=True, help="Complete none: a person does, move by move."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command(
    "plan",
    cls=Command,
    examples=[
        "podctl moves plan --from 7 --to 9 --dry-run",
        'podctl moves plan --evacuate 7 --bandwidth 20M --freeze "Fri 18:00-Mon 08:00 Europe/Paris"',
        "podctl moves plan --rebalance --by shops --canary 10% --yes",
        "podctl moves plan --shops - --to 9 --concurrency 1 --no-complete",
    ],
)
@_aim_options
@_pace_options
@click.option("--paused", is_flag=True, help="Make it, and let nothing begin before: podctl moves resume.")
@why_option
@owner_option
@yes_option
@dry_run_option
@session
def plan(
    session: Session,
    /,
    *,
    from_pod: int | None,
    to_pod: int | None,
    evacuated: int | None,
    is_rebalance: bool,
    shops: Sequence[int],
    shop_file: IO[str] | None,
    by: str,
    no_complete: bool,
    paused: bool,
    reason: str | None,
    owner: str,
    yes: bool,
    dry_run: bool,
    **pace: Any,
) -> None:
    """Let many shops move, a few at a time, the canary first.

    The pods' workers begin them; what was aborted halts the plan when it is more than one, and more than 5 %.
    """
    aim = _aim(
        from_pod, to_pod, evacuated, is_rebalance, [*shops, *(shops_in(shop_file) if shop_file else ())]
    )
    if no_complete:
        pace["grace_seconds"] = None
    options = PlanOptions(**pace)
    options.check()
    with session.platform() as platform:
        _check_settings(platform, options)
        proposal = platform.moves.plans.propose(aim, by_rows=by == "rows")
        if aim.shops:
            aim = _without_those_there(session, aim, proposal)
        if dry_run:
            _say(session, aim, proposal, options)
            return
        confirm(f"move {plural(len(proposal.choices), 'shop')}: {aim}", yes or not proposal.choices)
        store = platform.moves.plans.store
        store.prepare()
        made = store.make(proposal.choices, options, aim=str(aim), by=owner, why=reason or "", paused=paused)
    if session.out.json:
        session.out.document({**row_of(made, Standing(waiting=made.shops)), "dry_run": False})
        return
    session.out.write(f"{made.id}\n")
    onward = f"begin it: podctl moves resume {made.id}" if paused else f"see: podctl moves plans {made.id}"
    session.out.message(
        f"{plural(made.shops, 'shop')} in plan {made.id}, {_first(made.canary_shops)}; {onward}"
    )
    _say_moving(session, proposal)


def _aim(
    from_pod: int | None, to_pod: int | None, evacuated: int | None, is_rebalance: bool, shops: Sequence[int]
) -> Aim:
    chosen = [from_pod is not None, evacuated is not None, is_rebalance, bool(shops)]
    if sum(chosen) != 1:
        raise click.UsageError(
            "which shops? - give one of --from, --evacuate, --rebalance, --shop or --shops"
        )
    needs_target = from_pod is not None or bool(shops)
    if needs_target != (to_pod is not None):
        remedy = "give --to" if needs_target else "leave out --to: they are spread"
        raise click.UsageError(f"where to? - {remedy}")
    return Aim(from_pod, evacuated, is_rebalance, shops, to_pod)


def _without_those_there(session: Session, aim: Aim, proposal: Proposal) -> Aim:
    """Leave out, and name, the shops that are where they are to be."""
    moved = {choice.shop_id for choice in proposal.choices}
    there = sorted(set(aim.shops) - moved)
    if not there or not moved:
        return aim
    where = f"on pod {aim.to_pod} already"
    session.out.message(
        f"shop {there[0]} is {where}"
        if len(there) == 1
        else f"{len(there):,} shops are {where}, such as shop {there[0]}"
    )
    return aim._replace(shops=moved)


def _check_settings(platform: Platform, options: PlanOptions) -> None:
    if not platform.settings.moves.tables:
        raise MovesNotSet
    is_copied_at_once = any(pod.shard_url.startswith("sqlite") for pod in platform.pods())
    if options.bandwidth_bytes is not None and is_copied_at_once:
        raise InvalidMovePlan(
            "a shard on SQLite is copied while writes stand still, and no bandwidth is kept there",
            "leave out --bandwidth",
        )


def _say(session: Session, aim: Aim, proposal: Proposal, options: PlanOptions) -> None:
    """Say what a plan would have."""
    shops = len(proposal.choices)
    if session.out.json:
        session.out.document(
            {
                "aim": str(aim),
                "shops": [choice._asdict() for choice in proposal.choices],
                "canary_shops": options.canary_of(shops),
                "moving": list(proposal.moving),
                "pods": list(proposal.pods),
                "options": options_row(options),
                "dry_run": True,
            }
        )
        return
    session.out.rows("pods", proposal.pods, POD_COLUMNS)
    said = f"{plural(shops, 'shop')} would move, {_first(options.canary_of(shops))}: {aim}"
    session.out.message(said if shops else f"no shop would move: {aim}")
    _say_moving(session, proposal)


def _first(canary_shops: int) -> str:
    return f"{canary_shops} of them first" if canary_shops else "without a canary"


def _say_moving(session: Session, proposal: Proposal) -> None:
    """Say which of the shops have to wait."""
    if proposal.moving:
        is_one = len(proposal.moving) == 1
        verbs = ("has", "waits") if is_one else ("have", "wait")
        session.out.message(
            f"{plural(len(proposal.moving), 'shop')} {verbs[0]} a move that is not over, and {verbs[1]} for "
            f"it, such as shop {proposal.moving[0]} - see: podctl moves list"
        )
