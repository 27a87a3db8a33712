"""Podwork against one peer at a time, in bursts by turns: for what a machine's drift would decide otherwise.

In the contest everybody plays minutes apart, and the speed of a virtual machine changes by a third within
minutes: enough for drains, where factors are compared, too much for figures that differ by a tenth. Here both
clients are up at once and take turns of a fraction of a second; each pair of bursts gives one ratio, and the
figure is the median of the ratios.

| duel | a burst | the ratio |
| --- | --- | --- |
| latency | 25 stamped jobs, 100 a second, idle worker; median from before push to start | theirs over ours |
| single push | 500 pushes, one by one, no worker running; their time | theirs over ours |

Promises: alike for both: the workers share one core, the clients another; who begins changes with each pair;
a first burst of each is not counted. A peer that is not there is left out, so that its figure is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from statistics import median
from typing import Final

from tests.benchmarks.harness.measured import Figures, percentile
from tests.benchmarks.harness.phases import LATENCY_RATE, PHASE_SECONDS
from tests.benchmarks.harness.pusher import Pusher
from tests.benchmarks.harness.stage import Stage
from tests.benchmarks.harness.tree import Tree, wait
from tests.benchmarks.peers.protocol import SHOPS
from tests.benchmarks.peers.roster import CONTESTANTS, PODWORK_ITSELF, Contestant

RIVALS: Final = ("sidekiq", "huey")
PAIRS: Final = 30
LATENCY_JOBS: Final = 25
PUSHES: Final = 500

Burst = Callable[[Contestant], float]


def measure(place: Stage, scale: float) -> Figures:
    """Return a ratio for each duel; above 1 podwork is the faster."""
    figures: Figures = {}
    pairs = max(5, round(PAIRS * scale))
    for rival in CONTESTANTS:
        if rival.name not in RIVALS or rival.missing() is not None:
            continue
        with ExitStack() as stack:
            both = (PODWORK_ITSELF, rival)
            pushers = {who.name: stack.enter_context(place.pusher(who)) for who in both}
            figures[f"{rival.name}_push_over_ours"] = _duel(rival, pairs, _pushes(place, pushers))
            place.clear()
            workers = {who.name: place.worker(who) for who in both}
            for worker in workers.values():
                stack.callback(worker.kill)
            for pusher in pushers.values():
                pusher.step_aside()
            figures[f"{rival.name}_latency_over_ours"] = _duel(rival, pairs, _stamps(place, pushers, workers))
    return figures


def _duel(rival: Contestant, pairs: int, burst: Burst) -> float:
    """Return the median of theirs over ours."""
    burst(PODWORK_ITSELF), burst(rival)
    ratios = []
    for number in range(pairs):
        order = (PODWORK_ITSELF, rival) if number % 2 else (rival, PODWORK_ITSELF)
        took = {who.name: burst(who) for who in order}
        ratios.append(took[rival.name] / took[PODWORK_ITSELF.name])
    return median(ratios)


def _stamps(place: Stage, pushers: dict[str, Pusher], workers: dict[str, Tree]) -> Burst:
    marks = place.marks

    def burst(who: Contestant) -> float:
        marks.clear()
        pushers[who.name].paced(LATENCY_JOBS, LATENCY_RATE)
        wait(lambda: marks.all_done(LATENCY_JOBS), workers[who.name], PHASE_SECONDS, f"stamps of {who.name}")
        return percentile(marks.waits_ms(LATENCY_JOBS), 50)

    return burst


def _pushes(place: Stage, pushers: dict[str, Pusher]) -> Burst:
    for pusher in pushers.values():
        pusher.single("noop", SHOPS)  # connections, scripts and the directory's cache

    def burst(who: Contestant) -> float:
        place.redis.clear()
        return pushers[who.name].single("noop", PUSHES).seconds

    return burst
