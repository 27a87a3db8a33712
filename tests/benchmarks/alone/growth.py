"""podwork: does a claim, a pause or a hand-over cost more where more is queued?

Redis's own time, small pod against large (`pods`), in turns; medians over many turns. A claim is of 50 jobs.
It is measured twice: with the processor's caches emptied before each claim, alike for both pods, so that only
what a claim does is compared; and warm, where the small pod's keys lie in the caches and the large one's
cannot. What that is worth by itself is measured beside it, with the one command that every claim needs for a
job, whatever the layout of the queue: a look at a shop's lane. Pausing is placing and lifting a hold on one
shop with 10 jobs; handing over is closing and opening its gate, and reading the ids of its jobs. Between the
two a whole turn of the ring passes, so that the claims have met what was paused.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from podwork import keys
from podwork.holds import Holds
from podwork.inspection import Inspection
from podwork.store import Store
from tests.benchmarks.alone.pods import CLAIM, LARGE, QUEUE, SMALL, QueuedPod
from tests.benchmarks.harness.measured import Figures
from tests.benchmarks.servers import RedisUnderTest

TURNS = 400
PAUSED, JOBS_EACH = 50, 10
"""How many shops of their own are paused, and as many handed over, one after the other."""
FIRST_OWN_SHOP = 500_000
EPOCH = 1

SIZES = ("small", "large")
SWEEP_BYTES = 128 << 20
LOOK = "for _, lane in ipairs(ARGV) do redis.call('LINDEX', lane, 0) end"

Pods: TypeAlias = tuple[QueuedPod, QueuedPod]
"""The small and the large one."""


def measure(redis: RedisUnderTest, scale: float) -> list[Figures]:
    """Measure claims first, then pauses and hand-overs; each turn and each shop is a round of its own."""
    redis.clear()
    pods = (QueuedPod(redis, 0, *SMALL), QueuedPod(redis, 2, LARGE[0], max(10, int(LARGE[1] * scale))))
    turns = max(20, int(TURNS * scale))
    rounds = _looks(pods, turns) + _claims(pods, turns, "warm_claim", lambda: None)
    rounds += _claims(pods, turns, "claim", _sweep(pods[0].store))
    rounds += _pauses(pods) + _hand_overs(pods)
    redis.clear()
    return rounds


def _claims(pods: Pods, turns: int, name: str, prepare: Callable[[], object]) -> list[Figures]:
    """Claim in turns, after `prepare` each time."""
    rounds: list[Figures] = []
    for number in range(turns):
        figures: Figures = {}
        for which in (0, 1) if number % 2 else (1, 0):
            prepare()
            figures[f"{name}_{SIZES[which]}_us"] = pods[which].turn() / CLAIM
        rounds.append(figures)
    return rounds


def _looks(pods: Pods, turns: int) -> list[Figures]:
    """Look at the lanes of shops of either pod, at random, with one command each."""
    rounds: list[Figures] = []
    chance = random.Random(1)
    for _ in range(turns):
        figures: Figures = {}
        for which, pod in enumerate(pods):
            shops = chance.sample(range(1, pod.shops + 1), CLAIM)
            lanes = [keys.lane(QUEUE, str(shop)) for shop in shops]
            look = partial(pod.store.command, "EVAL", LOOK, "0", *lanes)
            figures[f"look_{SIZES[which]}_us"] = pod.metered(look)[1] / CLAIM
        rounds.append(figures)
    return rounds


def _sweep(store: Store) -> Callable[[], object]:
    """Return what empties the processor's caches: a walk over more memory than they hold."""
    store.command("SETBIT", "sweep", SWEEP_BYTES * 8 - 1, 1)
    return lambda: store.command("BITCOUNT", "sweep")


def _pauses(pods: Pods) -> list[Figures]:
    """Place a hold on each shop, let the ring turn, lift it."""
    shops = range(FIRST_OWN_SHOP, FIRST_OWN_SHOP + PAUSED)
    holds = [Holds(pod.store) for pod in pods]
    return _intervene(
        "hold",
        pods,
        shops,
        lambda which, shop: holds[which].place(shop=str(shop), reason="measured", owner="bench"),
        lambda which, shop: holds[which].lift(f"shop={shop}"),
    )


def _hand_overs(pods: Pods) -> list[Figures]:
    """Close the gate of each shop and list its jobs, let the ring turn, open it."""
    shops = range(FIRST_OWN_SHOP + PAUSED, FIRST_OWN_SHOP + 2 * PAUSED)
    inspections = [Inspection(pod.store) for pod in pods]

    def close(which: int, shop: int) -> None:
        pods[which].queues.set_gate(shop, "hold", EPOCH, 1)
        assert len(list(inspections[which].job_ids(str(shop)))) == JOBS_EACH

    return _intervene(
        "gate", pods, shops, close, lambda which, shop: pods[which].queues.set_gate(shop, "open", EPOCH, 1)
    )


def _intervene(
    name: str,
    pods: Pods,
    shops: range,
    begin: Callable[[int, int], object],
    end: Callable[[int, int], object],
) -> list[Figures]:
    """Begin and end with every shop of both pods in turn; return Redis's time for the two, shop by shop."""
    for pod in pods:
        pod.push(shop for _ in range(JOBS_EACH) for shop in shops)
    spent_us = {shop: [0.0, 0.0] for shop in shops}
    for step in (begin, end):
        for shop in shops:
            for which in (0, 1) if shop % 2 else (1, 0):
                spent_us[shop][which] += pods[which].metered(partial(step, which, shop))[1]
        for pod in pods:
            _whole_turn(pod)
    return [{f"{name}_small_us": small, f"{name}_large_us": large} for small, large in spent_us.values()]


def _whole_turn(pod: QueuedPod) -> None:
    """Claim until every lane of the ring has had its turn."""
    for _ in range((pod.shops + 2 * PAUSED) // CLAIM + 1):
        pod.turn()
