"""`podctl local`: a whole platform on this machine, for development. `podwork_ops.local` does the work."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
import msgspec

from podwork_ops.cli.commands import Group
from podwork_ops.cli.output import Column, Output, plural
from podwork_ops.cli.session import confirm, output
from podwork_ops.errors import ExitCode
from podwork_ops.local.stack import DEFAULT_DIRECTORY, DEFAULT_PODS, MAX_PODS, LocalStack
from podwork_ops.local.state import Health, StackStatus

COLUMNS = [
    Column("SERVER", "name"),
    Column("KIND", "kind"),
    Column("HEALTH", "health"),
    Column("PID", "pid", right=True),
    Column("URL", "url", wide=True),
]

directory_option = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DIRECTORY,
    show_default=True,
    help="The stack's folder.",
)

local = Group("local", help="Run pods on this machine, with nothing installed.")


@local.command(
    "up",
    examples=["podctl local up", "podctl local up --pods 5 --dir /tmp/five", "podctl local up --servers"],
)
@click.option(
    "--pods",
    type=click.IntRange(1, MAX_PODS),
    help=f"How many; a stack may grow later, not shrink. [default: what it has, else {DEFAULT_PODS}]",
)
@click.option("--servers", is_flag=True, help="MariaDB, Redis and ZooKeeper, not SQLite and Valkey.")
@directory_option
@output
def up(out: Output, pods: int | None, servers: bool, directory: Path) -> None:
    """Start a stack, or what is missing of it, and register its pods."""
    status = LocalStack.up(directory, pods, servers, progress=out.message)
    _write(out, status)
    if not out.json:
        out.message(f"use it: export PODWORK_CONFIG={shlex.quote(status.config)}")


@local.command("status", examples=["podctl local status", "podctl local status -o json"])
@directory_option
@output
def status(out: Output, directory: Path) -> int:
    """Show the stack's servers. Exits with 1 if one that should run does not."""
    found = LocalStack.status(directory)
    _write(out, found)
    return ExitCode.FAILED if found.health in (Health.DEGRADED, Health.SILENT) else ExitCode.OK


@local.command("down", examples=["podctl local down", "podctl local down --purge --yes"])
@click.option("--purge", is_flag=True, help="Delete the stack's folder and all its data too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@directory_option
@output
def down(out: Output, directory: Path, purge: bool, yes: bool) -> None:
    """Stop the stack; its data stays, unless --purge deletes it."""
    before = LocalStack.status(directory)
    if purge and before.health is not Health.ABSENT:
        confirm(f"delete the stack in {before.directory} and all its data", yes)
    after = LocalStack.down(directory, purge, progress=out.message)
    if out.json:
        out.document(_document(after))
    elif before.health in (Health.DOWN, Health.ABSENT) and after.health is before.health:
        out.message(f"nothing to stop: the stack in {before.directory} is {before.health.value}")


def _write(out: Output, status: StackStatus) -> None:
    if out.json:
        out.document(_document(status))
    elif status.health is Health.ABSENT:
        out.message(f"no stack in {status.directory} - start one: podctl local up")
    else:
        out.rows("servers", _document(status)["servers"], COLUMNS)
        out.message(
            f"{plural(status.pods, 'pod')}, {status.form}, {status.health.value}, in {status.directory}"
        )


def _document(status: StackStatus) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(status)
    for server in document["servers"]:
        server["pid"] = server["pid"] or None
    return document
