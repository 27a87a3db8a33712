"""`podctl migrations`: write, judge, plan, run and watch migrations of all pods' shards.

Owns: the list of its commands, in the order in which one meets them. Leaves to others: the commands, each in
its file.
"""

from __future__ import annotations

from podwork_ops.cli import (
    migration_changes,
    migration_drift,
    migration_lint,
    migration_new,
    migration_plan,
    migration_plan_changes,
    migration_restored,
    migration_status,
)
from podwork_ops.cli.commands import Group

migrations = Group(
    "migrations",
    help="""Write, judge, plan, run and watch migrations of the pods' shards.

    A deployment runs none of them: pods take what is pending by themselves, one at a time, as the plan lets
    them.""",
    examples=[
        "podctl migrations new add_status_to_orders",
        "podctl migrations lint",
        "podctl migrations plan",
        "podctl migrations run --watch",
        "podctl migrations status",
        "podctl migrations retry --pod 7",
    ],
)

for command in (
    migration_new.new,
    migration_lint.lint,
    migration_plan.plan,
    migration_plan.run,
    migration_status.status,
    migration_plan_changes.hold,
    migration_plan_changes.release,
    migration_plan_changes.cancel,
    migration_plan_changes.set_plan,
    migration_changes.retry,
    migration_changes.skip,
    migration_changes.revert,
    migration_changes.cutover,
    migration_restored.restored,
    migration_drift.drift,
):
    migrations.add_command(command)
