"""`podctl shops`: which pod owns a shop, and what it has there.

A shop's first pod is given here; a later one only by a move.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from podwork.interventions import Interventions
from podwork_ops.cli import shop_report
from podwork_ops.cli.commands import Group
from podwork_ops.cli.output import Column
from podwork_ops.cli.pod_options import pod_option, pods_meant
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import SHOP
from podwork_ops.composition import Platform
from podwork_ops.errors import ShopConflict
from podwork_pods import Pod, PodState
from podwork_pods.directory.allocation import choose
from podwork_pods.errors import PodUnavailable, UnknownShop

COLUMNS = [
    Column("SHOP", "shop_id", right=True),
    Column("POD", "pod_id", right=True),
    Column("EPOCH", "epoch", right=True),
]

LARGEST_WEIGHT = 1000
"""More is a typing mistake, or a shop that needs a pod of its own."""

shops = Group("shops", help="Find the pod of a shop; see one whole; assign shops to pods.")
shops.add_command(shop_report.get)


@shops.command("locate", examples=["podctl shops locate 330", "podctl shops locate 330 331 -o json"])
@click.argument("shop_ids", metavar="SHOP...", type=SHOP, nargs=-1, required=True)
@session
def locate(session: Session, shop_ids: tuple[int, ...]) -> None:
    """Ask the directory which pod owns a shop, and under which epoch."""
    with session.platform() as platform:
        rows = [_row(platform, shop_id) for shop_id in shop_ids]
    session.out.rows("shops", rows, COLUMNS)


@shops.command("list", examples=["podctl shops list --pod 7", "podctl shops list --after 1000 --limit 500"])
@pod_option(help="Only this pod's shops.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many.")
@click.option("--after", type=SHOP, metavar="SHOP", help="Go on behind this shop.")
@session
def list_shops(session: Session, pod_id: int | None, limit: int, after: int | None) -> None:
    """List shops by number, a page at a time."""
    with session.platform() as platform:
        pods = [platform.pod(pod_id)] if pod_id else platform.pods()
        # One more than asked for tells whether there is a next page.
        found = [
            {"shop_id": shop_id, "pod_id": pod.id}
            for pod in pods
            for shop_id in platform.directory.shops_of(pod.id, -1 if after is None else after, limit + 1)
        ]
    found.sort(key=lambda row: row["shop_id"])
    page, more = found[:limit], len(found) > limit
    next_after = page[-1]["shop_id"] if more else None
    if session.out.json:
        session.out.document({"shops": page, "next_after": next_after})
        return
    session.out.rows("shops", page, COLUMNS[:2])
    if more:
        session.out.message(f"more: --after {next_after}")


@shops.command(
    "assign", examples=["podctl shops assign 330 --pod 7", "podctl shops assign 330 331 --dry-run"]
)
@click.argument("shop_ids", metavar="SHOP...", type=SHOP, nargs=-1, required=True)
@pod_option(help="The pod; without it, active pods by their weight.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@session
def assign(session: Session, shop_ids: tuple[int, ...], pod_id: int | None, dry_run: bool) -> None:
    """Give new shops their first pod. A shop that has one keeps it."""
    with session.platform() as platform:
        pods = _takers(platform, pod_id)
        homes = {shop_id: _home(platform, shop_id, pod_id) for shop_id in dict.fromkeys(shop_ids)}
        new = {shop_id: choose(pods).id for shop_id, home in homes.items() if home is None}
        if new and not dry_run:
            platform.directory.assign_many(new)
        rows = [
            {"shop_id": shop_id, "pod_id": new[shop_id], "epoch": None}
            if dry_run and shop_id in new
            else _row(platform, shop_id)
            for shop_id in homes
        ]
    if session.out.json:
        session.out.document({"shops": rows, "assigned": 0 if dry_run else len(new), "dry_run": dry_run})
        return
    session.out.rows("shops", rows, COLUMNS)
    verb = "would be assigned" if dry_run else "assigned"
    session.out.message(f"{len(new)} of {len(homes)} shops {verb}" if new else "nothing to change")


@shops.command(
    "weigh",
    examples=["podctl shops weigh 330 5", "podctl shops weigh 330", "podctl shops weigh 330 1 --dry-run"],
)
@click.argument("shop_id", metavar="SHOP", type=SHOP)
@click.argument("weight", metavar="[WEIGHT]", type=click.IntRange(1, LARGEST_WEIGHT), required=False)
@pod_option(help="On this pod (default: the shop's own).")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@session
def weigh(session: Session, shop_id: int, weight: int | None, pod_id: int | None, dry_run: bool) -> None:
    """Let a shop start WEIGHT jobs where others start one.

    1 is as everybody. Without WEIGHT it shows the present one. It counts where shops wait for their turn in
    a queue.
    """
    with session.platform() as platform:
        [pod] = pods_meant(platform, pod_id, False, shop_id)
        interventions = Interventions(platform.store(pod))
        before = interventions.weights().get(shop_id, 1)
        wanted = before if weight is None else weight
        if wanted != before and not dry_run:
            interventions.weigh(shop_id, wanted)
    row = {"shop_id": shop_id, "pod_id": pod, "weight": before if dry_run else wanted, "was": before}
    if session.out.json:
        session.out.document({**row, "dry_run": dry_run})
    elif weight is None:
        session.out.write(f"{before}\n")
    elif wanted == before:
        session.out.message(f"pod {pod}: shop {shop_id} weighs {before} already: nothing to change")
    else:
        verb = "would weigh" if dry_run else "weighs"
        session.out.message(f"pod {pod}: shop {shop_id} {verb} {wanted}, instead of {before}")


def _row(platform: Platform, shop_id: int) -> dict[str, Any]:
    place = platform.directory.locate(shop_id)
    return {"shop_id": shop_id, "pod_id": place.pod_id, "epoch": place.epoch}


def _takers(platform: Platform, pod_id: int | None) -> list[Pod]:
    """Return the pods that the new shops may go to."""
    if pod_id is None:
        return platform.pods()
    pod = platform.pod(pod_id)
    if pod.state is not PodState.ACTIVE:
        raise PodUnavailable(pod_id, pod.state.value, "take new shops")
    return [replace(pod, weight=max(1, pod.weight))]  # named on purpose: its weight does not matter


def _home(platform: Platform, shop_id: int, pod_id: int | None) -> int | None:
    """Return the pod that the shop has, if any; refuse to pull it away from there."""
    try:
        home = platform.directory.locate(shop_id).pod_id
    except UnknownShop:
        return None
    if pod_id not in (None, home):
        raise ShopConflict(
            f"shop {shop_id} lives on pod {home}", "assign gives a first pod only; a later one takes a move"
        )
    return home
