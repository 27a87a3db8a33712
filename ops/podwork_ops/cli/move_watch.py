"""`podctl moves get --watch`: a move on the screen until it waits for somebody, or is over.

Promises: the terminal is left as it was, and the last that was seen stays below the command; a directory or
a shard that does not answer is waited for. In a pipe it writes a line for each change, with -o json a
document. Leaves to others: the move's words (`move_rows`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from podwork.errors import PodworkError
from podwork_ops.cli.keyboard import Keyboard
from podwork_ops.cli.move_rows import GET_COLUMNS, Row, details_of
from podwork_ops.cli.output import age, span
from podwork_ops.cli.run_watch import SHORTEST_SECONDS, now, on_screen
from podwork_ops.cli.session import Session
from podwork_ops.errors import ExitCode
from podwork_ops.masking import mask
from podwork_pods.mover.states import CUTTING, HELD_IN, MoveState

if TYPE_CHECKING:
    from podwork_ops.move_access import MoveAccess

_THERE: Final = (
    MoveState.PLANNED,
    MoveState.PREFLIGHT,
    MoveState.COPYING,
    MoveState.CATCHUP,
    MoveState.VERIFYING,
    MoveState.READY,
    MoveState.PAUSING_JOBS,
    MoveState.FENCED,
    MoveState.DRAINED,
    MoveState.JOBS_COPIED,
    MoveState.SWITCHED,
    MoveState.OPEN,
    MoveState.REVERSIBLE,
)
_BACK: Final = (MoveState.REVERSING, *_THERE[6:12], MoveState.PURGING, MoveState.REVERSED)
_BAD: Final = frozenset({MoveState.ABORTED, MoveState.ABORTING})
_BAR: Final = 30


def watch_move(session: Session, access: MoveAccess, move_id: int, every_seconds: float) -> int:
    """Show the move until somebody has to act, or somebody leaves; return the exit code."""
    every_seconds = max(SHORTEST_SECONDS, every_seconds)
    is_screen = on_screen() and not session.out.json
    looks = _looks(access, move_id)
    shown = _live(looks, every_seconds) if is_screen else _stream(session, looks, every_seconds)
    last: Row | None = None
    try:
        for row in shown:
            last = row
    except KeyboardInterrupt:
        pass  # the way out of it
    if last is not None and is_screen:
        session.out.record(last, GET_COLUMNS)
    is_bad = last is not None and last["state"] in _BAD and not last["has_rehearsed"]
    return ExitCode.FAILED if is_bad else ExitCode.OK


def _live(looks: Iterator[Row], every_seconds: float) -> Iterator[Row]:
    console = Console(no_color=bool(os.environ.get("NO_COLOR")), highlight=False)
    with Keyboard() as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
        for row in looks:
            title = f"{now():%H:%M:%S}  every {span(every_seconds)}  q: quit"
            live.update(picture(row, title), refresh=True)
            yield row
            if _needs_nobody(row):
                keyboard.wait(every_seconds)
            if not _needs_nobody(row) or "q" in keyboard.pressed:
                return


def _stream(session: Session, looks: Iterator[Row], every_seconds: float) -> Iterator[Row]:
    said = ""
    for row in looks:
        line = sentence(row)
        if session.out.json:
            session.out.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
        elif line != said:
            session.out.write(f"{now():%H:%M:%S}  {line}\n")
        said = line
        yield row
        if not _needs_nobody(row):
            return
        time.sleep(every_seconds)


def _looks(access: MoveAccess, move_id: int) -> Iterator[Row]:
    """Look again and again; raises what the first look raises, later ones are shown."""
    row: Row | None = None
    while True:
        try:
            move = access.store.get(move_id)
            row = {**details_of(move), **access.copied(move), "silent": ""}
        except PodworkError as error:
            if row is None:
                raise
            row = {**row, "silent": mask(str(error))}
        yield row


def _needs_nobody(row: Mapping[str, Any]) -> bool:
    """Whether it goes on by itself."""
    state = MoveState(row["state"])
    is_held = row["held"] and state in HELD_IN
    return not (row["is_over"] or is_held or (state is MoveState.REVERSIBLE and row["grace_seconds"] is None))


def sentence(row: Mapping[str, Any]) -> str:
    """Return a move in one line."""
    parts = [f"move {row['move_id']}: shop {row['shop_id']}, pod {row['from_pod']} -> {row['to_pod']}"]
    parts += [row["state"]]
    if row["state"] == MoveState.COPYING and row["rows_in_words"]:
        parts.append(f"{row['rows_in_words']} rows")
    for name, words in (("held_reason", "held"), ("waits_for", "waits for"), ("silent", "no answer")):
        if row.get(name):
            parts.append(f"{words}: {row[name]}")
    if row["is_over"] and row["reason"]:
        parts.append(row["reason"])
    return "; ".join(parts)


def picture(row: Mapping[str, Any], title: str) -> RenderableType:
    """Return a move as it looks on a screen: where it goes, how far it is, what it waits for."""
    head = Text.assemble(
        (f"move {row['move_id']}", "bold"),
        f"  shop {row['shop_id']}  pod {row['from_pod']} -> pod {row['to_pod']}",
        f"  epoch {row['epoch']}   ",
        (title, "dim"),
    )
    parts: list[RenderableType] = [head, Text(), _steps(row)]
    if row.get("rows_total") and row.get("rows_copied") is not None:
        parts += [Text(), _bar(row)]
    parts += [Text(), _facts(row)]
    return Group(*parts)


def _steps(row: Mapping[str, Any]) -> Text:
    """Return the way with the present step marked."""
    state = MoveState(row["state"])
    way = list(_THERE if row["leg"] == 1 else _BACK)
    if state not in way:
        return Text(state.value, style="red" if state in _BAD else "yellow")
    here = way.index(state)
    text = Text(overflow="fold")
    for position, step in enumerate(way):
        style = "dim green" if position < here else "dim"
        if position == here:
            style = "bold yellow" if step in CUTTING else "bold green"
        text.append(f"{step.value.replace('_', ' ')}", style=style)
        text.append("" if step is way[-1] else "  >  ", style="dim")
    return text


def _bar(row: Mapping[str, Any]) -> RenderableType:
    total, copied = int(row["rows_total"]), int(row["rows_copied"])
    grid = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=max(total, 1), completed=min(copied, total), width=_BAR)
    grid.add_row("rows", bar, f"{min(1.0, copied / max(total, 1)):.0%}", row["rows_in_words"])
    return grid


def _facts(row: Mapping[str, Any]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    beat = row["heartbeat_age_seconds"]
    lines = (
        ("in this state for", age(row["in_state_seconds"])),
        (
            "mover",
            f"{row['mover']}{'' if beat is None else f', heard of {age(beat)} ago'}" if row["mover"] else "",
        ),
        ("held", row["held_reason"]),
        ("waits for", row["waits_for"]),
        ("cut-overs that gave way", str(row["tries"]) if row["tries"] else ""),
        ("no answer", row.get("silent", "")),
        ("why", row["reason"]),
        ("next", row["next_action"]),
    )
    for name, value in lines:
        if value:
            grid.add_row(Text(name, style="dim"), Text(value, overflow="fold"))
    return grid
