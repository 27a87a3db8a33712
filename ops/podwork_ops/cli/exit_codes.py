"""`podctl exit-codes`: the table of `podwork_ops.errors`, for people."""

from __future__ import annotations

import click

from podwork_ops.cli.commands import Command
from podwork_ops.cli.output import Column, Output
from podwork_ops.cli.session import output
from podwork_ops.errors import MEANINGS


@click.command(cls=Command, examples=["podctl exit-codes", "podctl exit-codes -o json"])
@output
def exit_codes(out: Output) -> None:
    """Explain podctl's exit codes."""
    rows = [{"code": int(code), "meaning": meaning} for code, meaning in MEANINGS.items()]
    out.rows("exit_codes", rows, [Column("CODE", "code", right=True), Column("MEANING", "meaning")])
