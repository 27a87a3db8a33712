"""`podctl top`: what the pods do now, once a second, the worst first.

Promises: the terminal is left as it was, however the command ends; a pod that does not answer is named and
hides none of the others. In a pipe it writes a line per pod instead, with -o json a document per look.
Leaves to others: asking (`top_sample`), sense and order (`top_frame`), looks (`top_screen`).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from podwork_ops.cli.commands import Command
from podwork_ops.cli.keyboard import Keyboard
from podwork_ops.cli.output import moment, plural, span
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.tables import render
from podwork_ops.cli.top_frame import Frame, frame_of
from podwork_ops.cli.top_sample import Watch
from podwork_ops.cli.top_screen import lines, screen, tables
from podwork_ops.cli.values import Duration
from podwork_ops.errors import ExitCode

SHORTEST_SECONDS = 0.1
READY_SECONDS = 6.0
"""A little more than a pod that does not answer is waited for before the first frame."""


@click.command(
    cls=Command,
    examples=["podctl top", "podctl top --pod 7 --every 5s", "podctl top --once -o json | jq .pods"],
)
@pod_option(help="Only this pod.")
@click.option(
    "--every", "every_seconds", type=Duration(), default=1.0, help="How often to look (default: 1s)."
)
@click.option("--once", is_flag=True, help="Print one frame and end; rates are over --every.")
@session
def top(session: Session, pod_id: int | None, every_seconds: float, once: bool) -> int:
    """Show what pods, queues and processes do now, the worst first.

    q or Ctrl-C ends it. In a pipe: a line per pod and look. With -o json: a document per look.
    """
    with session.platform() as platform:
        pods = platform.chosen(pod_id)
        if not pods:
            session.out.message("no pods - add one: podctl pods add --help")
            return ExitCode.OK
        every_seconds = max(SHORTEST_SECONDS, every_seconds)
        with closing(Watch(platform, pods, every_seconds)) as watch:
            try:
                is_screen = _is_screen() and not once and not session.out.json
                watch.wait_for(1 if is_screen else 2, READY_SECONDS + every_seconds)
                if once:
                    return _once(session, watch)
                if is_screen:
                    _live(watch, len(pods), every_seconds)
                else:
                    _stream(session, watch, every_seconds)
            except KeyboardInterrupt:
                pass  # the way out of it
    return ExitCode.OK


def _is_screen() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _once(session: Session, watch: Watch) -> int:
    glances = watch.glances()
    frame = frame_of(glances)
    if session.out.json:
        session.out.document(_document(frame))
    else:
        parts = [render(part, sys.stdout) for part in tables(frame)]
        session.out.write("\n".join(parts))
    session.blame({pod_id: glance.error for pod_id, glance in glances.items() if glance.error is not None})
    return ExitCode.OK


def _stream(session: Session, watch: Watch, every_seconds: float) -> None:
    """Write what is seen until the reader goes away or somebody interrupts."""
    for frame in _frames(watch, every_seconds, time.sleep):
        if session.out.json:
            session.out.write(json.dumps(_document(frame), ensure_ascii=False) + "\n")
        else:
            session.out.write("".join(f"{line}\n" for line in lines(frame, _now())))


def _live(watch: Watch, pods: int, every_seconds: float) -> None:
    console = Console(no_color=bool(os.environ.get("NO_COLOR")), highlight=False)
    with Keyboard() as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
        for frame in _frames(watch, every_seconds, keyboard.wait):
            if "q" in keyboard.pressed:
                return
            title = f"{plural(pods, 'pod')}  {_now():%H:%M:%S}  every {span(every_seconds)}  q: quit"
            live.update(screen(frame, console.size, title), refresh=True)


def _frames(watch: Watch, every_seconds: float, pause: Callable[[float], Any]) -> Iterator[Frame]:
    while True:
        yield frame_of(watch.glances())
        pause(every_seconds)


def _document(frame: Frame) -> dict[str, Any]:
    return {"at": moment(time.time()), **frame._asdict()}


def _now() -> datetime:
    return datetime.now(UTC).astimezone()
