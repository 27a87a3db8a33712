"""`make bench`: podwork and its peers beside each other; tables for people, `build/bench.json` for machines.

Names choose what runs (default: all but `layouts`):

| name | what |
| --- | --- |
| contest | push, drain, idle, latency, waiting jobs: podwork and every peer, in turns |
| duels | single pushes and idle latency against Sidekiq and Huey, in bursts by turns |
| kills | kill -9 of every worker in mid-drain: jobs lost and doubled |
| recovery, processes, fairness, growth | podwork alone: see `alone/` |
| iteration | backfills on MariaDB beside a loop by hand, and what stops them: see `alone/iteration.py` |
| migrations | a pod with nothing pending; plan and status of 500 migrations on 200 pods |
| online_copy | a table of a million rows changed online, beside pt-online-schema-change and writers |
| moves | shops that change pods while they trade: rows/s, blocked writes, many at once; one round |
| limits | what the machine allows: redis-benchmark and bare loops |
| directory_cache | a hit of the directory's cache |
| layouts | the layouts of the queue that were compared once |

A contestant's name (`sidekiq`, `huey`, ...) limits contest and kills to it and podwork. Exit 1: a target is
missed.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Callable

from tests.benchmarks import directory_cache, layouts, report
from tests.benchmarks.alone import (
    fairness,
    growth,
    iteration,
    limits,
    migrations,
    moves,
    online_copy,
    processes,
    recovery,
)
from tests.benchmarks.harness import contest, cores, duels, kills, machine
from tests.benchmarks.harness.contest import say
from tests.benchmarks.harness.measured import Figures, Measured
from tests.benchmarks.harness.stage import Stage, stage
from tests.benchmarks.harness.trouble import Trouble
from tests.benchmarks.peers.roster import CONTESTANTS, PODWORK, PODWORK_ITSELF, Contestant
from tests.benchmarks.targets import TARGETS

ALONE: dict[str, Callable[[Stage, float], list[Figures]]] = {
    "duels": lambda place, scale: [duels.measure(place, scale)],
    "recovery": lambda place, scale: [recovery.measure(place, scale)],
    "processes": lambda place, scale: [processes.measure(place, scale)],
    "fairness": lambda place, scale: [fairness.measure(place, scale)],
    "growth": lambda place, scale: growth.measure(place.redis, scale),
    "iteration": lambda place, scale: [iteration.measure(place, scale)],
    "migrations": lambda place, scale: [migrations.measure(place, scale)],
    "online_copy": lambda place, scale: [online_copy.measure(place, scale)],
    "moves": lambda place, scale: [moves.measure(place, scale)],
    "limits": lambda place, scale: [limits.measure(place.redis, scale)],
}
DEFAULT = ("contest", "kills", *ALONE, "directory_cache")
CHOICES = (*DEFAULT, "layouts", *(contestant.name for contestant in CONTESTANTS))
ONE_ROUND = {"growth", "moves"}
"""Benchmarks that have rounds enough of their own."""


def main(arguments: list[str]) -> int:
    """Run what was chosen; return the exit code."""
    options = _parse(arguments)
    chosen = [name for name in options.names if name in (*DEFAULT, "layouts")]
    contestants = [who for who in CONTESTANTS if who.name in options.names]
    if contestants:
        chosen = chosen or ["contest", "kills"]
        contestants = [PODWORK_ITSELF, *(who for who in contestants if who is not PODWORK_ITSELF)]
    chosen, contestants = chosen or list(DEFAULT), contestants or list(CONTESTANTS)
    measured, began = Measured(), time.monotonic()
    described = machine.describe(options.rounds, options.scale)
    if described["load_at_start"] > machine.QUIET_LOAD:
        say(f"the machine is busy (load {described['load_at_start']:.1f}): times will not mean much")
    with cores.on(cores.ASIDE):
        _contest(chosen, contestants, measured, options)
        _alone(chosen, measured, options)
    if "directory_cache" in chosen:
        say("directory_cache")
        with cores.on(cores.WORKER):
            measured.add(PODWORK, directory_cache.measure())
    if "layouts" in chosen:
        layouts.main()
    say(f"done in {(time.monotonic() - began) / 60:.1f} minutes")
    verdicts = [report.judge(target, measured) for target in TARGETS if target.benchmark in chosen]
    sys.stdout.write(report.tables(measured, verdicts, [who.name for who in contestants]))
    report.save(report.document(measured, verdicts, described))
    return 0 if all(verdict.met for verdict in verdicts) else 1


def _contest(
    chosen: list[str], contestants: list[Contestant], measured: Measured, options: argparse.Namespace
) -> None:
    if "contest" in chosen:
        contest.run(contestants, measured, options.rounds, options.scale)
    if "kills" in chosen:
        kills.run(contestants, measured, options.watch, options.scale)


def _alone(chosen: list[str], measured: Measured, options: argparse.Namespace) -> None:
    names = [name for name in ALONE if name in chosen]
    if not names:
        return
    with stage() as place:
        for number in range(options.rounds):
            for name in names:
                if name in ONE_ROUND and number:
                    continue
                say(f"round {number + 1}: {name}")
                try:
                    for figures in ALONE[name](place, options.scale):
                        measured.add(PODWORK, figures)
                except Trouble as trouble:
                    measured.miss(PODWORK, f"{name}: {trouble}")
                    say(f"{name}: {trouble}")
                except Exception as error:  # half an hour's other figures are not lost for that
                    traceback.print_exc()
                    measured.miss(PODWORK, f"{name}: {error!r}")


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", choices=[*CHOICES, []], metavar="NAME", help=", ".join(CHOICES))
    parser.add_argument("--rounds", type=int, default=3, help="how often everybody plays (3)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the numbers of jobs (1)")
    parser.add_argument(
        "--watch",
        type=float,
        default=90.0,
        help="seconds without progress that end the watch after a kill",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # so that folders are removed
    raise SystemExit(main(sys.argv[1:]))
