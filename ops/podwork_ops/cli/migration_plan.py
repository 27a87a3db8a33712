"""`podctl migrations plan|run`: make a plan over what is to be migrated, look at it, start it.

Promises: what was looked at is what runs: files, the linter's word and the canary's routes are signed with
the plan, and compared when it is started; nothing is stored of what the linter refuses. Leaves to others:
plans (`podwork_migrations.plan`), the evidence (`migration_evidence`), its look (`migration_plan_report`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click
import msgspec

from podwork_migrations.plan.errors import PlanConflict
from podwork_migrations.plan.plan import Plan, PlanOptions
from podwork_migrations.plan.states import LIVE, PlanState
from podwork_ops.cli.commands import Command
from podwork_ops.cli.grounds import Line, owner_option
from podwork_ops.cli.migration_choice import (
    dry_run_option,
    folder_option,
    plan_argument,
    plan_meant,
    some_of,
    versions_argument,
    yes_option,
)
from podwork_ops.cli.migration_evidence import again, gather
from podwork_ops.cli.migration_findings import refused
from podwork_ops.cli.migration_plan_report import Draft, write
from podwork_ops.cli.migration_watch import watch_plan
from podwork_ops.cli.output import plural
from podwork_ops.cli.pod_options import completed, pods_of_registry
from podwork_ops.cli.session import Session, confirm, session
from podwork_ops.cli.values import POD, DurationOrNone
from podwork_ops.composition import Platform
from podwork_ops.errors import MigrationsRefused

DEFAULTS: Final = PlanOptions()


@click.command(
    "plan",
    cls=Command,
    examples=[
        "podctl migrations plan --dry-run",
        'podctl migrations plan --reason "release 42"',
        "podctl migrations plan 20261124120000 --canary 3 --soak 30m --max-migrating-pods 5",
        "podctl migrations plan --wave 1 --wave 50% --wave 100% --soak none",
    ],
)
@versions_argument
@click.option(
    "--canary", type=POD, metavar="POD", help="The pod that goes first (default: the first not blocked)."
)
@click.option(
    "--wave",
    "waves",
    metavar="SIZE",
    multiple=True,
    help=f"So many pods, or such a share, are done then; repeated (default: {', '.join(DEFAULTS.waves)}).",
)
@click.option(
    "--soak",
    type=DurationOrNone(),
    default=DEFAULTS.soak_seconds,
    help="How long the canary is watched (default: 10m).",
)
@click.option(
    "--rest",
    type=DurationOrNone(),
    default=DEFAULTS.rest_seconds,
    help="The same after later waves (default: none).",
)
@click.option(
    "--max-migrating-pods",
    "most",
    type=click.IntRange(min=1),
    default=DEFAULTS.max_migrating_pods,
    show_default=True,
    help="How many pods migrate at the same time.",
)
@click.option(
    "--only-pod",
    "pods",
    type=POD,
    metavar="POD",
    multiple=True,
    shell_complete=completed(pods_of_registry),
    help="Only this pod, and none that is added; repeated.",
)
@folder_option
@click.option("--reason", type=Line(), metavar="TEXT", help="What it is for; others see it.")
@owner_option
@dry_run_option
@session
def plan(
    session: Session,
    *,
    versions: tuple[str, ...],
    canary: int | None,
    waves: tuple[str, ...],
    soak: float,
    rest: float,
    most: int,
    pods: tuple[int, ...],
    folder: str | None,
    reason: str | None,
    owner: str,
    dry_run: bool,
) -> None:
    """Make a plan of what is to be migrated, and show it.

    Of the migrations that are named, or of all that are in no plan yet.
    Nothing runs before it is started: podctl migrations run. Made again over the same files it is the same
    plan. A size counts the pods before it, too.
    """
    options = PlanOptions(
        canary=canary,
        waves=waves or DEFAULTS.waves,
        soak_seconds=soak,
        rest_seconds=rest,
        max_migrating_pods=most,
    )
    with session.platform({"migrations.folder": folder}) as platform:
        library, plans = platform.migrations.library, platform.migrations.plans
        wanted = _wanted(platform, versions)
        proposal = plans.propose(library.migrations, versions=wanted, pods=pods or None, options=options)
        evidence = gather(platform, proposal.canary, [library[each.version] for each in proposal.versions])
        made = None
        if not (dry_run or refused(evidence.findings)):
            made = plans.create(
                library.migrations,
                versions=[each.version for each in proposal.versions],
                pods=pods or None,
                options=options,
                evidence=evidence.signed,
                by=owner,
                purpose=reason or "",
            )
            _check_same(made, options)
    write(session.out, Draft(made, proposal, library, evidence))
    if ids := refused(evidence.findings):
        raise MigrationsRefused(ids)
    if made is not None:
        session.out.message(f"start it: podctl migrations run {made.number}")


@click.command(
    "run",
    cls=Command,
    examples=[
        "podctl migrations run --dry-run",
        "podctl migrations run",
        "podctl migrations run 3 --yes --watch",
    ],
)
@plan_argument
@yes_option
@click.option("--watch", is_flag=True, help="Show it until it is done, or a person is needed.")
@folder_option
@owner_option
@dry_run_option
@session
def run(
    session: Session,
    *,
    plan: int | None,
    yes: bool,
    watch: bool,
    folder: str | None,
    owner: str,
    dry_run: bool,
) -> int | None:
    """Start a plan: its canary first, then wave after wave.

    PLAN may be left out if there is one draft. Files, findings and routes have to be those of the plan. Pods
    take turns by themselves; this command may end at any time.
    """
    if watch and dry_run:
        raise click.UsageError("a dry run starts nothing to be watched - give --watch or --dry-run")
    with session.platform({"migrations.folder": folder}) as platform:
        library, plans = platform.migrations.library, platform.migrations.plans
        draft = plan_meant(plans, plan, [PlanState.DRAFT], "that waits to be started")
        if draft.state is not PlanState.DRAFT:
            remedy = "release it" if draft.state in LIVE else "make another: podctl migrations plan"
            raise PlanConflict(draft.number, f"it is {draft.state}", remedy)
        seen = platform.migrations.status(draft.number)
        [canary, *_] = (line.pod_id for line in seen.pods if line.wave == 0)
        what = f"{plural(len(seen.versions), 'migration')} on {plural(len(seen.pods), 'pod')}"
        confirm(f"start plan {draft.number}: {what}, pod {canary} first", yes or dry_run)
        evidence = again(platform, draft, library, canary)
        changing = platform.migrations.plans_to_change(dry_run=dry_run)
        started = changing.start(draft.number, library.migrations, evidence, by=owner)
        if not dry_run:
            platform.migrations.wake(canary)
        if watch:
            return watch_plan(session, platform, started.number)
    if session.out.json:
        document = {"plan": started.number, "state": started.state.value, "dry_run": dry_run}
        session.out.document(document)
    elif dry_run:
        session.out.message(f"plan {started.number} would be {started.state}: {what}, pod {canary} first")
    else:
        session.out.message(
            f"plan {started.number} is {started.state}; watch it: podctl migrations status --watch"
        )
    return None


def _check_same(made: Plan, options: PlanOptions) -> None:
    """Raise PlanConflict if the same files have a plan that goes about it in another way."""
    if msgspec.structs.replace(made.options, only_these_pods=options.only_these_pods) != options:
        remedy = f"start that one, or cancel it first: podctl migrations cancel {made.number}"
        raise PlanConflict(made.number, "it is there already, with other waves or limits", remedy)


def _wanted(platform: Platform, texts: Sequence[str]) -> list[str] | None:
    library = platform.migrations.library
    known = {one.version: one.name for one in library}
    return some_of(texts, known, f"in {platform.migrations.folder}") if texts else None
