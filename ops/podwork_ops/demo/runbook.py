"""The demo from top to bottom, one function per step, as an operator would do it by hand.

Owns: the order of the steps and what they hand to one another. Promises: whatever happens, the workers
are stopped before the stack; nothing but the result goes to standard output when it is JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace

import pyarrow as pa
from rich.console import Console

from podwork.settings import load as load_settings
from podwork_ops.composition import Platform, open_platform
from podwork_ops.demo import dataset, jobs, schema
from podwork_ops.demo.backfill import run_migrations
from podwork_ops.demo.check import Contents, check, read_contents
from podwork_ops.demo.errors import NothingToKill
from podwork_ops.demo.expectation import aggregate
from podwork_ops.demo.installed import find_transactions
from podwork_ops.demo.largest_shop import move_largest
from podwork_ops.demo.loading import Load, load
from podwork_ops.demo.monitor import Monitor, Progress
from podwork_ops.demo.net_prices import check_net_prices
from podwork_ops.demo.options import DemoOptions
from podwork_ops.demo.placement import spread
from podwork_ops.demo.progress import Steps
from podwork_ops.demo.report import DemoReport, Kill, PodRow, ShopMove
from podwork_ops.demo.stack import DemoStack, demo_stack
from podwork_ops.demo.workers import Workers

MOVE_AT = 0.1
"""The share of the jobs that is done when the largest shop begins to move."""
KILL_AT = 0.4
"""The share of the jobs that is done when a worker is killed."""
KILL_TRIES = 5
OWNERS_PAGE = 1000

Basket = tuple[int, int]
"""(shop_id, basket_id)"""


def run_demo(options: DemoOptions) -> DemoReport:
    """Run the demo, print its result, return it."""
    source = find_transactions()
    steps = Steps(sys.stderr if options.json else sys.stdout)
    with demo_stack(options, steps) as stack:
        with steps.step("read the input"):
            table = dataset.read_input(source, options.limit)
        with open_platform(load_settings(environment={}, file=stack.config).settings) as platform:
            platform.bind(jobs.app)
            found = _run_on(stack, platform, table, steps)
        report = replace(found, form=options.form, step_seconds=steps.seconds)
        stack.spoilt = not report.ok
        _print(report, json_wanted=options.json)
    return report


def _run_on(stack: DemoStack, platform: Platform, table: pa.Table, steps: Steps) -> DemoReport:
    assign_shops(platform, table, steps)
    load_lines(platform, table, steps)
    with closing(Workers(stack.config, stack.directory, stack.form)) as workers:
        inspections = {pod.id: platform.inspection(pod.id) for pod in platform.pods()}
        monitor = Monitor(inspections, workers, stack.directory)
        start_workers(workers, monitor, steps)
        baskets = dataset.baskets(table)
        monitor.begin()
        enqueue(baskets, steps)
        kill, move = run_move_and_kill(platform, monitor, table, baskets, steps)
        run_seconds = monitor.run_seconds()
        done = {pod_id: monitor.totals(pod_id) for pod_id in monitor.pod_ids}
        of_pod = tables_by_pod(platform, table)
        lines = {pod_id: mine.num_rows for pod_id, mine in of_pod.items()}
        backfill = run_migrations(platform, workers, lines, baskets, stack.directory, steps)
    with steps.step("check every order and revenue"):
        engine = platform.topology.connections.engine
        shards = [read_contents(pod_id, engine(pod_id)) for pod_id in monitor.pod_ids]
        findings = check(aggregate(table), owners(platform), shards)
    with steps.step("check every net price", table.num_rows, "lines"):
        for pod_id, mine in of_pod.items():
            findings += check_net_prices(engine(pod_id), mine)
    rows = [_pod_row(contents, monitor, done[contents.pod_id]) for contents in shards]
    problems = [str(each) for each in findings]
    return DemoReport(len(baskets), rows, problems, kill, run_seconds, backfill, move)


def assign_shops(platform: Platform, table: pa.Table, steps: Steps) -> None:
    """Give every shop of the input a pod in the directory, and every shard its tables."""
    lines = dataset.lines_by_shop(table)
    with steps.step("assign shops to pods", len(lines), "shops"):
        pods = platform.pods()
        platform.directory.assign_many(spread(lines, {pod.id: pod.weight for pod in pods}))
        for pod in pods:
            schema.metadata.create_all(platform.topology.connections.engine(pod.id))


def load_lines(platform: Platform, table: pa.Table, steps: Steps) -> None:
    """Write each shop's lines into its pod's shard."""
    of_pod = tables_by_pod(platform, table)
    loads = [Load(pod.id, pod.shard_url, of_pod[pod.id]) for pod in platform.pods()]
    with steps.step("load lines into the shards", table.num_rows, "lines") as step:
        load(loads, step.reach)


def tables_by_pod(platform: Platform, table: pa.Table) -> dict[int, pa.Table]:
    """Return the lines of each pod's shops, as the input has them."""
    by_pod: dict[int, list[int]] = {pod.id: [] for pod in platform.pods()}
    for shop_id, pod_id in owners(platform).items():
        by_pod[pod_id].append(shop_id)
    return {pod_id: dataset.of_shops(table, shop_ids) for pod_id, shop_ids in by_pod.items()}


def start_workers(workers: Workers, monitor: Monitor, steps: Steps) -> None:
    """Start `podctl workers` for each pod and wait until they may claim jobs."""
    with steps.step("start podctl workers", len(monitor.pod_ids), "pods") as step:
        for pod_id in monitor.pod_ids:
            workers.start(pod_id)
        monitor.wait_for_workers(step.reach)


def enqueue(baskets: list[Basket], steps: Steps) -> None:
    """Enqueue one job per basket, by shop."""
    with steps.step("enqueue a job per basket", len(baskets), "jobs") as step:
        jobs.collect_order.enqueue_bulk(_rows(baskets, step.reach))


def _rows(baskets: list[Basket], progress: Progress = lambda _: None) -> Iterator[Mapping[str, int]]:
    for number, (shop_id, basket_id) in enumerate(baskets):
        if number % 1000 == 0:
            progress(number)
        yield {"shop_id": shop_id, "basket_id": basket_id}


def run_move_and_kill(
    platform: Platform, monitor: Monitor, table: pa.Table, baskets: list[Basket], steps: Steps
) -> tuple[Kill, ShopMove | None]:
    """Wait until all jobs are done; on the way, move a shop, then kill a worker and start another."""
    total = len(baskets)
    with steps.step("run the jobs", total, "jobs") as step:

        def progress(unfinished: int) -> None:
            step.reach(total - unfinished)

        monitor.wait_until_left(round(total * (1 - MOVE_AT)), progress)
        lines = dataset.lines_by_shop(table)
        move = move_largest(platform, monitor, lines, owners(platform), step, steps, progress)
        kill = _kill(monitor, baskets, progress, steps)
        killed_at = monitor.run_seconds()
        reclaimed = monitor.wait_until_reclaimed(kill, progress)
        seconds = monitor.run_seconds() - killed_at
        steps.say(f"  another worker took over: {reclaimed} jobs reclaimed after {seconds:.1f} s")
        monitor.wait_until_left(0, progress)
    return kill, move


def _kill(monitor: Monitor, baskets: list[Basket], progress: Progress, steps: Steps) -> Kill:
    for _ in range(KILL_TRIES):
        monitor.wait_until_left(round(len(baskets) * (1 - KILL_AT)), progress)
        kill = monitor.kill_one()
        if kill is not None:
            holding = f"holding {kill.held} jobs"
            steps.say(f"  killed the worker of pod {kill.pod_id} (SIGKILL, pid {kill.pid}) {holding}")
            return kill
        steps.say("  all done before a worker could be killed: every job once more, which changes no order")
        jobs.collect_order.enqueue_bulk(_rows(baskets))
    raise NothingToKill


def owners(platform: Platform) -> dict[int, int]:
    """Return the pod of every shop, as the directory has it."""
    found = {}
    for pod in platform.pods():
        page = platform.directory.shops_of(pod.id, limit=OWNERS_PAGE)
        while page:
            found.update(dict.fromkeys(page, pod.id))
            page = platform.directory.shops_of(pod.id, after=page[-1], limit=OWNERS_PAGE)
    return found


def _pod_row(contents: Contents, monitor: Monitor, totals: Mapping[str, int]) -> PodRow:
    pod_id = contents.pod_id
    done = totals.get("acknowledged", 0)
    return PodRow(
        pod_id=pod_id,
        shops=len(contents.rows[schema.order_lines.name]),
        orders=len(contents.orders),
        jobs=done,
        retries=totals.get("retried", 0),
        reclaimed=totals.get("reclaimed", 0),
        dead=monitor.counts(pod_id).dead,
        jobs_per_second=done / monitor.emptied_seconds[pod_id],
    )


def _print(report: DemoReport, *, json_wanted: bool) -> None:
    if json_wanted:
        sys.stdout.write(json.dumps(report.document(), indent=2) + "\n")
        sys.stdout.flush()
    else:
        report.show(Console(highlight=False, soft_wrap=True))
