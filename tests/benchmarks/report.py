"""How a benchmark says what it found: a table for people, JSON for machines.

Owns the form of `build/bench.json`: `figures` (medians by name) and `targets`, a list of
`name, ratio, target, met, rounds`; a ratio of at least `target` is met.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

Figures: TypeAlias = dict[str, float]
FILE = Path("build/bench.json")


class Target(NamedTuple):
    """A stated target: `ratio` says how many times better than asked the median is."""

    name: str
    ratio: float
    target: float
    rounds: int

    @property
    def met(self) -> bool:
        """Whether the ratio reaches the target."""
        return self.ratio >= self.target


def write(figures: Figures, out: Any = None) -> None:
    """Print figures as a table."""
    stream = out or sys.stdout
    width = max(len(name) for name in figures)
    for name, value in figures.items():
        stream.write(f"{name:<{width}}  {value:12,.2f}\n")
    stream.flush()


def save(figures: dict[str, Figures], targets: list[Target]) -> None:
    """Write `build/bench.json` and print the targets."""
    FILE.parent.mkdir(exist_ok=True)
    rows = [target._asdict() | {"met": target.met} for target in targets]
    FILE.write_text(json.dumps({"figures": figures, "targets": rows}, indent=2) + "\n")
    for target in targets:
        verdict = "met" if target.met else "MISSED"
        asked = f"at least {target.target:g}, {target.rounds} rounds"
        sys.stdout.write(f"{verdict:<7} {target.name}: {target.ratio:.2f} ({asked})\n")
