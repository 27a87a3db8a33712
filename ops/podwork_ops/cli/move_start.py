"""`podctl moves start`: a shop is to move to another pod.

Promises: nothing is written with --dry-run, which looks at all that a mover would look at; without it, what
stops the move is found by its mover before anything is changed, and named. Leaves to others: moving (the
pods' workers).
"""

from __future__ import annotations

import click

from podwork_ops.cli.commands import Command
from podwork_ops.cli.grounds import owner_option
from podwork_ops.cli.move_choice import dry_run_option, why_option
from podwork_ops.cli.move_rows import row_of
from podwork_ops.cli.move_watch import watch_move
from podwork_ops.cli.output import Column, count, plural, size_in_bytes, span
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import POD, SHOP, Duration
from podwork_ops.errors import ExitCode, MovesNotSet
from podwork_pods.mover.crossing import Found
from podwork_pods.mover.move import MAX_BLOCK_SECONDS, Wanted
from podwork_pods.mover.states import MoveState

SIZE_COLUMNS = [
    Column("TABLE", "table"),
    Column("ROWS", "rows", count, right=True),
    Column("ABOUT", "bytes", size_in_bytes, right=True),
]


@click.command(
    "start",
    cls=Command,
    examples=[
        "podctl moves start --shop 330 --to 9 --dry-run",
        "podctl moves start --shop 330 --to 9 --rehearse --watch",
        'podctl moves start --shop 330 --to 9 --reason "pod 7 is full" --watch',
        "podctl moves start --shop 330 --to 9 --hold --max-block 2s --grace 24h",
    ],
)
@click.option("--shop", "shop_id", type=SHOP, required=True, metavar="SHOP", help="The shop that moves.")
@click.option("--to", "to_pod", type=POD, required=True, metavar="POD", help="Where it moves to.")
@click.option(
    "--hold", "held", is_flag=True, help="Copy, and stop before the cut-over: podctl moves cutover."
)
@click.option(
    "--rehearse",
    "is_rehearsal",
    is_flag=True,
    help="Copy and compare as a move does while the shop trades, then clear the target: nothing is switched.",
)
@click.option(
    "--max-block",
    "max_block_seconds",
    type=Duration(),
    default=span(MAX_BLOCK_SECONDS),
    show_default=True,
    help="A cut-over that would block writes for longer gives way.",
)
@click.option(
    "--grace",
    "grace_seconds",
    type=Duration(),
    metavar="24h",
    help="Delete the old rows so long after the switch (default: when somebody says complete).",
)
@why_option
@owner_option
@click.option("--watch", is_flag=True, help="Show it until it waits for somebody, or is over.")
@dry_run_option
@session
def start(
    session: Session,
    *,
    shop_id: int,
    to_pod: int,
    held: bool,
    is_rehearsal: bool,
    max_block_seconds: float,
    grace_seconds: float | None,
    reason: str | None,
    owner: str,
    watch: bool,
    dry_run: bool,
) -> int:
    """Let a shop move to another pod while it trades: rows, jobs, runs, all of it.

    The pods' workers do it. Until podctl moves complete there is a way back.
    """
    if is_rehearsal and (held or dry_run or grace_seconds is not None):
        raise click.UsageError("--rehearse ends by itself - leave out --hold, --grace and --dry-run")
    wanted = Wanted(
        shop_id, to_pod, owner, reason or "", held, max_block_seconds, grace_seconds, is_rehearsal
    )
    with session.platform() as platform:
        access = platform.moves
        platform.pod(to_pod)
        if not platform.settings.moves.tables:
            raise MovesNotSet
        access.store.prepare()
        if dry_run:
            return _say_findings(session, wanted, access.check(wanted))
        move = access.store.plan(wanted)
        if watch:
            return watch_move(session, access, move.id, 1.0)
    if session.out.json:
        session.out.document(row_of(move))
        return ExitCode.OK
    session.out.write(f"{move.id}\n")
    there = f"from pod {move.home_pod} to pod {to_pod}"
    what = "rehearses its move" if is_rehearsal else "moves"
    session.out.message(f"shop {shop_id} {what} {there}; see: podctl moves get {move.id} --watch")
    return ExitCode.OK


def _say_findings(session: Session, wanted: Wanted, found: Found) -> int:
    """Say what stands in the way, or how much would be moved."""
    sizes = [{"table": table, **size} for table, size in found.facts.get("tables", {}).items()]
    code = ExitCode.FAILED if found.blockers else ExitCode.OK
    if session.out.json:
        session.out.document(
            {
                "shop_id": wanted.shop_id,
                "to_pod": wanted.to_pod,
                "blockers": list(found.blockers),
                "waits": list(found.waits),
                "tables": sizes,
                "dry_run": True,
            }
        )
        return code
    if found.blockers or found.waits:
        for obstacle in (*found.blockers, *found.waits):
            session.out.write(f"{obstacle}\n")
        said = f"would not move: {plural(len(found.blockers), 'thing')} in its way"
        if not found.blockers:
            said = f"would wait for that in {MoveState.PREFLIGHT}, and then go on by itself"
        session.out.message(f"shop {wanted.shop_id} {said}")
        return code
    session.out.rows("tables", sizes, SIZE_COLUMNS, "no table is declared - see: moves.tables")
    rows = sum(int(size["rows"]) for size in sizes)
    session.out.message(
        f"shop {wanted.shop_id} would move to pod {wanted.to_pod}: {plural(rows, 'row')}; nothing in its way"
    )
    return code
