"""`podctl migrations status --watch`: a plan on the screen until it is done, or a person is needed.

Promises: the terminal is left as it was, and the last that was seen stays below the command; a directory that
does not answer is waited for. In a pipe it writes a line per look, with -o json a document. Leaves to others:
looking (`podwork_migrations.plan.watching`), looks (`migration_screen`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from typing import Any, Final

from rich.console import Console
from rich.live import Live

from podwork.errors import PodworkError
from podwork_migrations.plan.states import PlanState
from podwork_migrations.plan.status import Outcome, PlanLine, Status
from podwork_ops.cli.keyboard import Keyboard
from podwork_ops.cli.migration_lag import with_lags
from podwork_ops.cli.migration_report import write
from podwork_ops.cli.migration_rows import document_of
from podwork_ops.cli.migration_screen import screen, sentence
from podwork_ops.cli.migration_waiting import waits
from podwork_ops.cli.output import span
from podwork_ops.cli.run_watch import now, on_screen
from podwork_ops.cli.session import Session
from podwork_ops.composition import Platform
from podwork_ops.errors import ExitCode
from podwork_ops.masking import mask

SHORTEST_SECONDS: Final = 0.1
Look = tuple[Status, Mapping[int, str]]
"""What is seen, and why pods do not begin."""
GOES_ON: Final = (PlanState.RUNNING, PlanState.SOAKING)


def watch_plan(session: Session, platform: Platform, number: int | None, every_seconds: float = 1.0) -> int:
    """Show a plan until it does not go on by itself, or somebody leaves; return the exit code."""
    every_seconds = max(SHORTEST_SECONDS, every_seconds)
    first = platform.migrations.status(number)
    number = first.number

    def look() -> Look:
        status = with_lags(platform, platform.migrations.status(number))
        return status, waits(platform, status)

    is_screen = on_screen() and not session.out.json
    last: Look = first, {}
    try:
        with closing((_live if is_screen else _stream)(session, look, every_seconds)) as seen:
            for last in seen:
                if is_over(last[0]):
                    break
    except KeyboardInterrupt:
        pass  # the way out of it
    if is_screen:
        write(session.out, *last)
    return _code(last[0])


def plan_of(status: Status) -> PlanLine | None:
    """Return the plan that is watched; None: there is none."""
    return next((line for line in status.plans if line.number == status.number), None)


def is_over(status: Status) -> bool:
    """Whether the plan does not go on by itself."""
    plan = plan_of(status)
    return plan is None or plan.state not in GOES_ON or status.outcome is Outcome.BLOCKED


def _live(
    session: Session,  # noqa: ARG001 - as _stream
    look: Callable[[], Look],
    every_seconds: float,
) -> Generator[Look, None, None]:
    console = Console(no_color=bool(os.environ.get("NO_COLOR")), highlight=False)
    with Keyboard() as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
        for (status, why), silence in _looks(look, every_seconds, keyboard.wait):
            title = f"{now():%H:%M:%S}  every {span(every_seconds)}  q: quit"
            live.update(screen(status, why, console.size, title, silence), refresh=True)
            yield status, why
            if "q" in keyboard.pressed:
                return


def _stream(session: Session, look: Callable[[], Look], every_seconds: float) -> Generator[Look, None, None]:
    for (status, why), silence in _looks(look, every_seconds, time.sleep):
        if silence:
            session.out.message(silence)
        elif session.out.json:
            session.out.write(json.dumps(document_of(status, why), ensure_ascii=False, default=str) + "\n")
        else:
            session.out.write(f"{sentence(status, why, now())}\n")
        yield status, why


def _looks(
    look: Callable[[], Look], every_seconds: float, pause: Callable[[float], Any]
) -> Iterator[tuple[Look, str]]:
    """Yield what is seen, and why it is what was seen before. The first look raises what it raises."""
    seen = look()
    silence = ""
    while True:
        yield seen, silence
        pause(every_seconds)
        try:
            seen, silence = look(), ""
        except PodworkError as error:
            silence = mask(str(error))


def _code(last: Status) -> int:
    """Return 1 for a plan that does not go on without a person, or was given up."""
    plan = plan_of(last)
    is_well = plan is None or plan.state in (PlanState.SUCCEEDED, PlanState.DRAFT) or not is_over(last)
    return ExitCode.OK if is_well else ExitCode.FAILED
