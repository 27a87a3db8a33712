"""Shops wander between pods while they trade, disturbed in every way: their histories stay those of one shop.

Real workers of both pods run the shops' jobs and are the movers. `make test` has 50 moves and ways back, the
long run 1000, while workers die, or as many as `PODWORK_MOVES` says.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podwork.errors import PodworkError
from podwork_pods.mover import service
from podwork_pods.mover.move import Move
from podwork_pods.mover.states import MoveState
from tests.support import trading_shop
from tests.support.move_fleet import SHOP, A, B, MoveFleet, move_fleet
from tests.support.move_history import Attempt, History, Order, ShopEnd
from tests.support.processes import Processes
from tests.support.servers import PrivateServers, fresh_redis
from tests.support.wait import until

MANY_SHOPS = (SHOP, 11, 12, 13, 14)
LOOK_SECONDS = 0.1
KILL_SECONDS = 12.0
MOVES = 50
SMALL_ROWS = 250
MANY_MOVES = int(os.environ.get("PODWORK_MOVES", "1000"))

# The checker finds what it is there for.


def history(*attempts: Attempt) -> History:
    """Return a history of these attempts."""
    made = History()
    for attempt in attempts:
        made.send(attempt)
    return made


def attempt(number: int, **given: Any) -> Attempt:
    """Return an acknowledged attempt, one after the other, under epoch 1."""
    made = Attempt(10 + number, SHOP, 1, number, number - 1, f"job-{number}", number, number + 0.5, True)
    return replace(made, **given)


def order(number: int, **given: Any) -> Order:
    """Return its row, after all three of them."""
    note = str(11 + number) if number < 3 else str(10 + number)
    return Order(number, 10 + number, 1, note)._replace(**given)


SENT = (attempt(1), attempt(2), attempt(3))
ORDERS = [order(1), order(2), order(3)]
LINES = {2: "13", 3: "13"}  # attempt 12 has left order 1 without a line
RUNS = {"job-1": 1, "job-2": 1, "job-3": 1}
END = ShopEnd(1, 3, 3, ORDERS, LINES, RUNS)


def test_a_history_of_one_shop_has_no_faults() -> None:
    assert history(*SENT).faults(SHOP, END, once=True) == []
    unsure = attempt(4, is_acknowledged=False, ended_at=float("inf"))
    assert history(*SENT, unsure).faults(SHOP, END, once=True) == [], "it may be there, or not"


@pytest.mark.parametrize(
    ("sent", "end", "said"),
    [
        (SENT, END._replace(orders=ORDERS[:2]), "lost [3]"),
        (SENT, END._replace(orders=[*ORDERS[:2], order(2, attempt=13)]), "twice [2]"),
        (SENT, END._replace(orders=[order(1, epoch=2), *ORDERS[1:]]), "epochs go back"),
        (SENT, END._replace(epoch=0), "the shop is at 0"),
        (SENT[:2], END, "was never sent"),
        ((*SENT, attempt(4)), END, "acknowledged, and 0 times there"),
        ((*SENT[:2], attempt(3, sent_at=1.0), attempt(2, id=99, sent_at=9.0)), END, "was sent after"),
        (SENT, END._replace(orders=[order(1, note="11"), *ORDERS[1:]]), "has a note by another"),
        (SENT, END._replace(lines={**LINES, 1: "11"}), "lines differ"),
        (SENT, END._replace(runs={"job-1": 1, "job-2": 1}, shipped=2), "never ran"),
        (SENT, END._replace(runs={**RUNS, "job-9": 1}, shipped=4), "nobody was told of"),
        (SENT, END._replace(shipped=4), "4 shipped by 3 jobs"),
        (SENT, END._replace(runs={**RUNS, "job-1": 2}), "more than once"),
    ],
)
def test_a_history_of_two_shops_has(sent: tuple[Attempt, ...], end: ShopEnd, said: str) -> None:
    faults = history(*sent).faults(SHOP, end, once=True)
    assert any(said in fault for fault in faults), faults


# Shops wander.


@pytest.fixture
def wandering(
    tmp_path: Path,
    processes: Processes,
    private_servers: PrivateServers,
    mariadb_url: str,
) -> Iterator[MoveFleet]:
    servers = {A: private_servers.redis(), B: private_servers.valkey()}
    redis = {pod: fresh_redis(private_servers, server) for pod, server in servers.items()}
    # They grow: the first moves go the short way, later ones are followed.
    with move_fleet(tmp_path, processes, mariadb_url, redis, MANY_SHOPS, small_rows=SMALL_ROWS) as made:
        service.declare(trading_shop.app, "critical")
        made.start_workers(movers=True)
        yield made


class Wandering:
    """Keeps every shop on its way, as chance will have it: there, back, given up, held, completed."""

    def __init__(self, fleet: MoveFleet, seed: int) -> None:
        self.fleet = fleet
        self.legs: dict[int, int] = {}
        self.latest: dict[int, Move] = {}
        self._chosen = random.Random(seed)

    def go_on(self, *, begins: bool = True) -> bool:
        """Look at each shop; return whether none is under way."""
        resting = True
        for shop_id in self.fleet.shops:
            move = self.latest.get(shop_id)
            if move is not None:
                move = self.latest[shop_id] = self.fleet.moves.get(move.id)
                if not move.state.is_over:
                    resting = False
                    self._order(move)
                    continue
                self._count(move)
            if begins:
                planned = self.fleet.plan(shop_id, held=self._chosen.random() < 0.1)
                service.push(trading_shop.app, planned, planned.away_pod)
                self.latest[shop_id] = planned
        time.sleep(LOOK_SECONDS)
        return resting

    def _count(self, move: Move) -> None:
        self.legs[move.id] = 2 if move.state is MoveState.REVERSED else 1

    def _order(self, move: Move) -> None:
        """Say something about a move; what its state does not allow is left."""
        orders, chance = self.fleet.orders, self._chosen.random()
        with suppress(PodworkError):
            if move.state is MoveState.REVERSIBLE and chance < 0.5:
                order = orders.reverse if chance < 0.25 else orders.complete
                order(move.id, "anna", "chance")
            elif move.held:
                orders.release(move.id, "anna", "chance")
            elif chance < 0.01:
                orders.abort(move.id, "anna", "chance")
            elif chance < 0.02:
                orders.hold(move.id, "anna", "chance")


def wander(fleet: MoveFleet, legs: int, seed: int, disturb: Callable[[], None], *, once: bool) -> None:
    """Let shops wander until so many legs are over; then look at every shop."""
    wandering = Wandering(fleet, seed)

    def told() -> str:
        return "\n".join(fleet.told(move) for move in wandering.latest.values())

    def is_enough() -> bool:
        disturb()
        wandering.go_on()
        return sum(wandering.legs.values()) >= legs

    with fleet.trading(seed):
        until(is_enough, 60 + 20.0 * legs, f"{legs} legs")
        try:
            until(lambda: wandering.go_on(begins=False), 120)
        except AssertionError:
            raise AssertionError(f"moves do not end by themselves, seed {seed}: {told()}") from None
    for move in wandering.latest.values():
        fleet.check(move, once=once)


@pytest.mark.timeout(400)
def test_shops_wander_between_pods(wandering: MoveFleet) -> None:
    wander(wandering, MOVES, random.randrange(1 << 30), lambda: None, once=True)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_shops_wander_while_workers_die(wandering: MoveFleet) -> None:
    seed = random.randrange(1 << 30)
    chosen = random.Random(f"kills of {seed}")
    next_kill = [time.monotonic() + KILL_SECONDS]

    def disturb() -> None:
        if time.monotonic() >= next_kill[0]:
            next_kill[0] = time.monotonic() + KILL_SECONDS * chosen.uniform(0.5, 1.5)
            wandering.start_worker(chosen.choice((A, B)), movers=True)

    wander(wandering, MANY_MOVES, seed, disturb, once=False)
