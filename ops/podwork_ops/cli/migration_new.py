"""`podctl migrations new`: begin a migration.

Promises: prints the path of the new file and nothing else; a file that is there stays. Leaves to others: the
text (`podwork_migrations.writing`), the comparison of models with a shard
(`podwork_migrations.autogenerate`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from podwork.settings import Settings
from podwork_migrations.writing import new_file
from podwork_ops.application import load_metadata
from podwork_ops.cli.commands import Command
from podwork_ops.cli.migration_choice import folder_option
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.session import Session, session
from podwork_ops.composition import open_platform
from podwork_ops.migration_access import folder_of

if TYPE_CHECKING:
    from podwork_migrations.autogenerate import Draft


@click.command(
    "new",
    cls=Command,
    examples=[
        "podctl migrations new add_status_to_orders",
        "podctl migrations new fill_status --data",
        "podctl migrations new index_orders --autogenerate --metadata shop.models:metadata --pod 1",
    ],
)
@click.argument("name", metavar="NAME")
@click.option(
    "--data", "is_data", is_flag=True, help="One that fills in data, by a backfill or a few rows' SQL."
)
@click.option("--autogenerate", is_flag=True, help="Write what a shard lacks of the application's metadata.")
@click.option("--metadata", "target", metavar="MODULE:ATTRIBUTE", help="That metadata [migrations.metadata].")
@pod_option(help="Compare with this pod's shard (default: the first that is registered).")
@folder_option
@session
def new(
    session: Session,
    *,
    name: str,
    is_data: bool,
    autogenerate: bool,
    target: str | None,
    pod_id: int | None,
    folder: str | None,
) -> None:
    """Write the file of a new migration, and print its path.

    NAME in words or with underscores; the time before it is its version, which orders it among the others.
    With --autogenerate it may be several files, because a schema migration is one change of one table.
    """
    if is_data and autogenerate:
        raise click.UsageError("metadata tells nothing about data - give --data or --autogenerate")
    loaded = session.load({"migrations.folder": folder, "migrations.metadata": target})
    where = folder_of(loaded.settings.migrations.folder)
    if not autogenerate:
        paths = [new_file(where, name, now=time.time(), is_data=is_data)]
        _say(session, paths, "data" if is_data else "schema", "write what it does")
        return
    drafts = _compared(loaded.settings, pod_id)
    names = [name if len(drafts) == 1 else f"{name}_{draft.name}" for draft in drafts]
    paths = [_written(where, *pair) for pair in zip(names, drafts, strict=True)]
    _say(session, paths, "schema", "read what was written, and change it")


def _compared(settings: Settings, pod_id: int | None) -> list[Draft]:
    """Return what would lead a shard to the metadata, a migration each."""
    from podwork_migrations.autogenerate import autogenerate  # noqa: PLC0415 - Alembic, for this only

    metadata = load_metadata(settings.migrations.metadata)
    with open_platform(settings) as platform:
        chosen = platform.chosen(pod_id)
        if not chosen:
            raise click.UsageError("there is no pod to compare with - add one first: podctl pods add")
        with platform.migrations.looking(chosen[0]) as connection:
            return autogenerate(metadata, connection)


def _written(folder: Path, name: str, draft: Draft) -> Path:
    return new_file(
        folder,
        name,
        now=time.time(),
        up=draft.up,
        down=draft.down,
        summary=draft.summary,
        imports=draft.imports,
    )


def _say(session: Session, paths: Sequence[Path], kind: str, what: str) -> None:
    if session.out.json:
        rows = [
            {"path": str(path), "version": path.name[:14], "name": path.stem[15:], "kind": kind}
            for path in paths
        ]
        session.out.document({"migrations": rows})
        return
    for path in paths:
        session.out.write(f"{path}\n")
    said = f"{what}, then: podctl migrations lint {' '.join(path.name[:14] for path in paths)}"
    session.out.message(said if paths else "nothing to write: the shard is as the metadata says")
