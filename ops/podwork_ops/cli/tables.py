"""The look of tables and records, drawn by rich.

Owns: columns' widths, colours, and what may be folded. Promises: no colour when NO_COLOR is set or the output
is not a terminal; a value is never cut, in a pipe nor in a terminal. Leaves to others: what stands in them
(`output`), which imports this when a table is drawn: `podctl workers` draws none and carries no rich.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any, TextIO

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from podwork_ops.cli.output import Column, Row

PIPE_WIDTH = 100_000
WIDE_LEAST = 10
COLUMN_GAP = 2

STYLES = {
    "active": "green", "live": "green", "ok": "green", "ready": "green",
    "draining": "yellow", "frozen": "yellow", "quiet": "yellow", "warn": "yellow", "scheduled": "cyan",
    "stopping": "yellow", "paused": "yellow", "late": "red",
    "running": "green", "applied": "green", "done": "green", "succeeded": "green",
    "soaking": "cyan", "draft": "cyan", "waiting": "cyan", "pending": "dim",
    "skipped": "yellow", "edited": "yellow", "held": "yellow", "blocked": "yellow",
    "reverting": "yellow", "reverted": "yellow",
    "halted": "red", "failed": "red", "aborted": "red", "cancelled": "red", "refused": "red",
    "drifted": "red", "down": "red", "silent": "red", "dead": "red", "fail": "red", "unreachable": "red",
}  # fmt: skip


def of_rows(rows: Sequence[Row], columns: Sequence[Column], stream: TextIO) -> str:
    """Return the rows as a table in the manner of kubectl: a line per row, no frames."""
    made = Table(box=None, pad_edge=False, padding=(0, COLUMN_GAP, 0, 0), header_style="bold")
    for column in columns:
        justify: JustifyMethod = "right" if column.right else "left"
        made.add_column(column.header, justify=justify, overflow="fold", no_wrap=not column.wide)
    for row in rows:
        made.add_row(*(_cell(column, row) for column in columns))
    return render(made, stream, _least_width(rows, columns))


def of_record(row: Row, columns: Sequence[Column], stream: TextIO) -> str:
    """Return one thing as a line per field."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for column in columns:
        grid.add_row(column.header.lower(), _cell(column, row))
    return render(grid, stream)


def of_finding(row: Row, style: str, stream: TextIO) -> str:
    """Return what a linter has found: a line that can be searched for, its reason and the other way below."""
    head = Text(row["verdict"], style=style)
    head.append(f" to {row['route']}" if row["route"] else "", style=style)
    head.append(f" {row['rule']}", style="bold not dim")
    head.append(f"  {row['migration']}: {row['where']}", style="default not bold not dim")
    head.append(f"  ({', '.join(row['dialects'])})", style="dim not bold")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, key in (("  why", "why"), ("  instead", "alternative"), ("  because", "overridden_by")):
        if row[key]:
            grid.add_row(name, Text(row[key]))
    return render(head, stream) + render(grid, stream)


def render(what: Any, stream: TextIO, least: int = 0) -> str:
    """Return what a console on `stream`, at least so wide, would print, without trailing blanks."""
    terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        force_terminal=terminal,
        no_color=bool(os.environ.get("NO_COLOR")) or not terminal,
        width=None if terminal else PIPE_WIDTH,
        highlight=False,
    )
    console.width = max(console.width, least)  # a narrower terminal breaks the lines itself
    console.print(what)
    return "".join(line.rstrip() + "\n" for line in buffer.getvalue().splitlines())


def _least_width(rows: Sequence[Row], columns: Sequence[Column]) -> int:
    """Return the width below which a column that may not be folded would be cut."""
    fixed = [
        max(len(column.header), *(_cell(column, row).cell_len for row in rows))
        for column in columns
        if not column.wide
    ]
    return sum(fixed) + WIDE_LEAST * (len(columns) - len(fixed)) + COLUMN_GAP * len(columns)


def _cell(column: Column, row: Row) -> Text:
    text = column.text(row)
    return Text("-", style="dim") if text is None else Text(text, style=STYLES.get(text, ""))
