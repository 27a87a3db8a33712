"""How `podctl top` looks: a screen that fits its terminal, tables for one frame, a line per pod in a pipe.

Promises: nothing is wider than 80 columns but long names, which are cut on the screen and nowhere else;
what does not fit below is counted (`12 more`), and it is the least bad.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from rich.console import ConsoleDimensions, Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from podwork_ops.cli.output import age, mebibytes
from podwork_ops.cli.top_frame import Frame

Row = dict[str, Any]
STATE_STYLES = {"silent": "bold red", "stopping": "yellow", "quiet": "yellow", "live": "green"}
LEAST_WIDTH = 8
GAP = 2


class Cell(NamedTuple):
    """One column of the screen: its header and how a row's cell is made."""

    header: str
    cell: Callable[[Row], str | Text]
    left: bool = False
    grows: bool = False
    """It takes what is left of the width."""


def compact(number: float | None) -> str:
    """Write a number in at most five characters: 9,999 as 9999, then 12.3k, 1.2M."""
    if number is None:
        return "-"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= size:
            scaled = number / (1e3 if unit == "k" else size)
            return f"{scaled:.1f}{unit}" if abs(scaled) < 100 else f"{scaled:.0f}{unit}"
    return f"{number:.0f}"


def per_second(number: float | None) -> str:
    """Write a rate: 0, 0.5, 12, 12.3k."""
    if number is None:
        return "-"
    return f"{number:.1f}" if 0 < abs(number) < 10 else compact(number)


def growth(number: float | None) -> Text:
    """Write how fast a queue grows or shrinks: +120, -3.5."""
    if number is None:
        return Text("-")
    text = per_second(number)
    return Text(
        f"+{text}" if number > 0 else text, style="yellow" if number > 0 else "green" if number < 0 else ""
    )


def _alarming(text: str, number: float | None) -> Text:
    return Text(text, style="bold red" if number else "")


PODS = [
    Cell("POD", lambda row: str(row["pod_id"])),
    Cell("READY", lambda row: compact(row["ready"])),
    Cell("HELD", lambda row: compact(row["held"])),
    Cell("LATER", lambda row: compact(row["scheduled"])),
    Cell("PARKED", lambda row: compact(row["parked"])),
    Cell("DEAD", lambda row: compact(row["dead"])),
    Cell("IN/S", lambda row: per_second(row["in_per_second"])),
    Cell("OUT/S", lambda row: per_second(row["out_per_second"])),
    Cell("RETRY/S", lambda row: per_second(row["retried_per_second"])),
    Cell("DIE/S", lambda row: _alarming(per_second(row["buried_per_second"]), row["buried_per_second"])),
    Cell("BUSY", lambda row: _alarming(f"{row['busy']}/{row['slots']}", not row["slots"] and row["ready"])),
]
QUEUES = [
    Cell("POD", lambda row: str(row["pod_id"])),
    Cell("QUEUE", lambda row: row["queue"], left=True),
    Cell("READY", lambda row: compact(row["ready"])),
    Cell("GROWS/S", lambda row: growth(row["growth_per_second"])),
    Cell("WAITS", lambda row: "-" if row["latency_seconds"] is None else age(row["latency_seconds"])),
    Cell("SHOPS", lambda row: compact(row["shops"])),
    Cell("PAUSED BY, WHY", lambda row: Text(row["why"] or "", style="yellow"), left=True, grows=True),
]
FLOW = [
    Cell("IN/S", lambda row: per_second(row["in_per_second"])),
    Cell("OUT/S", lambda row: per_second(row["out_per_second"])),
]
PROCESSES = [
    Cell("POD", lambda row: str(row["pod_id"])),
    Cell("STATE", lambda row: Text(row["state"], style=STATE_STYLES[row["state"]]), left=True),
    Cell("BUSY", lambda row: f"{row['busy']}/{row['slots']}"),
    Cell("HELD", lambda row: compact(row["held"])),
    Cell("RSS", lambda row: mebibytes(row["rss_bytes"])),
    Cell("BEAT", lambda row: age(row["heartbeat_age_seconds"])),
    Cell("REVISION", lambda row: row["revision"][:12], left=True),
    Cell("PROCESS", lambda row: row["incarnation"], left=True, grows=True),
]


def screen(frame: Frame, size: ConsoleDimensions, title: str) -> RenderableType:
    """Return the frame for a terminal of that size."""
    pods = [row for row in frame.pods if row["error"] is None]
    down = [row for row in frame.pods if row["error"] is not None]
    # The title, three headers and two blank lines stand for themselves.
    room = size.height - 6 - len(down)
    tables = _tables(frame, pods)
    shares = divide(room, [len(rows) for _, rows in tables])
    parts: list[RenderableType] = [Text(title, style="bold")]
    parts += [line(Text(f"pod {row['pod_id']}: {row['error']}", style="bold red")) for row in down]
    for (columns, rows), share in zip(tables, shares, strict=True):
        parts += [] if columns is PODS else [Text()]
        if rows:
            parts.append(table(columns, rows, share, size.width))
        elif columns is not PODS:
            parts.append(Text("no processes" if columns is PROCESSES else "no queues", style="dim"))
    return Group(*parts)


def divide(room: int, wanted: Sequence[int]) -> list[int]:
    """Share lines among tables, in turns: what one does not need the others get."""
    shares = [0] * len(wanted)
    while room > 0 and shares != list(wanted):
        for position, rows in enumerate(wanted):
            if shares[position] < rows and room > 0:
                shares[position] += 1
                room -= 1
    return shares


def lines(frame: Frame, at: datetime) -> list[str]:
    """Return a line per pod, for logs and pipes."""
    return [f"{at:%H:%M:%S} pod {row['pod_id']}: {_line_of(row, frame.queues)}" for row in frame.pods]


def _line_of(row: Row, queues: Sequence[Row]) -> str:
    if row["error"] is not None:
        return str(row["error"])
    worst = next(
        (
            queue
            for queue in queues
            if queue["pod_id"] == row["pod_id"] and queue["latency_seconds"] is not None
        ),
        None,
    )
    waits = f", {worst['queue']} waits {age(worst['latency_seconds'])}" if worst else ""
    counts = ", ".join(f"{row[state]} {state}" for state in ("ready", "held", "scheduled", "parked", "dead"))
    rates = (
        f"in {per_second(row['in_per_second'])}/s, out {per_second(row['out_per_second'])}/s, "
        f"retried {per_second(row['retried_per_second'])}/s, buried {per_second(row['buried_per_second'])}/s"
    )
    return f"{counts}; {rates}; {row['busy']}/{row['slots']} busy{waits}"


def tables(frame: Frame) -> list[RenderableType]:
    """Return the whole frame, as one look prints it."""
    pods = [row for row in frame.pods if row["error"] is None]
    return [table(columns, rows, len(rows), None) for columns, rows in _tables(frame, pods) if rows]


def _tables(frame: Frame, pods: Sequence[Row]) -> list[tuple[Sequence[Cell], Sequence[Row]]]:
    """Return columns and rows of each table; in and out of a queue where its claims are counted."""
    flows = any(row["out_per_second"] is not None for row in frame.queues)
    queues = [*QUEUES[:3], *FLOW, *QUEUES[4:]] if flows else QUEUES
    return [(PODS, _with_total(pods)), (queues, frame.queues), (PROCESSES, frame.processes)]


def _with_total(pods: Sequence[Row]) -> list[Row]:
    if len(pods) < 2:
        return list(pods)
    names = [name for name, value in pods[0].items() if name not in ("pod_id", "error", "latency_seconds")]
    return [{"pod_id": "all", **{name: _sum([row[name] for row in pods]) for name in names}}, *pods]


def _sum(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def table(columns: Sequence[Cell], rows: Sequence[Row], most: int, width: int | None) -> RenderableType:
    """Return the first rows as a table; what grows has what the others leave of `width` (None: no bound)."""
    cut = len(rows) > most
    shown = rows[: max(0, most - 1)] if cut else rows
    cells = [[_text(column.cell(row)) for row in shown] for column in columns]
    needed = [
        max(len(column.header), *(cell.cell_len for cell in cells_of), 0)
        for column, cells_of in zip(columns, cells, strict=True)
    ]
    taken = sum(need + GAP for column, need in zip(columns, needed, strict=True) if not column.grows)
    made = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for column, need in zip(columns, needed, strict=True):
        room = need if width is None or not column.grows else max(LEAST_WIDTH, min(need, width - taken - GAP))
        justify: JustifyMethod = "left" if column.left else "right"
        made.add_column(column.header, justify=justify, no_wrap=True, overflow="ellipsis", width=room)
    for row in zip(*cells, strict=True):
        made.add_row(*row)
    return Group(made, Text(f"  {len(rows) - len(shown)} more", style="dim")) if cut else made


def _text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)


def line(text: Text) -> Text:
    """Return the text as one line of the screen, cut where it does not fit."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
