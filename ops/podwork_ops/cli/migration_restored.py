"""`podctl migrations restored`: a pod's shard was restored from a backup; plans take its ledger's word again.

Promises: what the backup has stays as it is and is told again; what it lacks is pending there, and caught up
with in the order of versions; a shard that is not behind is left alone. Leaves to others: the shard's side
(`podwork_migrations.control`), the plans' (`podwork_migrations.plan.restoring`).
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from podwork_ops.cli.commands import Command
from podwork_ops.cli.grounds import owner_option, reason_option
from podwork_ops.cli.migration_choice import dry_run_option, yes_option
from podwork_ops.cli.output import plural
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.session import Session, confirm, session


@click.command(
    "restored",
    cls=Command,
    examples=[
        "podctl migrations restored --pod 7 --reason x --dry-run",
        'podctl migrations restored --pod 7 --reason "restored to Monday 3:00"',
    ],
)
@pod_option(help="The pod whose shard it is.", required=True)
@reason_option
@owner_option
@yes_option
@dry_run_option
@session
def restored(session: Session, *, pod_id: int, reason: str, owner: str, yes: bool, dry_run: bool) -> None:
    """Let plans go by a pod's ledger again, after its shard was restored from a backup.

    Such a shard is older than what plans know of it: it is let begin nothing, and what the backup lacks
    counts as applied. Stop the pod's workers before you restore, and start them after this command.
    """
    with session.platform() as platform:
        platform.pod(pod_id)
        migrations = platform.migrations
        line = migrations.control(pod_id).state()
        known = migrations.restoring.remembered(pod_id)
        there = {entry.version for entry in migrations.entries(pod_id) if entry.state.counts_as_done}
        lost = sorted(set(known.applied) - there)
        is_behind = line.epoch < known.epoch or bool(lost)
        if is_behind and not dry_run:
            what = f"forget what plans know of pod {pod_id}; {plural(len(lost), 'migration')} pending again"
            confirm(what, yes)
            migrations.control(pod_id).restored(known.epoch)
            migrations.restoring.forget(pod_id, reason, owner)
            migrations.wake(pod_id)
    if session.out.json:
        found = {"epoch": line.epoch, "known_epoch": known.epoch, "pending_again": lost}
        session.out.document({"pod_id": pod_id, **found, "did_change": is_behind, "dry_run": dry_run})
        return
    session.out.message(_said(pod_id, lost, is_behind, dry_run))


def _said(pod_id: int, lost: Sequence[str], is_behind: bool, dry_run: bool) -> str:
    if not is_behind:
        return f"pod {pod_id}: its shard is not behind what plans know: nothing to change"
    again = f"pending again: {', '.join(lost)}" if lost else "no migration is pending again"
    return f"pod {pod_id} {'would be' if dry_run else 'is'} taken by its ledger's word; {again}"
