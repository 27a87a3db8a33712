"""How `podctl migrations status --watch` looks: a bar for the plan and each pod under way, the matrix below.

Promises: it fits its terminal from 80 columns on; of what does not fit below, the rest is counted. Leaves to
others: looking (`podwork_migrations.plan.watching`), when (`migration_watch`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from rich.console import ConsoleDimensions, RenderableType
from rich.console import Group as Stack
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from podwork_migrations.plan.cells import Cell as Mark
from podwork_migrations.plan.status import Status
from podwork_ops.cli.migration_matrix import Group, Matrix, matrix
from podwork_ops.cli.migration_rows import moving_rows, next_actions, plan_row, shown_moving, shown_plan
from podwork_ops.cli.output import age, count, plural
from podwork_ops.cli.run_rows import percent, rate
from podwork_ops.cli.tables import STYLES
from podwork_ops.cli.top_screen import GAP, Cell, compact, divide, line, table

LEAST_BAR: Final = 10
LEAST_END: Final = 24
BAR_STYLES: Final = {"failed": "red", "halted": "red", "cancelled": "red", "succeeded": "green"}


class Bar(NamedTuple):
    """One line with a bar: its name, how far (None: nobody knows), what stands beside it, and its state."""

    name: str
    share: float | None
    amount: tuple[int, int | None] | None
    rate: float | None
    end: Text
    state: str

    def cells(self, *, briefly: bool) -> list[Text]:
        """Return what stands beside the bar."""
        number = compact if briefly else count
        amount = ""
        if self.amount is not None:
            done, total = self.amount
            amount = number(done) if total is None else f"{number(done)} of {number(total)}"
        at_rate = "" if self.rate is None else rate(self.rate)
        share = "?" if self.share is None else percent(self.share)
        return [Text(self.name), Text(share), Text(amount), Text(at_rate), self.end]


def screen(
    status: Status, waits: Mapping[int, str], size: ConsoleDimensions, title: str, silence: str = ""
) -> RenderableType:
    """Return what is seen, for a terminal of that size.

    `waits`: why pods do not begin. `silence`: why it is what was seen before.
    """
    head = [line(Text(title, style="dim"))]
    head += [line(Text(silence, style="bold red"))] if silence else []
    plan = next((shown_plan(plan_row(each)) for each in status.plans if each.number == status.number), None)
    if plan is None:
        return Stack(*head, Text("no plans"))
    head += _plan_lines(plan)
    bars, seen, reasons = _bars(plan, status), matrix(status, waits), _reasons(status)
    notes = [line(Text(f"next: {action}", style="yellow")) for action in next_actions(status)]
    wanted = [len(bars), len(reasons), len(seen.groups), len(notes), len(seen.columns) + 1]
    # Two blank lines and a header belong to the matrix.
    shares = divide(size.height - len(head) - 3, wanted)
    parts = [*head, _drawn(bars, shares[0], size.width), *_cut(reasons, shares[1]), Text()]
    parts += [table(_columns(seen), [_row(group, seen) for group in seen.groups], shares[2], size.width)]
    parts += _cut(_legend(seen), shares[4])
    return Stack(*parts, *_cut(notes, shares[3]))


def sentence(status: Status, waits: Mapping[int, str], at: datetime) -> str:
    """Return what is seen in one line, for logs and pipes."""
    plan = next((shown_plan(plan_row(each)) for each in status.plans if each.number == status.number), None)
    if plan is None:
        return f"{at:%H:%M:%S} no plans"
    wave = f", wave {plan['wave_words']}" if plan["wave_words"] else ""
    parts = [f"{at:%H:%M:%S} plan {plan['plan']} {plan['state']}{wave}: {plan['done_words']} pods done"]
    parts += [f"ETA {age(plan['eta_seconds'])}"] if plan["eta_seconds"] is not None else []
    parts += [plan["reason"]] if plan["reason"] else []
    parts += [f"pod {pod_id} waits: {why}" for pod_id, why in waits.items()]
    for row in map(shown_moving, moving_rows(status)):
        words = [f"pod {row['pod_id']} {row['id']} {row['state']}", row["stage_words"], row["rows"]]
        words += [rate(row["rows_per_second"])] if row["rows_per_second"] else []
        words += [f"ETA {age(row['eta_seconds'])}"] if row["eta_seconds"] is not None else []
        words += [f"lag {row['lag_words']}"] if row["lag_words"] else []
        parts.append(", ".join(filter(None, [*words, row["why"]])))
    return "; ".join(parts)


def _plan_lines(plan: dict[str, Any]) -> list[Text]:
    what = Text(f"plan {plan['plan']}", style="bold")
    what.append(
        f"  {plural(plan['migrations'], 'migration')}, {plural(plan['pods'], 'pod')}", style="dim not bold"
    )
    what.append(f"  {plan['purpose']}" if plan["purpose"] else "", style="default not bold")
    how = Text(plan["state"], style=STYLES.get(plan["state"], ""))
    if plan["wave_words"]:
        how.append(f"  wave {plan['wave_words']}", style="default")
    lines = [line(what), line(how)]
    lines += [line(Text(plan["reason"], style="red"))] if plan["reason"] else []
    return [*lines, Text()]


def _bars(plan: dict[str, Any], status: Status) -> list[Bar]:
    words = [f"{plan[name]} {name}" for name in ("running", "throttled", "failed", "blocked") if plan[name]]
    words += [f"ETA {age(plan['eta_seconds'])}"] if plan["eta_seconds"] is not None else []
    whole = plan["done"] / plan["pods"] if plan["pods"] else 1.0
    bars = [Bar("pods", whole, (plan["done"], plan["pods"]), None, Text(", ".join(words)), plan["state"])]
    for row in map(shown_moving, moving_rows(status)):
        amount = None if row["rows_done"] is None else (row["rows_done"], row["rows_total"])
        bars.append(
            Bar(f"pod {row['pod_id']}", row["share"], amount, row["rows_per_second"], _end(row), row["state"])
        )
    return bars


def _end(row: dict[str, Any]) -> Text:
    """Return how a pod's line ends: what it does, for how long, when it was last heard of."""
    text = Text("" if row["eta_seconds"] is None else f"ETA {age(row['eta_seconds'])}  ")
    text.append(f"beat {age(row['heartbeat_seconds'])}", style="dim")
    text.append(f"  lag {row['lag_words']}" if row["lag_words"] else "")
    text.append(f"  {row['id'].partition('_')[2] or row['id']}")
    words = [row["state"] if row["state"] != "running" else "", row["stage_words"] or ""]
    text.append("".join(f"  {word}" for word in words if word), style=STYLES.get(row["state"], ""))
    return text


def _reasons(status: Status) -> list[Text]:
    """Return what holds pods back, and what failed on them: a line each."""
    rows = [shown_moving(row) for row in moving_rows(status)]
    return [
        line(
            Text(f"pod {row['pod_id']}: {row['why']}", style="red" if row["state"] == "failed" else "yellow")
        )
        for row in rows
        if row["why"]
    ]


def _drawn(bars: Sequence[Bar], most: int, width: int) -> RenderableType:
    """Return the bars, with whole numbers if there is room for them; what does not fit is counted."""
    shown = bars if len(bars) <= most else bars[: max(1, most - 1)]
    for briefly in (False, True):
        cells = [bar.cells(briefly=briefly) for bar in shown]
        needed = [max(row[column].cell_len for row in cells) for column in range(4)]
        room = width - sum(needed) - 5 * GAP - LEAST_BAR
        if room >= LEAST_END:
            break
    end = min(max(row[4].cell_len for row in cells), max(LEAST_END, room))
    grid = Table.grid(padding=(0, GAP, 0, 0))
    grid.add_column(justify="right", no_wrap=True, width=needed[0])
    grid.add_column(no_wrap=True)
    for need in needed[1:]:
        grid.add_column(justify="right", no_wrap=True, width=need)
    grid.add_column(no_wrap=True, overflow="ellipsis", width=end)
    for bar, (name, *beside) in zip(shown, cells, strict=True):
        drawn = ProgressBar(
            total=None if bar.share is None else 1.0,
            completed=bar.share or 0.0,
            width=max(LEAST_BAR, width - sum(needed) - 5 * GAP - end - GAP),
            complete_style=BAR_STYLES.get(bar.state, "cyan"),
            finished_style="green",
        )
        grid.add_row(name, drawn, *beside)
    more = len(bars) - len(shown)
    return Stack(grid, Text(f"  {more} more", style="dim")) if more else grid


def _columns(seen: Matrix) -> list[Cell]:
    columns = [
        Cell("PODS", lambda row: row["which"], left=True),
        Cell("WAVE", lambda row: row["wave"], left=True),
        Cell("STATE", lambda row: Text(row["state"], style=STYLES.get(row["state"], "")), left=True),
    ]
    if seen.in_words:
        columns += [_in_words(number) for number in range(len(seen.columns))]
    else:
        columns.append(Cell(f"1-{len(seen.columns)}", lambda row: _letters(row["cells"]), left=True))
    return [*columns, Cell("WHY", lambda row: Text(row["why"], style="yellow"), left=True, grows=True)]


def _in_words(number: int) -> Cell:
    return Cell(f"{number + 1}", lambda row: _word(row["cells"][number]), left=True)


def _row(group: Group, seen: Matrix) -> dict[str, Any]:
    cells: Any = group.cells
    if not seen.in_words and len(cells) > 40:  # the matrix gives way, not the reason
        cells = f"{cells[:39]}…"
    return {
        "which": group.which, "wave": group.wave_words, "state": group.state_words,
        "cells": cells, "why": group.why,
    }  # fmt: skip


def _word(cell: str) -> Text:
    word = Mark(cell).word
    return Text(word, style=STYLES.get(word, ""))


def _letters(cells: str) -> Text:
    text = Text()
    for cell in cells:
        text.append(cell, style=STYLES.get(Mark(cell).word, "") if cell != "…" else "dim")
    return text


def _legend(seen: Matrix) -> list[Text]:
    lines = [
        line(Text(f"{n}: {each.version}_{each.name}", style="dim")) for n, each in enumerate(seen.columns, 1)
    ]
    return [*lines, *([line(Text(seen.rest, style="dim"))] if seen.rest else [])]


def _cut(lines: Sequence[Text], most: int) -> list[Text]:
    if len(lines) <= most:
        return list(lines)
    shown = lines[: max(0, most - 1)]
    return [*shown, Text(f"  {len(lines) - len(shown)} more", style="dim")]
