"""`podctl shops get`: all that the platform has of one shop: where it is and was, its jobs, its rows.

Promises: reading changes nothing; what does not answer is named, and the rest is shown. Leaves to others:
moving it (`moves`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from podwork.errors import PodworkError
from podwork.inspection import Filter
from podwork_ops.cli.commands import Command
from podwork_ops.cli.move_rows import row_of
from podwork_ops.cli.output import Column, count, moment, plural, size_in_bytes
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import SHOP
from podwork_ops.composition import Platform
from podwork_ops.masking import mask
from podwork_pods.errors import DirectoryUnavailable

T = TypeVar("T")
Row = dict[str, Any]

COLUMNS: Final = [
    Column("Shop", "shop_id"),
    Column("Pod", "pod_id"),
    Column("Epoch", "epoch"),
    Column("Fence", "fence"),
    Column("Jobs", "jobs_in_words", wide=True),
    Column("Rows", "rows_in_words", wide=True),
    Column("Latest move", "move_in_words", wide=True),
    Column("No answer", "silent", wide=True),
]
HISTORY_COLUMNS: Final = [
    Column("SINCE", "since"),
    Column("FROM", "from_pod", right=True),
    Column("POD", "pod_id", right=True),
    Column("EPOCH", "epoch", right=True),
]
SIZE_COLUMNS: Final = [
    Column("TABLE", "table"),
    Column("ROWS", "rows", count, right=True),
    Column("ABOUT", "bytes", size_in_bytes, right=True),
]
MOST_JOBS: Final = 10_000


@click.command(
    "get", cls=Command, examples=["podctl shops get 330", "podctl shops get 330 --no-rows -o json"]
)
@click.argument("shop_id", metavar="SHOP", type=SHOP)
@click.option("--no-rows", is_flag=True, help="Do not count its rows, which reads all of them once.")
@session
def get(session: Session, shop_id: int, no_rows: bool) -> None:
    """Show one shop: its pod and epoch, where it was before, its jobs by state, its rows by table."""
    with session.platform() as platform:
        row = _report(platform, shop_id, with_rows=not no_rows)
    session.out.record(row, COLUMNS)
    if session.out.json:
        return
    if row["history"]:
        session.out.write("\n")
        session.out.rows("history", row["history"], HISTORY_COLUMNS)
    filled = [size for size in row["tables"] or () if size["rows"]]
    if filled:
        session.out.write("\n")
        session.out.rows("tables", filled, SIZE_COLUMNS)


def _report(platform: Platform, shop_id: int, *, with_rows: bool) -> Row:
    route = platform.directory.locate(shop_id)
    silent: list[str] = []

    def ask(look: Callable[[], T], otherwise: T) -> T:
        try:
            return look()
        except PodworkError as error:
            silent.append(mask(str(error)))
            return otherwise

    fence = ask(lambda: platform.topology.shard_fence(route.pod_id).read(shop_id), None)
    unknown: tuple[dict[str, int] | None, bool] = (None, False)
    jobs, has_more = ask(lambda: _jobs(platform, route.pod_id, shop_id), unknown)
    has_tables = bool(platform.settings.moves.tables)
    sizes = ask(lambda: _sizes(platform, route.pod_id, shop_id), None) if with_rows and has_tables else None
    move = _latest_move(platform, shop_id)
    return {
        "shop_id": shop_id,
        "pod_id": route.pod_id,
        "epoch": route.epoch,
        "fence": "none yet" if fence is None else f"{fence.state} at epoch {fence.epoch}",
        "jobs": jobs,
        "jobs_in_words": _jobs_in_words(jobs, has_more),
        "tables": sizes,
        "rows_in_words": _rows_in_words(sizes, has_tables, with_rows),
        "move": move,
        "move_in_words": "" if move is None else _move_in_words(move),
        "history": [
            {
                "since": moment(change.changed_at),
                "from_pod": change.from_pod_id,
                "pod_id": change.pod_id,
                "epoch": change.epoch,
            }
            for change in platform.directory.history(shop_id)
        ],
        "silent": "; ".join(silent),
    }


def _jobs(platform: Platform, pod_id: int, shop_id: int) -> tuple[dict[str, int] | None, bool]:
    """Return how many jobs stand in each state, and whether there are more than were counted."""
    wanted = Filter(shop=str(shop_id))
    page = platform.inspection(pod_id).jobs(wanted, limit=MOST_JOBS)
    return dict(Counter(job.state for job in page.jobs)), page.cursor is not None


def _sizes(platform: Platform, pod_id: int, shop_id: int) -> list[Row] | None:
    return platform.moves.sizes(pod_id, shop_id)


def _latest_move(platform: Platform, shop_id: int) -> Row | None:
    try:
        move = platform.moves.store.of_shop(shop_id)
    except DirectoryUnavailable:  # of a version that knew no moves
        return None
    return None if move is None else row_of(move)


def _jobs_in_words(jobs: dict[str, int] | None, has_more: bool) -> str:
    if jobs is None:
        return ""
    words = ", ".join(f"{number:,} {state}" for state, number in sorted(jobs.items())) or "none"
    return f"{words}; and more" if has_more else words


def _rows_in_words(sizes: list[Row] | None, has_tables: bool, with_rows: bool) -> str:
    if not has_tables:
        return "nobody says which are its own: set moves.tables"
    if not with_rows or sizes is None:
        return "not counted"
    total = sum(int(size["rows"]) for size in sizes)
    return f"{plural(total, 'row')} in {plural(sum(1 for size in sizes if size['rows']), 'table')}"


def _move_in_words(move: Row) -> str:
    return f"{move['move_id']}: pod {move['from_pod']} -> {move['to_pod']}, {move['state']}"
