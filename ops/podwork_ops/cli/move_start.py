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
    wanted = Wanted(shop_id, to_pod, owner, reason or "", held, max_block_seconds, grace_seconds)
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
    session.out.message(f"shop {shop_id} moves {there}; see: podctl moves get {move.id} --watch")
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
                "tables": sizes,
                "dry_run": True,
            }
        )
        return code
    if found.blockers:
        for blocker in found.blockers:
            session.out.write(f"{blocker}\n")
        session.out.message(
            f"shop {wanted.shop_id} would not move: {plural(len(found.blockers), 'thing')} in its way"
        )
        return code
    session.out.rows("tables", sizes, SIZE_COLUMNS, "no table is declared - see: moves.tables")
    rows = sum(int(size["rows"]) for size in sizes)
    session.out.message(
        f"shop {wanted.shop_id} would move to pod {wanted.to_pod}: {plural(rows, 'row')}; nothing in its way"
    )
    return code
