"""What the demo says while it runs: a bar per step on a terminal, plain lines anywhere else.

Owns: `Steps`. Promises: it writes to the one stream it was given, so that standard output stays clean
for JSON; without a terminal no line rewrites another: one at a step's end, and one in ten seconds before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

PLAIN_INTERVAL_SECONDS = 10.0
BESIDE_THE_BAR = 66
"""How wide a line is without its bar, at most: 1,469,000 of 1,469,307 at its end."""


class Step(Protocol):
    """One step in progress."""

    def reach(self, done: int) -> None:
        """Say how far the step is."""
        ...

    def beside(self, name: str, total: int) -> Beside:
        """Show something that goes on beside the step, from now to the step's end."""
        ...


class Beside(Protocol):
    """Something that goes on beside a step."""

    def reach(self, done: int, words: str) -> None:
        """Say how far it is, in words (22 characters have room beside a bar) and as a number."""
        ...


class Parts(Protocol):
    """One step in progress that has parts, which go on side by side."""

    def reach(self, part: str, done: int) -> None:
        """Say how far a part is."""
        ...


class Steps:
    """The steps of one demo, on one stream."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._has_bars = self._console.is_terminal and not self._console.is_dumb_terminal
        self.seconds: dict[str, float] = {}
        """How long each step took."""

    @contextmanager
    def step(self, name: str, total: int = 0, unit: str = "") -> Iterator[Step]:
        """Run one step; `total` 0: how far it is cannot be told."""
        started = time.monotonic()
        with (self._bar if self._has_bars else self._lines)(name, total, unit) as step:
            yield step
        self.seconds[name] = time.monotonic() - started

    @contextmanager
    def parts(self, name: str, totals: Mapping[str, int], unit: str = "lines") -> Iterator[Parts]:
        """Run one step in parts; on a terminal each of them has a bar of its own below the step's."""
        started = time.monotonic()
        if self._has_bars:
            with self._progress() as progress:
                bars = _Bars(progress, name, totals, unit)
                yield bars
                bars.end()
        else:
            with self._lines(name, sum(totals.values()), unit) as step:
                yield _Sum(step)
        self.seconds[name] = time.monotonic() - started

    def say(self, line: str) -> None:
        """Write a line; on a terminal above the bar of the step."""
        self._console.print(line, markup=False)

    @contextmanager
    def _lines(self, name: str, total: int, unit: str) -> Iterator[Step]:
        step = _Lines(self, name, total, unit)
        yield step
        step.end()

    @contextmanager
    def _bar(self, name: str, total: int, unit: str) -> Iterator[Step]:
        with self._progress() as progress:
            step = _Bar(progress, name, total, unit)
            yield step
            step.end()

    def _progress(self) -> Progress:
        return Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description:<29}"),
            BarColumn(bar_width=max(10, min(30, self._console.width - BESIDE_THE_BAR))),
            _Seconds(),
            _Amount(),
            console=self._console,
        )


class _Lines:
    """A step as lines."""

    def __init__(self, steps: Steps, name: str, total: int, unit: str) -> None:
        self._steps = steps
        self._name = name
        self._total = total
        self._unit = unit
        self._begun = self._said = time.monotonic()

    def reach(self, done: int) -> None:
        """Say it, unless something was said a moment ago."""
        if time.monotonic() - self._said >= PLAIN_INTERVAL_SECONDS:
            self._said = time.monotonic()
            self._steps.say(f"{self._name}: {done:,} of {self._total:,} {self._unit}")

    def beside(self, name: str, _total: int) -> _LineBeside:
        """Say it as the step is said: a line now and then."""
        return _LineBeside(self._steps, name)

    def end(self) -> None:
        amount = f"{_amount(self._total, self._unit)}, " if self._total else ""
        self._steps.say(f"{self._name}: {amount}{time.monotonic() - self._begun:.1f} s")


class _LineBeside:
    """Something beside a step, as lines."""

    def __init__(self, steps: Steps, name: str) -> None:
        self._steps = steps
        self._name = name
        self._said = time.monotonic()

    def reach(self, _done: int, words: str) -> None:
        """Say it, unless something was said a moment ago."""
        if time.monotonic() - self._said >= PLAIN_INTERVAL_SECONDS:
            self._said = time.monotonic()
            self._steps.say(f"  {self._name}: {words}")


class _Bar:
    """A step as a bar."""

    def __init__(self, progress: Progress, name: str, total: int, unit: str) -> None:
        self._progress = progress
        self._total = total
        self._task = progress.add_task(name, total=total or None, unit=unit)

    def reach(self, done: int) -> None:
        """Draw it."""
        self._progress.update(self._task, completed=done)

    def beside(self, name: str, total: int) -> _BarBeside:
        """Draw it as a bar below the step's."""
        return _BarBeside(self._progress, name, total)

    def end(self) -> None:
        """Fill it."""
        total = self._total or 1
        self._progress.update(self._task, total=total, completed=total)


class _BarBeside:
    """Something beside a step, as a bar with words."""

    def __init__(self, progress: Progress, name: str, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(f"  {name}", total=total, unit="", words="")

    def reach(self, done: int, words: str) -> None:
        """Draw it."""
        self._progress.update(self._task, completed=done, words=words)


class _Bars:
    """A step as a bar, with a bar for each of its parts below."""

    def __init__(self, progress: Progress, name: str, totals: Mapping[str, int], unit: str) -> None:
        self._whole = _Bar(progress, name, sum(totals.values()), unit)
        self._parts = {part: _Bar(progress, f"  {part}", total, unit) for part, total in totals.items()}
        self._done = dict.fromkeys(totals, 0)

    def reach(self, part: str, done: int) -> None:
        """Draw it."""
        self._done[part] = done
        self._parts[part].reach(done)
        self._whole.reach(sum(self._done.values()))

    def end(self) -> None:
        """Fill them."""
        for bar in (*self._parts.values(), self._whole):
            bar.end()


class _Sum:
    """A step in parts, as one without."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._done: dict[str, int] = {}

    def reach(self, part: str, done: int) -> None:
        """Add it up."""
        self._done[part] = done
        self._step.reach(sum(self._done.values()))


class _Seconds(ProgressColumn):
    """How long the step has taken."""

    def render(self, task: Task) -> Text:
        """Draw the column."""
        seconds = task.finished_time if task.finished_time is not None else task.elapsed
        return Text(f"{seconds or 0:6.1f} s", style="cyan")


class _Amount(ProgressColumn):
    """How far the step is."""

    def render(self, task: Task) -> Text:
        """Draw the column."""
        if "words" in task.fields:
            return Text(task.fields["words"], style="green", no_wrap=True)
        unit = task.fields["unit"]
        if not unit:
            return Text()
        total = int(task.total or 0)
        text = _amount(total, unit) if task.finished else f"{task.completed:,.0f} of {total:,}"
        return Text(text, style="green", no_wrap=True)


def _amount(number: int, unit: str) -> str:
    return f"{number:,} {unit.removesuffix('s') if number == 1 else unit}"
