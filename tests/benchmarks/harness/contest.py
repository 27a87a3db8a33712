"""All contestants, several rounds: in each round everybody plays once, in an order that turns.

Promises: what a round compares was measured within minutes of each other; a contestant that is not there, or
gets into trouble, is noted with its reason and the others go on. Leaves to others: the phases of a round.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from tests.benchmarks.harness import cores
from tests.benchmarks.harness.measured import Figures, Measured
from tests.benchmarks.harness.phases import Extent, play
from tests.benchmarks.harness.stage import stage
from tests.benchmarks.harness.trouble import Trouble
from tests.benchmarks.peers.roster import PODWORK, Contestant

MACHINE = "machine"


def present(contestants: Sequence[Contestant], measured: Measured) -> list[Contestant]:
    """Return those that can take part; note why the others cannot."""
    able = []
    for contestant in contestants:
        reason = contestant.missing()
        if reason is None:
            able.append(contestant)
        else:
            measured.miss(contestant.name, reason)
            say(f"{contestant.name}: missing, {reason}")
    return able


def run(contestants: Sequence[Contestant], measured: Measured, rounds: int, scale: float) -> None:
    """Measure everybody; the figures go into `measured`."""
    able = present(contestants, measured)
    with stage() as place:
        for number in range(rounds):
            first = number * len(able) // rounds
            for contestant in able[first:] + able[:first]:
                began = time.monotonic()
                with cores.on(cores.WORKER):
                    measured.add(MACHINE, {"loop_ns": cores.loop_ns()})
                figures: Figures = {}
                try:
                    play(contestant, place, _extent(contestant, scale), figures)
                except Trouble as trouble:
                    measured.miss(contestant.name, f"round {number + 1}: {trouble}")
                    say(f"{contestant.name}: {trouble}")
                measured.add(contestant.name, figures)
                say(f"round {number + 1}: {contestant.name}, {time.monotonic() - began:.0f} s")


def _extent(contestant: Contestant, scale: float) -> Extent:
    if contestant.name == PODWORK:  # half a percent of a core is to be told from none: ticks are 10 ms long
        return Extent(scale, idle_seconds=10.0, latency_jobs=500)
    return Extent(scale)


def say(line: str) -> None:
    """Tell a person how far it is."""
    sys.stderr.write(f"bench: {line}\n")
    sys.stderr.flush()
