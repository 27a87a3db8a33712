"""How `podctl runs get --watch` looks: bars for the whole and for each pod, what matters below, a line in a
pipe.

Promises: it fits its terminal from 80 columns on; of what does not fit below, the rest is counted. Leaves to
others: looking (`run_sample`), when (`run_watch`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from rich.console import ConsoleDimensions, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from podwork.iteration.states import RunState
from podwork_ops.cli.output import age, count, plural
from podwork_ops.cli.run_rows import partition_rows, percent, rate, run_row, shown_partition, states_in_words
from podwork_ops.cli.run_sample import Sight
from podwork_ops.cli.top_screen import GAP, Cell, compact, divide, line, table
from podwork_ops.masking import mask, mask_value
from podwork_pods.iteration.status import RunStatus

Row = dict[str, Any]
LEAST_BAR = 10
PARTS_FIRST: Final = {"failed": 0, "running": 1, "waiting": 2, "done": 3}

STYLES: Final = {
    RunState.ENQUEUED: "cyan",
    RunState.RUNNING: "green",
    RunState.THROTTLED: "yellow",
    RunState.INTERRUPTED: "yellow",
    RunState.PAUSING: "yellow",
    RunState.PAUSED: "yellow",
    RunState.CANCELLING: "red",
    RunState.CANCELLED: "red",
    RunState.FAILED: "bold red",
    RunState.SUCCEEDED: "green",
}
_PART_STYLES: Final = {"failed": "bold red", "running": "green", "waiting": "cyan", "done": "dim"}
_BARS: Final = {RunState.FAILED: "red", RunState.CANCELLED: "red", RunState.SUCCEEDED: "green"}


def _state(row: Row) -> Text:
    return Text(row["state"], style=STYLES[RunState(row["state"])])


def _marked(name: str, style: str = "yellow") -> Any:
    """Return how a count is written that should be 0."""
    return lambda row: Text(compact(row[name]), style=style if row[name] else "dim")


RUNS = [
    Cell("POD", lambda row: str(row["pod_id"])),
    Cell("STATE", _state, left=True),
    Cell("PARTS", lambda row: f"{row['partitions_done']}/{row['partitions_total']}"),
    Cell("HELD", lambda row: str(row["partitions_held"])),
    Cell("INTERRUPTED", _marked("interruptions")),
    Cell("ATTEMPTS", _marked("attempts", "red")),
    Cell("LEFT OUT", _marked("quarantined", "red")),
    Cell("REV", lambda row: str(row["revision"])),
]
PARTS = [
    Cell("PART", lambda row: str(row["number"])),
    Cell("STATE", lambda row: Text(row["state"], style=_PART_STYLES[row["state"]]), left=True),
    Cell("ROWS", lambda row: f"{row['rows_done']:,}"),
    Cell("BATCHES", lambda row: f"{row['batches']:,}"),
    Cell("INTERRUPTED", _marked("interruptions")),
    Cell("ATTEMPTS", _marked("attempts", "red")),
    Cell("REV", lambda row: str(row["revision"])),
    Cell("LAST BATCH", lambda row: Text(row["last_batch"] or "", style="dim")),
]


def screen(sight: Sight, size: ConsoleDimensions, title: str) -> RenderableType:
    """Return what is seen, for a terminal of that size."""
    head, notes, (columns, rows) = _head(sight, title), _notes(sight), _details(sight)
    bars = _bars(sight)
    # A blank line and a header belong to the table.
    shares = divide(size.height - len(head), [len(bars), len(notes), len(rows) + 2])
    parts = [*head, _drawn(bars, shares[0], size.width), *_cut(notes, shares[1])]
    if shares[2] > 2:
        parts += [Text(), table(columns, rows, shares[2] - 2, size.width)]
    return Group(*parts)


def sentence(sight: Sight, at: datetime) -> str:
    """Return what is seen in one line, for logs and pipes."""
    parts = [f"{at:%H:%M:%S} {states_in_words(sight.rollup)}: {_amount(sight)}"]
    if len(sight.rollup.runs) > 1:
        parts += [
            f"pod {status.run.pod_id} {status.run.state} {_share(status.progress.share)}".rstrip()
            for status in sight.rollup.runs
        ]
    reasons = [f"pod {status.run.pod_id}: {_why(status)}" for status in sight.rollup.runs if _why(status)]
    return "; ".join([*parts, *reasons, *_silent(sight)])


def _head(sight: Sight, title: str) -> list[RenderableType]:
    rollup = sight.rollup
    run = rollup.runs[0].run
    what = Text(run.job_class, style="bold")
    what.append(f"  {rollup.id}", style="dim")
    where = f"shop {run.shop_id}" if run.shop_id is not None else _pods(sight)
    what.append(f"  {where}", style="dim")
    if run.params:
        params = mask_value("", run.params)
        shown = " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in params.items())
        what.append(f"  {shown}", style="dim")
    how = Text(states_in_words(rollup), style=STYLES[rollup.state])
    how.append(f"  {_history(sight)}", style="default not bold")
    return [line(Text(title, style="dim")), line(what), line(how), Text()]


def _history(sight: Sight) -> str:
    rollup = sight.rollup
    counted = [
        (rollup.total("interruptions"), "interruption"),
        (rollup.total("pauses"), "pause"),
        (rollup.total("quarantined"), "item left out"),
    ]
    many = {"item left out": "items left out"}
    words = [f"worked {age(rollup.worked_seconds)}" if rollup.started else "not begun"]
    words += [plural(number, noun, many.get(noun, "")) for number, noun in counted if number]
    return ", ".join(words)


class _Bar(NamedTuple):
    """One line with a bar: its name, how far and how fast, and how it ends."""

    name: str
    done: int
    total: int | None
    share: float | None
    rate: float | None
    end: Text
    state: RunState

    def cells(self, number: Callable[[float], str]) -> list[Text]:
        """Return what stands beside the bar."""
        rows = number(self.done) if self.total is None else f"{number(self.done)} of {number(self.total)}"
        at_rate = "" if self.rate is None else rate(self.rate)
        return [Text(self.name), Text(_share(self.share) or "?"), Text(rows), Text(at_rate), self.end]


def _bars(sight: Sight) -> list[_Bar]:
    rollup, eta = sight.rollup, sight.eta_seconds
    bars = [_bar(sight, status) for status in rollup.runs]
    if len(bars) == 1:
        return bars
    end = Text("" if eta is None else f"ETA {age(eta)}")
    return [
        _Bar("all", rollup.rows_done, rollup.rows_total, rollup.share, sight.rate, end, rollup.state),
        *bars,
    ]


def _bar(sight: Sight, status: RunStatus) -> _Bar:
    run, eta, share = status.run, sight.eta_of(status), status.progress.share
    end = Text(run.state, style=STYLES[run.state])
    if run.state is RunState.RUNNING:
        end = Text("" if eta is None else f"ETA {age(eta)}")
    at_rate = sight.rate_of(status)
    return _Bar(f"pod {run.pod_id}", status.rows_done, run.rows_total, share, at_rate, end, run.state)


def _drawn(bars: Sequence[_Bar], most: int, width: int) -> RenderableType:
    """Return the bars, with whole numbers if there is room for them; what does not fit is counted."""
    shown = bars if len(bars) <= most else bars[: max(1, most - 1)]
    for number in (count, compact):
        cells = [bar.cells(number) for bar in shown]
        taken = sum(max(row[column].cell_len for row in cells) + GAP for column in range(len(cells[0])))
        if width - taken >= LEAST_BAR:
            break
    grid = Table.grid(padding=(0, GAP, 0, 0))
    for justify in ("right", "left", "right", "right", "right", "left"):
        grid.add_column(justify=justify, no_wrap=True)
    for bar, (name, *beside) in zip(shown, cells, strict=True):
        drawn = ProgressBar(
            total=None if bar.share is None else 1.0,
            completed=bar.share or 0.0,
            width=max(LEAST_BAR, width - taken - GAP),
            complete_style=_BARS.get(bar.state, "cyan"),
            finished_style="green",
        )
        grid.add_row(name, drawn, *beside)
    more = len(bars) - len(shown)
    return Group(grid, Text(f"  {more} more", style="dim")) if more else grid


def _cut(notes: Sequence[Text], most: int) -> list[Text]:
    if len(notes) <= most:
        return list(notes)
    shown = notes[: max(0, most - 1)]
    return [*shown, Text(f"  {len(notes) - len(shown)} more", style="dim")]


def _details(sight: Sight) -> tuple[Sequence[Cell], list[Row]]:
    runs = sight.rollup.runs
    if len(runs) > 1 or not runs[0].partitions:
        return RUNS, [run_row(status) for status in runs]
    return PARTS, sorted(_parts(runs[0]), key=lambda row: (PARTS_FIRST[row["state"]], row["number"]))


def _parts(status: RunStatus) -> list[Row]:
    return [shown_partition(row) for row in partition_rows(status)]


def _notes(sight: Sight) -> list[Text]:
    """Return who does not answer, what holds runs back and what failed in them: a line each."""
    runs = sight.rollup.runs
    notes = [f"pod {status.run.pod_id}: {_why(status)}" for status in runs if _why(status)]
    if len(runs) == 1:
        known = _why(runs[0])
        rows = [row for row in _parts(runs[0]) if row["why"] and row["why"] not in known]
        notes += [f"part {row['number']}: {row['why']}" for row in rows]
    silent = [line(Text(text, style="bold red")) for text in _silent(sight)]
    return [*silent, *(line(Text(text, style="yellow")) for text in notes)]


def _why(status: RunStatus) -> str:
    return mask(status.words.partition("\n")[0])


def _silent(sight: Sight) -> list[str]:
    return [f"pod {pod_id}: {mask(str(error))}" for pod_id, error in sorted(sight.failures.items())]


def _pods(sight: Sight) -> str:
    runs = sight.rollup.runs
    return f"pod {runs[0].run.pod_id}" if len(runs) == 1 else f"{len(runs)} pods"


def _share(share: float | None) -> str:
    return "" if share is None else percent(share)


def _amount(sight: Sight) -> str:
    rollup = sight.rollup
    of = "" if rollup.rows_total is None else f" of {rollup.rows_total:,}"
    parts = [f"{rollup.rows_done:,}{of} rows", _share(rollup.share)]
    parts += ["" if sight.rate is None or rollup.is_over else rate(sight.rate)]
    parts += ["" if sight.eta_seconds is None else f"ETA {age(sight.eta_seconds)}"]
    return ", ".join(filter(None, parts))
