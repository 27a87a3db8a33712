"""`podctl runs get --watch`: a run on the screen until it has ended.

Promises: the terminal is left as it was, and the last that was seen stays below the command; a pod that does
not answer is named and waited for. In a pipe it writes a line per look, with -o json a document. Leaves to
others: looking (`run_sample`), looks (`run_screen`).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from podwork.iteration.states import RunState
from podwork_ops.cli.keyboard import Keyboard
from podwork_ops.cli.output import moment, span
from podwork_ops.cli.run_places import find
from podwork_ops.cli.run_report import document_of, write
from podwork_ops.cli.run_sample import Sight, Sights
from podwork_ops.cli.run_screen import screen, sentence
from podwork_ops.cli.session import Session
from podwork_ops.composition import Platform
from podwork_ops.errors import ExitCode

SHORTEST_SECONDS = 0.1
watch_option = click.option("--watch", is_flag=True, help="Show it until it has ended.")


def watch_run(
    session: Session, platform: Platform, text: str, pod_id: int | None, every_seconds: float
) -> int:
    """Show the run until it has ended, or somebody leaves; return the exit code."""
    every_seconds = max(SHORTEST_SECONDS, every_seconds)
    found = find(platform, text, pod_id)
    name, first = found.name, found.rollup.runs[0].run
    if name == first.id:
        pod_id = first.pod_id  # a run alone: no other pod is waited for
    sights = Sights(lambda: find(platform, name, pod_id), time.monotonic)
    is_screen = on_screen() and not session.out.json
    last: Sight | None = None
    try:
        with closing((_live if is_screen else _stream)(session, sights, every_seconds)) as seen:
            for last in seen:
                if last.is_over:
                    break
    except KeyboardInterrupt:
        pass  # the way out of it
    if last is not None and is_screen:
        write(session.out, last.rollup)
    return _code(last)


def _live(session: Session, sights: Sights, every_seconds: float) -> Generator[Sight, None, None]:  # noqa: ARG001 - as _stream
    console = Console(no_color=bool(os.environ.get("NO_COLOR")), highlight=False)
    with Keyboard() as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
        for sight in _sights(sights, every_seconds, keyboard.wait):
            title = f"{now():%H:%M:%S}  every {span(every_seconds)}  q: quit"
            live.update(screen(sight, console.size, title), refresh=True)
            yield sight
            if "q" in keyboard.pressed:
                return


def _stream(session: Session, sights: Sights, every_seconds: float) -> Generator[Sight, None, None]:
    for sight in _sights(sights, every_seconds, time.sleep):
        if session.out.json:
            document = {"at": moment(time.time()), **document_of(sight.rollup)}
            session.out.write(json.dumps(document, ensure_ascii=False, default=str) + "\n")
        else:
            session.out.write(f"{sentence(sight, now())}\n")
        yield sight


def _sights(sights: Sights, every_seconds: float, pause: Callable[[float], Any]) -> Iterator[Sight]:
    while True:
        yield sights.next()
        pause(every_seconds)


def _code(last: Sight | None) -> int:
    """Return 1 for a run that has ended badly."""
    if last is None or not last.is_over or set(last.rollup.states) == {RunState.SUCCEEDED}:
        return ExitCode.OK
    return ExitCode.FAILED


def on_screen() -> bool:
    """Whether there is a terminal to draw on."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def now() -> datetime:
    """Return the time, in the zone of whoever looks."""
    return datetime.now(UTC).astimezone()
