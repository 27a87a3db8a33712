"""`podctl queues pause|resume`: stopping a queue, and letting it go on.

Promises: pausing is a hold on the queue, with reason, owner and end: it is what `podctl holds` shows, and
hurts nothing. Leaves to others: placing and lifting (`hold_changes`), emptying a queue (`purging`).
"""

from __future__ import annotations

import click

from podwork_ops.cli.commands import Command
from podwork_ops.cli.grounds import Grounds, grounds_options
from podwork_ops.cli.hold_changes import lift, place
from podwork_ops.cli.pod_options import completed, pods_meant, pods_option, queues_of_settings
from podwork_ops.cli.scope import Scope
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import QueueName

queue_argument = click.argument(
    "queue", metavar="QUEUE", type=QueueName(), shell_complete=completed(queues_of_settings)
)


@click.command(
    "pause",
    cls=Command,
    examples=[
        'podctl queues pause low --pod 7 --reason "shard is busy" --for 30m',
        'podctl queues pause default --all-pods --reason "bad deploy" --owner anna',
    ],
)
@queue_argument
@pods_option("On this pod.")
@grounds_options
@click.option("--dry-run", is_flag=True, help="Say what would be stopped, and stop nothing.")
@session
def pause(
    session: Session,
    *,
    queue: str,
    pod_id: int | None,
    all_pods: bool,
    reason: str,
    owner: str,
    seconds: float | None,
    dry_run: bool,
) -> None:
    """Start no more jobs of a queue; what runs goes on.

    It is a hold (podctl holds): parts of a queue are held there.
    """
    with session.platform() as platform:
        pods = pods_meant(platform, pod_id, all_pods)
        place(session, platform, pods, Scope(queue), Grounds(reason, owner, seconds), dry_run=dry_run)


@click.command(
    "resume",
    cls=Command,
    examples=["podctl queues resume low --pod 7", "podctl queues resume low --all-pods"],
)
@queue_argument
@pods_option("On this pod.")
@click.option("--dry-run", is_flag=True, help="Say what would go on, and lift nothing.")
@session
def resume(session: Session, queue: str, pod_id: int | None, all_pods: bool, dry_run: bool) -> None:
    """Let a paused queue go on, in its old order."""
    with session.platform() as platform:
        pods = pods_meant(platform, pod_id, all_pods)
        lift(session, platform, pods, Scope(queue).name, dry_run=dry_run, missing_ok=True)
