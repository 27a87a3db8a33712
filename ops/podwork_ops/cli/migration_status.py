"""`podctl migrations status`: how plans stand, with a row for each pod; or what one pod's own ledger says.

Promises: it changes nothing, and pods which are away hide nothing: plans are read from the directory's
database, and a few pods are asked beside it; `--pod` asks that pod's shard, which has the truth. Leaves to
others: rows (`migration_rows`), the look (`migration_report`), watching (`migration_watch`), the ledger's
look (`migration_ledger`), how far replicas are behind (`migration_lag`).
"""

from __future__ import annotations

from typing import Final

import click

from podwork_migrations.plan.status import Outcome
from podwork_ops.cli.commands import Command
from podwork_ops.cli.migration_choice import plan_argument
from podwork_ops.cli.migration_lag import with_lags
from podwork_ops.cli.migration_ledger import write_ledger
from podwork_ops.cli.migration_report import write
from podwork_ops.cli.migration_waiting import waits
from podwork_ops.cli.migration_watch import watch_plan
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import Duration
from podwork_ops.errors import ExitCode

CODES: Final = {
    Outcome.OK: ExitCode.OK,
    Outcome.RUNNING: ExitCode.UNDER_WAY,
    Outcome.FAILED: ExitCode.FAILED,
    Outcome.BLOCKED: ExitCode.CONFLICT,
}


@click.command(
    "status",
    cls=Command,
    examples=[
        "podctl migrations status",
        "podctl migrations status 3 --watch",
        "podctl migrations status --exit-code",
        "podctl migrations status --pod 7",
        "podctl migrations status -o json | jq '.moving[] | [.pod_id, .stage, .share]'",
    ],
)
@plan_argument
@pod_option(help="What this pod's own ledger says.")
@click.option("--watch", is_flag=True, help="Show it until the plan is done, or a person is needed.")
@click.option(
    "--every", "every_seconds", type=Duration(), default=1.0, help="How often to look (default: 1s)."
)
@click.option(
    "--exit-code",
    "with_code",
    is_flag=True,
    help="End with 0 if all is done, 4 under way, 1 failed or halted, 3 held or blocked.",
)
@session
def status(
    session: Session,
    *,
    plan: int | None,
    pod_id: int | None,
    watch: bool,
    every_seconds: float,
    with_code: bool,
) -> int | None:
    """Show how plans, pods and migrations stand.

    The latest plans, and of one of them how each pod stands with each migration: of the one that is named,
    else of the one under way, else of the last. With --watch in a pipe it is a line per look, with -o json a
    document.
    """
    if pod_id is not None and (watch or with_code or plan is not None):
        raise click.UsageError("a pod's ledger knows no plan - give --pod alone")
    with session.platform() as platform:
        if pod_id is not None:
            write_ledger(session.out, platform, pod_id)
            return None
        if watch:
            code = watch_plan(session, platform, plan, every_seconds)
            return CODES[platform.migrations.status(plan).outcome] if with_code else code
        found = with_lags(platform, platform.migrations.status(plan))
        deeds = platform.migrations.deeds(plan) if plan is not None else []
        write(session.out, found, waits(platform, found), deeds)
    return CODES[found.outcome] if with_code else None
