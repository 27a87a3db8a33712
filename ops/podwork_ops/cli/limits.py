"""`podctl limits`: how many jobs may run at once or start in a while, who said so, and how full that is.

Promises: what an operator sets, a deployment does not change; a job over its limit waits and costs nothing.
Leaves to others: the counting (`podwork.limits`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from podwork.limits import ANY, EACH, Bucket, Concurrency, Limit, Limits, LimitState, Window, described
from podwork.occupancy import LimitUse, Occupancy
from podwork_ops.cli.commands import Group
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.output import Column, count, plural, span
from podwork_ops.cli.pod_options import pod_option, pods_meant, pods_option
from podwork_ops.cli.scope import Scope, scope_options
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import Rate
from podwork_ops.composition import Platform
from podwork_ops.errors import LimitNotFound

COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("LIMIT", "limit", wide=True),
    Column("ALLOWS", "allows"),
    Column("TAKEN", "taken", right=True),
    Column("LEFT", "left", lambda left: f"{left:.0f}", right=True),
    Column("WAIT", "waiting", count, right=True),
    Column("SET BY", "source"),
]

limits = Group("limits", help="Limit how many jobs run at once, or start in a while.")


@limits.command("list", examples=["podctl limits list", "podctl limits list --pod 7 -o json"])
@pod_option(help="Only this pod.")
@session
def list_limits(session: Session, pod_id: int | None) -> None:
    """List the limits and how full they are.

    TAKEN is slots, LEFT is starts of a rate, WAIT is jobs that wait for either. A limit for each shop shows
    the sums of all shops. SET BY code: a job declares it.
    """
    with session.platform() as platform:
        answers, failures = ask_each(platform.chosen(pod_id), lambda pod: _rows(platform, pod))
    rows = [row for rows in answers.values() for row in rows]
    if session.out.json:
        session.out.document({"limits": rows})
    elif rows or not failures:
        session.out.rows("limits", rows, COLUMNS)
    session.blame(failures)


@limits.command(
    "set",
    examples=[
        "podctl limits set --queue default --concurrency 5 --pod 7",
        "podctl limits set --class shop.mail --rate 100/1m --burst 20 --all-pods",
        "podctl limits set --class shop.export --concurrency 1 --each-shop --all-pods --dry-run",
        "podctl limits set --shop 330 --rate 1000/1h --window",
    ],
)
@scope_options
@click.option("--each-shop", is_flag=True, help="So many for each shop, instead of for all together.")
@click.option("--concurrency", type=click.IntRange(min=1), metavar="N", help="At most N run at once.")
@click.option("--rate", type=Rate(), metavar="N/TIME", help="So many start on average: 100/1m, 5/s.")
@click.option("--burst", type=click.IntRange(min=1), metavar="N", help="Of a rate: at most N in a row.")
@click.option("--window", is_flag=True, help="Of a rate: N in each window, counted from its first start.")
@pods_option("On this pod (default with --shop: the shop's own).")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@session
def set_limit(
    session: Session,
    *,
    queue: str | None,
    job_class: str | None,
    shop_id: int | None,
    each_shop: bool,
    concurrency: int | None,
    rate: tuple[int, float] | None,
    burst: int | None,
    window: bool,
    pod_id: int | None,
    all_pods: bool,
    dry_run: bool,
) -> None:
    """Let no more than so many jobs run at once, or start in a while.

    It stands over what code declares for the same jobs, until it is removed.
    """
    if each_shop and shop_id is not None:
        raise click.UsageError("--each-shop and --shop exclude each other - give one of them")
    limit = limit_meant(concurrency, rate, burst, window, each_shop)
    scope = Scope(queue, job_class, shop_id)
    with session.platform() as platform:
        pods = pods_meant(platform, pod_id, all_pods, shop_id)
        answers, failures = ask_each(pods, lambda pod: _set(platform, pod, scope, limit, dry_run))
    if session.out.json and answers:
        session.out.document({"limits": list(answers.values()), "dry_run": dry_run})
    elif not session.out.json:
        for row in answers.values():
            session.out.message(_sentence(row, dry_run))
    session.blame(failures)


@limits.command(
    "remove",
    examples=[
        "podctl limits remove queue=default:concurrency --pod 7",
        "podctl limits remove class=shop.mail:bucket --all-pods --dry-run",
    ],
)
@click.argument("limit", metavar="LIMIT")
@pods_option("On this pod.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@session
def remove(session: Session, limit: str, pod_id: int | None, all_pods: bool, dry_run: bool) -> None:
    """Take a limit away; who waited for it goes on.

    LIMIT is a name as the list shows it. What code declares comes back with the next worker that starts.
    """
    with session.platform() as platform:
        answers, failures = ask_each(
            pods_meant(platform, pod_id, all_pods), lambda pod: _remove(platform, pod, limit, dry_run)
        )
    removed = [row for row, _ in answers.values() if row is not None]
    if not removed and not failures:
        raise LimitNotFound(limit, sorted({name for _, names in answers.values() for name in names}))
    if session.out.json and answers:
        session.out.document({"removed": removed, "dry_run": dry_run})
    elif not session.out.json:
        for row in removed:
            jobs = plural(row["waiting"], "job")
            said = (
                f"would be removed; {jobs} would go on" if dry_run else f"removed; {jobs} that waited go on"
            )
            session.out.message(f"pod {row['pod_id']}: {limit} {said}")
    session.blame(failures)


def limit_meant(
    concurrency: int | None, rate: tuple[int, float] | None, burst: int | None, window: bool, each_shop: bool
) -> Limit:
    """Return the limit that the options describe. Raises click.UsageError: they describe none, or two."""
    if (concurrency is None) == (rate is None):
        raise click.UsageError("how many? - give --concurrency 5 or --rate 100/1m")
    if concurrency is not None:
        if burst is not None or window:
            raise click.UsageError("--burst and --window belong to a rate - give --rate 100/1m with them")
        return Concurrency(concurrency, each_shop)
    assert rate is not None
    amount, per_seconds = rate
    if not window:
        return Bucket(amount, per_seconds, burst or 0, each_shop)
    if burst is not None:
        raise click.UsageError("a window has no burst - leave out --burst or --window")
    return Window(amount, per_seconds, each_shop)


def allows(limit: LimitState) -> str:
    """Write what a limit allows: 5 at once; 100 per 1m; 100 per 1m, burst 20; 100 in 1h."""
    if limit.kind == "concurrency":
        return f"{limit.amount:,} at once"
    if limit.kind == "window":
        return f"{limit.amount:,} in {span(limit.per_seconds)}"
    burst = "" if limit.burst == limit.amount else f", burst {limit.burst:,}"
    return f"{limit.amount:,} per {span(limit.per_seconds)}{burst}"


def _rows(platform: Platform, pod_id: int) -> list[dict[str, Any]]:
    store = platform.store(pod_id)
    found = Limits(store).list()
    uses = Occupancy(store).uses(found)
    return [_row(pod_id, limit, uses[limit.name]) for limit in found]


def _row(pod_id: int, limit: LimitState, use: LimitUse) -> dict[str, Any]:
    return {
        "pod_id": pod_id,
        "limit": limit.name,
        "allows": allows(limit),
        "kind": limit.kind,
        "amount": limit.amount,
        "per_seconds": limit.per_seconds or None,
        "burst": limit.burst if limit.kind == "bucket" else None,
        "queue": None if limit.queue == ANY else limit.queue,
        "job_class": None if limit.job_class == ANY else limit.job_class,
        "shop": None if limit.shop in (ANY, EACH) else limit.shop,
        "each_shop": limit.shop == EACH,
        **use._asdict(),
        "source": limit.source,
    }


def _set(platform: Platform, pod_id: int, scope: Scope, limit: Limit, dry_run: bool) -> dict[str, Any]:
    store = platform.store(pod_id)
    wanted = _planned(scope, limit)
    was = next((one for one in Limits(store).list() if one.name == wanted.name), None)
    if not dry_run:
        Limits(store).set(limit, **scope.fields)
    (use,) = Occupancy(store).uses([wanted]).values()
    return {
        **_row(pod_id, wanted, use),
        "was": None if was is None else allows(was),
        "changed": was != wanted and not dry_run,
        "same": was == wanted,
    }


def _planned(scope: Scope, limit: Limit) -> LimitState:
    """Return the limit as it will stand there."""
    name, _ = described(limit, "operator", **scope.fields)
    fields = {**scope.fields, "shop": EACH} if limit.each_shop else scope.fields
    per_seconds = round(limit.per_seconds * 1000) / 1000
    burst = limit.burst or limit.amount
    return LimitState(name, limit.kind, limit.amount, per_seconds, burst, **fields, source="operator")


def _remove(
    platform: Platform, pod_id: int, name: str, dry_run: bool
) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the limit, or None if this pod has none of that name; and the names of those that it has."""
    rows = {row["limit"]: row for row in _rows(platform, pod_id)}
    if name in rows and not dry_run:
        Limits(platform.store(pod_id)).remove(name)
    return rows.get(name), list(rows)


def _sentence(row: Mapping[str, Any], dry_run: bool) -> str:
    pod, name = f"pod {row['pod_id']}", row["limit"]
    if row["same"]:
        return f"{pod}: {name} allows {row['allows']} already: nothing to change"
    was = f", instead of {row['was']}" if row["was"] else ""
    return f"{pod}: {name} {'would allow' if dry_run else 'allows'} {row['allows']}{was}"
