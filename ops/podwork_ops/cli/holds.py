"""`podctl holds`: what is paused on each pod, by whom and why; pausing any mix of queue, class and shop.

Promises: what runs goes on; what a hold stops keeps its order and spends no attempt. A hold on everything
is asked about first.
"""

from __future__ import annotations

from typing import Any

import click

from podwork.holds import Holds
from podwork.occupancy import Occupancy
from podwork_ops.cli.commands import Group
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.grounds import Grounds, grounds_options
from podwork_ops.cli.hold_changes import hold_row, lift, place
from podwork_ops.cli.output import Column, age
from podwork_ops.cli.pod_options import pod_option, pods_meant, pods_option
from podwork_ops.cli.scope import Scope, scope_named, scope_options
from podwork_ops.cli.session import Session, confirm, session
from podwork_ops.composition import Platform

COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("HOLD", "hold", wide=True),
    Column("STOPS", "stops", right=True),
    Column("LEFT", "left_seconds", age, right=True),
    Column("OWNER", "owner", wide=True),
    Column("REASON", "reason", wide=True),
]

holds = Group("holds", help="Pause any mix of queue, class and shop.")


@holds.command("list", examples=["podctl holds list", "podctl holds list --pod 7 -o json"])
@pod_option(help="Only this pod.")
@session
def list_holds(session: Session, pod_id: int | None) -> None:
    """List what is on hold, by whom and why.

    STOPS is how many jobs. Of a class, those jobs are counted whose turn has come since: 12+.
    """
    with session.platform() as platform:
        answers, failures = ask_each(platform.chosen(pod_id), lambda pod: _rows(platform, pod))
    rows = [row for rows in answers.values() for row in rows]
    if session.out.json:
        session.out.document({"holds": rows})
    elif rows or not failures:
        session.out.rows(
            "holds", [{**row, "stops": _stops(row)} for row in rows], COLUMNS, "nothing is on hold"
        )
    session.blame(failures)


@holds.command(
    "place",
    examples=[
        'podctl holds place --shop 330 --reason "floods the queue" --for 30m',
        'podctl holds place --queue default --class shop.collect --pod 7 --reason "bug 4711"',
        'podctl holds place --class shop.mail --all-pods --reason "mail server is down" --dry-run',
    ],
)
@scope_options
@pods_option("On this pod (default with --shop: the shop's own).")
@grounds_options
@click.option("--yes", is_flag=True, help="Do not ask before everything is stopped.")
@click.option("--dry-run", is_flag=True, help="Say what would be stopped, and stop nothing.")
@session
def place_hold(
    session: Session,
    *,
    queue: str | None,
    job_class: str | None,
    shop_id: int | None,
    pod_id: int | None,
    all_pods: bool,
    reason: str,
    owner: str,
    seconds: float | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Let no job start that fits.

    Without --queue, --class and --shop that is every job of the pod. The same mix again changes its reason
    and its end.
    """
    scope = Scope(queue, job_class, shop_id)
    with session.platform() as platform:
        pods = pods_meant(platform, pod_id, all_pods, shop_id)
        if scope.is_everything and not dry_run:
            confirm(f"stop every job of {'all pods' if all_pods else f'pod {pod_id}'}", yes)
        place(session, platform, pods, scope, Grounds(reason, owner, seconds), dry_run=dry_run)


@holds.command(
    "lift",
    examples=[
        "podctl holds lift shop=330 --pod 7",
        "podctl holds lift queue=default,class=shop.collect --all-pods --dry-run",
    ],
)
@click.argument("hold", metavar="HOLD")
@pods_option("On this pod (default of a shop's hold: the shop's own).")
@click.option("--dry-run", is_flag=True, help="Say what would go on, and lift nothing.")
@session
def lift_hold(session: Session, hold: str, pod_id: int | None, all_pods: bool, dry_run: bool) -> None:
    """Let what a hold stopped go on, in its old order.

    HOLD is a name as the list shows it.
    """
    scope = scope_named(hold)
    name = scope.name if scope else hold
    with session.platform() as platform:
        pods = pods_meant(platform, pod_id, all_pods, scope.shop_id if scope else None)
        lift(session, platform, pods, name, dry_run=dry_run)


def _rows(platform: Platform, pod_id: int) -> list[dict[str, Any]]:
    store = platform.store(pod_id)
    occupancy = Occupancy(store)
    return [
        hold_row(pod_id, hold, occupancy.stopped(hold.queue, hold.job_class, hold.shop))
        for hold in Holds(store).list()
    ]


def _stops(row: dict[str, Any]) -> str:
    return f"{row['jobs_stopped']:,}{'' if row['jobs_stopped_complete'] else '+'}"
