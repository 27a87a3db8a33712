"""What a hit in the directory's cache costs, and what stands behind it when it misses.

Run: `python -m tests.benchmarks.directory_cache`. Prints one line for people and one of JSON, and ends with 1
if a hit of the router costs more than the budget of 2 microseconds. Medians over rounds; each round asks for
shops in an order of its own, because real requests do not come in the order of the numbers.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from podwork.interfaces import Route
from podwork_pods.cache import DirectoryCache
from podwork_pods.directory import Directory
from podwork_pods.registry import open_registry
from podwork_pods.roster import Roster
from podwork_pods.routing import DirectoryRouter, PodFence

BUDGET_HIT_MICROSECONDS = 2.0
SHOPS = 100_000
ROUNDS = 15
MISSES = 2_000


def main() -> int:
    """Measure, print and judge."""
    measured = measure()
    hit = measured["hit_us"]
    kept = hit <= BUDGET_HIT_MICROSECONDS
    sys.stdout.write(
        f"directory cache: hit {hit:.3f} us (budget {BUDGET_HIT_MICROSECONDS:g}), "
        f"admit {measured['admit_us']:.3f} us, hit of the old generation {measured['old_hit_us']:.3f} us, "
        f"miss (SQLite) {measured['miss_us']:.0f} us, {SHOPS} shops, median of {ROUNDS} rounds: "
        f"{'kept' if kept else 'EXCEEDED'}\n"
    )
    sys.stdout.write(json.dumps({"benchmark": "directory_cache", "kept": kept, **measured}) + "\n")
    return 0 if kept else 1


def measure() -> dict[str, float]:
    """Return the medians, in microseconds."""
    with tempfile.TemporaryDirectory() as folder:
        return _measure(Path(folder))


def _measure(folder: Path) -> dict[str, float]:
    directory = Directory(f"sqlite:///{folder}/directory.db")
    directory.create_schema()
    directory.add_extent(1, 10_000_000, 1)
    cache = DirectoryCache(directory, capacity=2 * SHOPS)
    router = DirectoryRouter(cache, Roster(open_registry(f"sqlite:///{folder}/registry.db")))
    fence = PodFence(1, cache)
    numbers = list(range(1, SHOPS + 1))
    for shop_id in numbers:
        cache.learn(shop_id, Route(1, 1))
    route, admit = router.route, fence.admit
    hit = _median(numbers, lambda asked: _each(route, asked))
    admitted = _median(numbers, lambda asked: _each(lambda shop_id: admit(shop_id, 1), asked))
    old: list[float] = []
    for _ in range(3):
        cache.after_fork()  # everything becomes the old generation
        old.append(_median(numbers, lambda asked: _each(route, asked), rounds=1))
    fresh = list(range(SHOPS + 1, SHOPS + 1 + MISSES))
    miss = _median(fresh, lambda asked: _each(route, asked), rounds=1)
    directory.close()
    return {
        "hit_us": round(hit, 4),
        "admit_us": round(admitted, 4),
        "old_hit_us": round(statistics.median(old), 4),
        "miss_us": round(miss, 1),
    }


def _median(numbers: list[int], ask: Callable[[list[int]], None], rounds: int = ROUNDS) -> float:
    """Return the median over rounds of microseconds per question."""
    taken = []
    for _ in range(rounds):
        asked = random.sample(numbers, len(numbers))
        began = time.perf_counter()
        ask(asked)
        taken.append((time.perf_counter() - began) / len(asked) * 1e6)
    return statistics.median(taken)


def _each(ask: Callable[[int], object], numbers: list[int]) -> None:
    for shop_id in numbers:
        ask(shop_id)


if __name__ == "__main__":
    sys.exit(main())
