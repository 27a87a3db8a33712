"""`podctl jobs enqueue`: push one job by hand.

Promises: class, arguments and times are checked against the application's own declaration before anything is
pushed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from podwork import App, Call, JobClass
from podwork.errors import InvalidRoute
from podwork_ops.application import load_app
from podwork_ops.cli.commands import Command
from podwork_ops.cli.pod_options import completed, pod_option, queues_of_settings
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import SHOP, Argument, Duration, JsonObject
from podwork_ops.composition import Platform, open_platform


class Moment(click.ParamType[datetime]):
    """A moment with its zone: 2026-11-24T18:00Z, 2026-11-24T19:00+01:00."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment."""
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time - write 2026-11-24T18:00Z", param, ctx)
        if at.tzinfo is None:
            self.fail(f"{value!r} has no zone - write {value}Z, or {value}+01:00", param, ctx)
        return at


@click.command(
    "enqueue",
    cls=Command,
    examples=[
        "podctl jobs enqueue shop.collect --shop 330 --arg basket_id=9 --app shop:app",
        "podctl jobs enqueue shop.Reindex --every-pod --args '{\"full\": true}' --queue low",
        "podctl jobs enqueue shop.Reindex --pod 7 --in 10m --expires-in 1h",
        "podctl jobs enqueue shop.collect --shop 330 --at 2026-11-24T18:00Z --idempotency-key close-330",
        "podctl jobs enqueue shop.Reindex --pod 7 --dry-run",
    ],
)
@click.argument("job_class", metavar="CLASS")
@click.option("--args", "document", type=JsonObject(), metavar="JSON", help="All arguments, a JSON object.")
@click.option("--arg", "pairs", type=Argument(), multiple=True, help="One argument; may be repeated.")
@click.option("--shop", "shop_id", type=SHOP, metavar="SHOP", help="For this shop, on its pod.")
@pod_option(help="On this pod.")
@click.option("--every-pod", is_flag=True, help="Once on every pod that accepts jobs.")
@click.option(
    "--queue",
    metavar="NAME",
    shell_complete=completed(queues_of_settings),
    help="Another queue than declared.",
)
@click.option("--in", "in_", type=Duration(), metavar="10m", help="Not before so long.")
@click.option("--at", type=Moment(), metavar="TIME", help="Not before this moment: 2026-11-24T18:00Z.")
@click.option("--expires-in", type=Duration(), metavar="1h", help="Drop it if it has not started by then.")
@click.option(
    "--idempotency-key", metavar="TEXT", help="Push nothing if a job was pushed with this key within a day."
)
@click.option("--app", "app_target", metavar="MODULE:ATTRIBUTE", help="The application [app.target].")
@click.option("--dry-run", is_flag=True, help="Check class, arguments and route; push nothing.")
@session
def enqueue(
    session: Session,
    /,
    *,
    job_class: str,
    document: dict[str, Any] | None,
    pairs: tuple[tuple[str, Any], ...],
    shop_id: int | None,
    pod_id: int | None,
    every_pod: bool,
    queue: str | None,
    app_target: str | None,
    dry_run: bool,
    **options: Any,
) -> None:
    """Push a job and print its id.

    With an idempotency key the id may be that of the job that was pushed with it before.
    """
    if sum((shop_id is not None, pod_id is not None, every_pod)) != 1:
        raise InvalidRoute("a job needs one place to go", "give --shop, --pod or --every-pod, and only one")
    if options["in_"] is not None and options["at"] is not None:
        raise click.UsageError("--in and --at say the same - give one of them")
    arguments = {**(document or {}), **dict(pairs)}
    loaded = session.load({"app.target": app_target})
    call = _call(load_app(loaded.settings.app.target), job_class, arguments, queue, shop_id)
    with open_platform(loaded.settings) as platform:
        pods = _destinations(platform, shop_id, pod_id)
        if dry_run:
            ids = []
        elif shop_id is not None:
            ids = [platform.client.push(call, shop_id=shop_id, **options)]
        else:
            ids = [platform.client.push(call, pod=pod, **options) for pod in pods]
    if session.out.json:
        session.out.document({"job_ids": ids, "pods": pods, "dry_run": dry_run})
    elif dry_run:
        session.out.message(f"valid; would be pushed to pod {', '.join(map(str, pods))}")
    else:
        session.out.write("".join(f"{job_id}\n" for job_id in ids))


def _call(app: App, name: str, arguments: dict[str, Any], queue: str | None, shop_id: int | None) -> Call:
    """Return the job with its arguments, checked as a push checks them.

    Raises:
        UnknownJob, InvalidArguments, InvalidRoute: it could not be pushed anywhere.
    """
    declared = app.job_class(name)
    if declared.parameters.takes_shop_id and shop_id is None:
        raise InvalidRoute(f"{name} works for a shop", "give --shop")
    if "shop_id" in arguments:
        raise InvalidRoute("shop_id is no argument: it says where the job goes", "give --shop")
    if queue is not None:
        # The same job under the same name, in another queue; the application's own handle stays as it is.
        declared = JobClass(app, declared.target, name=name, queue=queue, policy=declared.policy)
    call = Call(declared, (), arguments)
    declared.parameters.encode(call.args)
    return call


def _destinations(platform: Platform, shop_id: int | None, pod_id: int | None) -> list[int]:
    """Return the pods that the job goes to. Raises `UnknownPod` or `UnknownShop`."""
    if shop_id is not None:
        return [platform.directory.locate(shop_id).pod_id]
    if pod_id is not None:
        return [platform.pod(pod_id).id]
    return list(platform.client.pod_ids())
