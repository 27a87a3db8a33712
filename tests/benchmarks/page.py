"""Writes the figures of the last run into `ops/docs/performance.md`, between its two marks.

So that no figure there was copied by hand: `python -m tests.benchmarks.page` after `make bench`.
"""

from __future__ import annotations

import sys
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.harness.contest import MACHINE
from tests.benchmarks.harness.measured import Measured
from tests.benchmarks.peers.roster import CONTESTANTS, REPOSITORY

PAGE = REPOSITORY / "ops" / "docs" / "performance.md"
TITLES = {*report.CONTEST_TABLES, report.OWN_TITLE, report.LIMITS_TITLE, report.TARGETS_TITLE}
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"


def main() -> int:
    """Fill the page from the file of the last run."""
    measured, verdicts, machine = report.load()
    tables = report.tables(measured, verdicts, [contestant.name for contestant in CONTESTANTS])
    PAGE.write_text(filled(PAGE.read_text(), f"{conditions(measured, machine)}\n{tables}"))
    sys.stdout.write(f"{PAGE}\n")
    return 0


def filled(page: str, figures: str) -> str:
    """Return the page with the figures between its marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    headed = "\n".join(f"### {line}" if line in TITLES else line for line in figures.splitlines())
    return f"{before}{BEGIN}\n{headed}\n\n{END}{after}"


def conditions(measured: Measured, machine: dict[str, Any]) -> str:
    """Return the sentence that says on what and how it was measured."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    built = "" if machine["python_optimized"] else ", built without --enable-optimizations"
    loops = sorted(measured.values.get(MACHINE, {}).get("loop_ns", []))
    speed = (
        f" A turn of a fixed loop took {loops[len(loops) // 2]:.0f} ns ({loops[0]:.0f} to {loops[-1]:.0f}):"
        " so much the machine's speed drifted during the run."
        if loops
        else ""
    )
    return (
        f"Measured at {machine['measured_at']}: {machine['processor']}, {machine['cores']['count']} cores, "
        f"{machine['system']}; {machine['python']}{built}; {versions}; {machine['rounds']} rounds, "
        f"numbers of jobs times {machine['scale']:g}, "
        f"load {machine['load_at_start']:.1f} at the start.{speed}\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
