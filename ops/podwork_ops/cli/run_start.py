"""`podctl runs start`: begin a run for a shop, on a pod or on every pod; or rehearse it.

Promises: class and parameters are checked against the application's declaration, and every pod is asked
whether it answers, before anything is begun; a rehearsal rolls every batch back. Leaves to others: making a
run (`podwork_pods.iteration.beginning`), the rehearsal itself (`podwork_pods.iteration.rehearsal`).
"""

from __future__ import annotations

import time
from typing import Any

import click
from msgspec.json import decode

from podwork import App, Call, JobClass
from podwork.errors import PodworkError
from podwork.identity import new_job_id
from podwork.iteration.pushing import run_in_group
from podwork.keys import POD_LANE
from podwork_ops.application import load_app
from podwork_ops.cli.commands import Command
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.grounds import this_person
from podwork_ops.cli.output import Column, age, count
from podwork_ops.cli.pod_options import pods_meant, pods_option
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import SHOP, Argument, JsonObject, RowsOrNone
from podwork_ops.composition import Platform, open_platform
from podwork_ops.masking import mask
from podwork_pods.iteration.beginning import begin
from podwork_pods.iteration.run import NewRun
from podwork_pods.iteration.run_jobs import RunJobs

REHEARSED_BATCHES = 10
REHEARSAL_COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("ROWS", "rows", count, right=True),
    Column("BATCHES", "batches", count, right=True),
    Column("TOOK", "seconds", "{:.2f}s".format, right=True),
    Column("RATE", "rows_per_second", "{:,.0f}/s".format, right=True),
    Column("ALL ROWS", "rows_total", count, right=True),
    Column("WOULD TAKE", "estimate_seconds", age, right=True),
]


@click.command(
    "start",
    cls=Command,
    examples=[
        "podctl runs start shop.FillNetPrice --shop 330 --param percent=95 --app shop:app",
        "podctl runs start shop.FillNetPrice --all-pods --params '{\"percent\": 95}' --rate 5000",
        "podctl runs start shop.FillNetPrice --pod 7 --dry-run 20",
    ],
)
@click.argument("job_class", metavar="CLASS")
@click.option(
    "--params", "document", type=JsonObject(), metavar="JSON", help="All parameters, a JSON object."
)
@click.option("--param", "pairs", type=Argument(), multiple=True, help="One parameter; may be repeated.")
@click.option("--shop", "shop_id", type=SHOP, metavar="SHOP", help="For this shop, on its pod.")
@pods_option("On this pod.")
@click.option("--rate", type=RowsOrNone(), metavar="ROWS/S", help="At most so many rows a second.")
@click.option("--batch", type=RowsOrNone(), metavar="ROWS", help="At most so many rows a batch.")
@click.option("--parallel", type=click.IntRange(1, 1000), help="So many partitions at once, on each pod.")
@click.option("--app", "app_target", metavar="MODULE:ATTRIBUTE", help="The application [app.target].")
@click.option(
    "--dry-run",
    "batches",
    type=click.IntRange(min=1),
    is_flag=False,
    flag_value=REHEARSED_BATCHES,
    metavar="[N]",
    help=f"Do N batches (default: {REHEARSED_BATCHES}), roll each back, and tell how long all would take.",
)
@session
def start(
    session: Session,
    *,
    job_class: str,
    document: dict[str, Any] | None,
    pairs: tuple[tuple[str, Any], ...],
    shop_id: int | None,
    pod_id: int | None,
    all_pods: bool,
    rate: float | None,
    batch: float | None,
    parallel: int | None,
    app_target: str | None,
    batches: int | None,
) -> None:
    """Start a run of an iteration job, and print its id.

    On all pods these are several runs, and the id is that of their group. How far it is: podctl runs get.
    """
    if shop_id is not None and (pod_id is not None or all_pods):
        raise click.UsageError("a shop's run goes to its own pod - give --shop, --pod or --all-pods alone")
    loaded = session.load({"app.target": app_target})
    app = load_app(loaded.settings.app.target)
    call = _call(app, job_class, {**(document or {}), **dict(pairs)}, shop_id)
    with open_platform(loaded.settings) as platform:
        platform.bind(app)
        pods = pods_meant(platform, pod_id, all_pods, shop_id)
        if all_pods:
            pods = list(platform.client.pod_ids())  # not those that are down
        if batches is not None:
            _rehearse(session, platform, call, pods, shop_id, batches)
            return
        assert call.job_class.declaration is not None, "others were refused"
        new = NewRun(
            id="",
            job_class=call.job_class.name,
            params=decode(call.job_class.parameters.encode(call.args)),
            shop_id=shop_id,
            rows_per_second=rate or None,
            batch_most=int(batch) if batch else None,
            parallel=parallel or call.job_class.declaration.target.parallel,
            created_by=this_person(),
        )
        _start(session, platform, call.job_class, new, pods, all_pods)


def _call(app: App, name: str, params: dict[str, Any], shop_id: int | None) -> Call:
    """Return the job with its parameters, checked as a push checks them.

    Raises:
        UnknownJob, InvalidArguments: it could not be started anywhere.
    """
    declared: JobClass[Any] = app.job_class(name)
    if declared.declaration is None:
        raise click.UsageError(f"{name} is no iteration job - push it: podctl jobs enqueue {name}")
    if "shop_id" in params:
        raise click.UsageError("shop_id is no parameter: it says where the run goes - give --shop")
    if declared.parameters.takes_shop_id and shop_id is None:
        raise click.UsageError(f"{name} works for a shop - give --shop")
    call = Call(declared, (), params)
    declared.parameters.encode(call.args)
    return call


def _start(
    session: Session,
    platform: Platform,
    job_class: JobClass[Any],
    new: NewRun,
    pods: list[int],
    all_pods: bool,
) -> None:
    """Begin a run on each of the pods, unless one of them does not answer."""
    _, silent = ask_each(
        pods, lambda pod: (platform.store(pod).ping(), platform.runs(pod).listing.page(limit=1))
    )
    session.blame(silent)
    whole_id = new_job_id(int(time.time() * 1000), POD_LANE if new.shop_id is None else str(new.shop_id))
    group_id = whole_id if all_pods else None
    ids = {pod: run_in_group(whole_id, pod) if all_pods else whole_id for pod in pods}

    def ask(pod: int) -> PodworkError | None:
        made = new._replace(id=ids[pod], group_id=group_id)
        shard, push = platform.topology.iteration_shard(pod), RunJobs(job_class.app)
        return begin(shard, made, lambda run: push.of_class(job_class, run))[1]

    answers, failures = ask_each(pods, ask)
    if session.out.json and answers:
        runs = [{"pod_id": pod, "run_id": ids[pod]} for pod in answers]
        session.out.document({"id": whole_id, "group_id": group_id, "runs": runs})
    elif answers:
        session.out.write(f"{whole_id}\n")
        session.out.message(f"watch it: podctl runs get {whole_id} --watch")
    for pod, unpushed in answers.items():
        if unpushed is not None:
            session.out.message(f"pod {pod}: it begins later, by itself: {mask(unpushed.what)}")
    session.blame(failures)


def _rehearse(
    session: Session, platform: Platform, call: Call, pods: list[int], shop_id: int | None, batches: int
) -> None:
    from podwork_pods.iteration.rehearsal import rehearse  # noqa: PLC0415 - with SQLAlchemy's ORM, for this only

    def ask(pod: int) -> dict[str, Any]:
        shard = platform.topology.iteration_shard(pod)
        rehearsed = rehearse(shard, call.job_class, call.args, shop_id, batches)
        return {"pod_id": pod, **rehearsed._asdict()}

    answers, failures = ask_each(pods, ask)
    rows = list(answers.values())
    if session.out.json and (rows or not failures):
        session.out.document({"rehearsals": rows, "dry_run": True})
    elif rows:
        session.out.rows("rehearsals", rows, REHEARSAL_COLUMNS)
        session.out.message("every batch was rolled back: nothing was changed")
    session.blame(failures)
