"""`podctl jobs`: push one job by hand, and see where a job stands.

Promises: arguments are checked against the application's own declaration before anything is pushed; a job
that is not found is reported together with the pods that were asked.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import click

from podwork import App, Call, JobClass
from podwork.errors import InvalidRoute
from podwork.identity import shop_text
from podwork.inspection import JobState
from podwork.keys import POD_LANE
from podwork_ops.application import load_app
from podwork_ops.cli.commands import Group
from podwork_ops.cli.output import Column, age
from podwork_ops.cli.pod_options import completed, pod_option, queues_of_settings
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import SHOP, Argument, JsonObject
from podwork_ops.composition import Platform, open_platform
from podwork_ops.errors import JobNotFound
from podwork_ops.masking import mask, mask_value
from podwork_pods.errors import UnknownShop

COLUMNS = [
    Column("JOB", "job_id"),
    Column("STATE", "state"),
    Column("CLASS", "job_class"),
    Column("SHOP", "shop_id"),
    Column("POD", "pod_id"),
    Column("QUEUE", "queue"),
    Column("ARGUMENTS", "args", json.dumps),
    Column("EPOCH", "epoch"),
    Column("FAILURES", "attempts"),
    Column("INTERRUPTIONS", "interruptions"),
    Column("RECLAIMS", "reclaims"),
    Column("AGE", "age_seconds", age),
    Column("DUE", "due_at"),
    Column("HELD BY", "incarnation"),
    Column("ERROR", "error"),
]

jobs = Group("jobs", help="Enqueue a job; see where one stands.")


@jobs.command(
    "enqueue",
    examples=[
        "podctl jobs enqueue shop.collect --shop 330 --arg basket_id=9 --app shop:app",
        """podctl jobs enqueue shop.Reindex --every-pod --args '{"full": true}' --queue low""",
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
@click.option("--app", "app_target", metavar="MODULE:ATTRIBUTE", help="The application [app.target].")
@click.option("--dry-run", is_flag=True, help="Check class, arguments and route; push nothing.")
@session
def enqueue(
    session: Session,
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
) -> None:
    """Push a job and print its id."""
    if sum((shop_id is not None, pod_id is not None, every_pod)) != 1:
        raise InvalidRoute("a job needs one place to go", "give --shop, --pod or --every-pod, and only one")
    arguments = {**(document or {}), **dict(pairs)}
    loaded = session.load({"app.target": app_target})
    call = _call(load_app(loaded.settings.app.target), job_class, arguments, queue, shop_id)
    with open_platform(loaded.settings) as platform:
        pods = _destinations(platform, shop_id, pod_id)
        if dry_run:
            ids = []
        elif shop_id is not None:
            ids = [platform.client.push(call, shop_id=shop_id)]
        else:
            ids = [platform.client.push(call, pod=pod) for pod in pods]
    if session.out.json:
        session.out.document({"job_ids": ids, "pods": pods, "dry_run": dry_run})
    elif dry_run:
        session.out.message(f"valid; would be pushed to pod {', '.join(map(str, pods))}")
    else:
        session.out.write("".join(f"{job_id}\n" for job_id in ids))


@jobs.command(
    "get", examples=["podctl jobs get 0199f2c1a3b5d0e1f2a3b4-330", "podctl jobs get ID --pod 7 -o json"]
)
@click.argument("job_id", metavar="ID")
@pod_option(help="Look only there.")
@session
def get(session: Session, job_id: str, pod_id: int | None) -> None:
    """Show where a job stands. Jobs that succeeded are not kept."""
    with session.platform() as platform:
        pods = [platform.pod(pod_id).id] if pod_id else _likely_pods(platform, job_id)
        row = _look(platform, job_id, pods)
    session.out.record(row, COLUMNS)


def _row(pod_id: int, job: JobState) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "state": job.state,
        "job_class": job.job_class,
        "args": mask_value("", job.args),
        "shop_id": job.shop_id,
        "pod_id": pod_id,
        "queue": job.queue,
        "epoch": job.epoch,
        "attempts": job.attempts,
        "interruptions": job.interruptions,
        "reclaims": job.reclaims,
        "pushed_at": _time(job.pushed_at),
        "due_at": _time(job.due_at),
        "age_seconds": round(max(0.0, time.time() - job.pushed_at), 3),
        "incarnation": job.holder,
        "error": mask(job.error) or None,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


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
        declared = JobClass(app, declared.target, name=name, queue=queue, retry=declared.retry)
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


def _likely_pods(platform: Platform, job_id: str) -> list[int]:
    """Return all pods, the shop's own first: a job's id says whose it is.

    Raises:
        InvalidJobId: the text is no job's id.
    """
    shop = shop_text(job_id)
    pods = platform.chosen(None)
    if shop == POD_LANE:
        return pods
    try:
        home = platform.directory.locate(int(shop)).pod_id
    except UnknownShop:
        return pods
    return sorted(pods, key=lambda pod_id: (pod_id != home, pod_id))


def _look(platform: Platform, job_id: str, pods: list[int]) -> dict[str, Any]:
    for pod_id in pods:
        state = platform.inspection(pod_id).job(job_id)
        if state is not None:
            return _row(pod_id, state)
    raise JobNotFound(job_id, [f"pod {pod_id}" for pod_id in pods] or ["any pod"])
