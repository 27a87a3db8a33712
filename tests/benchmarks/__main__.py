"""`make bench`: run every benchmark, print tables, write `build/bench.json`.

Arguments name the benchmarks to run: directory_cache, engine, layouts. Peers beside us come with the
engine's own issue; what is here decided the layout of the queue and checks the stated limits.
"""

from __future__ import annotations

import sys

from tests.benchmarks import directory_cache, engine, layouts
from tests.benchmarks.report import Figures, Target, save, write

ROUNDS = 3


def main(chosen: list[str]) -> int:
    """Run the chosen benchmarks; exit 1 when a stated target is missed."""
    figures: dict[str, Figures] = {}
    targets: list[Target] = []
    if not chosen or "directory_cache" in chosen:
        figures["directory_cache"] = measured = directory_cache.measure()
        ratio = directory_cache.BUDGET_HIT_MICROSECONDS / measured["hit_us"]
        targets.append(
            Target("directory cache: a hit costs at most 2 us", ratio, 1.0, directory_cache.ROUNDS)
        )
    if not chosen or "engine" in chosen:
        figures["engine"] = engine.measure(ROUNDS)
    if "layouts" in chosen:
        layouts.main()
    for name, measured in figures.items():
        sys.stdout.write(f"\n{name}\n")
        write(measured)
    save(figures, targets)
    return 0 if all(target.met for target in targets) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
