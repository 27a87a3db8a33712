"""`podctl demo`: the platform on real data. Here are the options; `podwork_ops.demo` does the work."""

from __future__ import annotations

from pathlib import Path

import click

from podwork_ops.cli.commands import Command
from podwork_ops.cli.output import Output
from podwork_ops.cli.session import output
from podwork_ops.demo import DemoOptions, run
from podwork_ops.errors import ExitCode
from podwork_ops.local.stack import MAX_PODS


@click.command(
    cls=Command,
    examples=["podctl demo", "podctl demo --limit 5000 -o json", "podctl demo --servers --keep"],
)
@click.option(
    "--pods", type=click.IntRange(1, MAX_PODS), default=3, show_default=True, help="How many pods to start."
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="BASKETS", help="Only so many baskets of the input."
)
@click.option("--keep", is_flag=True, help="Leave the stack up, and print how to look at it.")
@click.option("--servers", is_flag=True, help="MariaDB, Redis and ZooKeeper, not SQLite and Valkey.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="The stack's folder. [default: a temporary one, or .podwork-demo with --keep]",
)
@output
def demo(
    out: Output, *, pods: int, limit: int | None, keep: bool, servers: bool, directory: Path | None
) -> int:
    """Run the platform on real data, and check the result.

    Loads a retailer's baskets into the shards of a private stack, turns each into an order by a job, moves
    the largest shop to another pod while its orders are processed, fills net prices into a new column of all
    lines, restarts and kills workers meanwhile, and compares every order and price with the input. Exits
    with 1 if a check does not hold.
    """
    report = run(DemoOptions(pods, limit, keep, servers, directory, json=out.json))
    return ExitCode.OK if report.ok else ExitCode.FAILED
