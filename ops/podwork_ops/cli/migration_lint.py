"""`podctl migrations lint`: what the linter says of migrations, without a shard or with one's facts.

Promises: what is the same on several databases is said once; it ends with 1 if a migration is refused. Leaves
to others: rules (`podwork_migrations.lint`), the form of a finding (`migration_findings`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from podwork_migrations.library import Library
from podwork_migrations.migration import Migration
from podwork_ops.cli.commands import Command
from podwork_ops.cli.migration_choice import folder_option, some_of, versions_argument
from podwork_ops.cli.migration_findings import Found, document_of, linted, refused, summary, write
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.session import Session, session
from podwork_ops.composition import Platform, open_platform
from podwork_ops.errors import MigrationsRefused
from podwork_ops.migration_access import folder_of

DIALECTS: Final = ("mariadb", "mysql", "sqlite")
SERVERS: Final = ("mariadb", "mysql")


@click.command(
    "lint",
    cls=Command,
    examples=[
        "podctl migrations lint",
        "podctl migrations lint 20261124120000 --dialect mariadb",
        "podctl migrations lint --pod 7",
        "podctl migrations lint --folder migrations -o json",
    ],
)
@versions_argument
@click.option(
    "--dialect",
    "dialects",
    type=click.Choice(DIALECTS),
    multiple=True,
    help="For this database; may be repeated (default: mariadb and mysql).",
)
@pod_option(help="What is pending on this pod, with what its shard says of the tables.")
@folder_option
@session
def lint(
    session: Session,
    *,
    versions: tuple[str, ...],
    dialects: tuple[str, ...],
    pod_id: int | None,
    folder: str | None,
) -> None:
    """Judge migrations by the rules: all of them, or those named.

    refuse: it does not run. route: it runs, the way that is named. warn: it runs, and somebody should know.
    Without --pod nothing is connected, so that it works where the application is tested. The rules, each with
    its reason: ops/docs/migration-lint.md.
    """
    if pod_id is not None and dialects:
        raise click.UsageError("a pod's shard says itself what it is - give --pod or --dialect")
    loaded = session.load({"migrations.folder": folder})
    where = folder_of(loaded.settings.migrations.folder)
    library = Library.load(where)
    if pod_id is None:
        chosen = _chosen(library.migrations, versions, f"in {where}")
        found = [each for dialect in dialects or SERVERS for each in linted(chosen, dialect)]
    else:
        with open_platform(loaded.settings) as platform:
            chosen = _chosen(pending(platform, pod_id, library), versions, f"is pending on pod {pod_id}")
            with platform.migrations.looking(pod_id) as connection:
                found = linted(chosen, None, connection, platform.migrations.limits)
    _report(session, chosen, found, where)


def pending(platform: Platform, pod_id: int, library: Library) -> list[Migration]:
    """Return what has not begun on a pod."""
    begun = {entry.version for entry in platform.migrations.entries(pod_id)}
    return [one for one in library.of_pod(pod_id) if one.version not in begun]


def _chosen(migrations: Sequence[Migration], texts: Sequence[str], where: str) -> list[Migration]:
    if not texts:
        return list(migrations)
    wanted = some_of(texts, {one.version: one.name for one in migrations}, where)
    return [one for one in migrations if one.version in wanted]


def _report(session: Session, chosen: Sequence[Migration], found: Sequence[Found], folder: Path) -> None:
    if session.out.json:
        session.out.document(document_of([one.id for one in chosen], found))
    elif chosen:
        write(session.out, found)
        session.out.message(summary([one.id for one in chosen], found))
    else:
        session.out.message(f"no migrations in {folder}, or none is pending")
    if ids := refused(found):
        raise MigrationsRefused(ids)
