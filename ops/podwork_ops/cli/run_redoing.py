"""`podctl runs retry-quarantined`: do what was left out of a run, item by item, here and now.

Promises: each item is done in a transaction of its own, once, whoever else retries it; one that fails again
stays in quarantine with its new error, and hinders none of the others. Leaves to others: doing an item
(`podwork_pods.iteration.redoing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from podwork import App
from podwork_ops.application import load_app
from podwork_ops.cli.commands import Command
from podwork_ops.cli.output import Column
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.run_places import find
from podwork_ops.cli.run_rows import error_row
from podwork_ops.cli.session import Session, session
from podwork_ops.composition import Platform, open_platform
from podwork_ops.errors import RetriesFailed
from podwork_ops.masking import mask
from podwork_pods.iteration.quarantine import Quarantined
from podwork_pods.iteration.run import Run

OUTCOME_COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("ITEM", "item", right=True),
    Column("KEY", "key", wide=True),
    Column("OUTCOME", "outcome"),
    Column("ERROR", "error", wide=True),
]
PAGE = 100


@click.command(
    "retry-quarantined",
    cls=Command,
    examples=[
        "podctl runs retry-quarantined 0199f2c1a3 --app shop:app",
        "podctl runs retry-quarantined 0199f2c1a3 --item 3 --item 4",
        "podctl runs retry-quarantined 0199f2c1a3 --pod 7 --dry-run",
    ],
)
@click.argument("run", metavar="RUN")
@pod_option(help="Only the run there (default: wherever it is).")
@click.option("--item", "items", type=click.IntRange(min=1), multiple=True, help="Only this one; repeatable.")
@click.option("--app", "app_target", metavar="MODULE:ATTRIBUTE", help="The application [app.target].")
@click.option("--dry-run", is_flag=True, help="Say which items would be done, and do none.")
@session
def retry_quarantined(
    session: Session,
    *,
    run: str,
    pod_id: int | None,
    items: tuple[int, ...],
    app_target: str | None,
    dry_run: bool,
) -> None:
    """Do what was left out of a run, once mended.

    The items are done here, by the application as this machine has it, also while the run goes on.
    """
    loaded = session.load({"app.target": app_target})
    app = None if dry_run else load_app(loaded.settings.app.target)
    with open_platform(loaded.settings) as platform:
        if app is not None:
            platform.bind(app)
        found = find(platform, run, pod_id)
        rows = [
            _retry(platform, app, status.run, item)
            for status in found.rollup.runs
            for item in _left_out(platform, status.run)
            if not items or item.id in items
        ]
    if session.out.json:
        session.out.document({"items": rows, "dry_run": dry_run})
    else:
        session.out.rows("items", rows, OUTCOME_COLUMNS, "nothing is left out: nothing to do")
    failed = [row for row in rows if row["outcome"] == "failed again"]
    session.blame(found.failures)
    if failed:
        raise RetriesFailed(found.rollup.id, len(failed), len(rows))


def _left_out(platform: Platform, run: Run) -> Iterator[Quarantined]:
    """Yield the items that stand in quarantine, each once, also those that fail again."""
    quarantine, after = platform.runs(run.pod_id).quarantine, 0
    while page := quarantine.page(run.id, after=after, limit=PAGE, retried=False):
        yield from page
        after = page[-1].id


def _retry(platform: Platform, app: App | None, run: Run, item: Quarantined) -> dict[str, Any]:
    row = {**error_row(run.pod_id, item), "outcome": "would be done", "error": None}
    if app is None:
        return row
    from podwork_pods.iteration.redoing import redo  # noqa: PLC0415 - with SQLAlchemy's ORM, for this only

    error = redo(platform.topology.iteration_shard(run.pod_id), app.job_class(run.job_class), run, item)
    return {**row, "outcome": "done" if error is None else "failed again", "error": error and mask(error)}
