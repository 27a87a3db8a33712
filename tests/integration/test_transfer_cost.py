"""What a passage of jobs costs: what the shop has, and while it stands still, what came since."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from podwork.queues import Queues
from tests.support.engine import A, claim, commands_processed, push
from tests.support.servers import PrivateServers
from tests.support.transfers import LATER_MS, STEPS_THERE, Stand, stand

PORTION = 500


@pytest.fixture
def pods(private_servers: PrivateServers) -> Stand:
    return stand(private_servers)


def many(queues: Queues, shop: str, jobs: int) -> None:
    """Let a shop have so many jobs of each kind."""
    for _ in range(0, jobs, PORTION):
        number = min(PORTION, jobs)
        push(queues, (shop, number))
        push(queues, (shop, number), due_ms=LATER_MS)
        push(queues, (shop, number), queue="failing")
        for lease in claim(queues, number, names=["failing"]):
            queues.bury(A, lease, "x")


def cost(pods: Stand, act: Callable[[], object]) -> int:
    """Return how many commands both servers run for it."""
    before = sum(commands_processed(queues) for queues in pods)
    act()
    return sum(commands_processed(queues) for queues in pods) - before


def passage(pods: Stand, mover: int) -> tuple[int, int]:
    """Return what bringing costs, and what the steps cost in which the shop stands still; then give way."""
    transfer = pods.transfer(mover)
    pods.run(transfer, "hold_there", "pause_here")
    bring = cost(pods, transfer.bring)
    still = cost(pods, lambda: pods.run(transfer, "hold_here", "bring_last", "look"))
    pods.run(transfer, "pass_here", "close_there", "drop_there")
    return bring, still


def test_it_does_not_grow_with_other_shops_jobs(pods: Stand) -> None:
    push(pods.source, ("7", 10), ("8", 1))
    for queues in pods:  # all queues exist before it is measured
        many(queues, "8", 1)
    passage(pods, 1)
    alone = passage(pods, 2)
    many(pods.source, "8", 1500)
    many(pods.target, "9", 500)
    assert passage(pods, 3) == alone


def test_the_last_steps_cost_what_came_since(pods: Stand) -> None:
    many(pods.source, "7", 50)
    passage(pods, 1)
    few = passage(pods, 2)[1]
    many(pods.source, "7", 1500)
    assert passage(pods, 3)[1] == few


def test_leaving_costs_the_same_however_many_jobs_there_are(pods: Stand) -> None:
    costs = []
    for jobs in (20, 1500):
        many(pods.source, "7", jobs)
        transfer = pods.transfer(1)
        pods.run(transfer, *STEPS_THERE)
        costs.append(cost(pods, lambda: pods.run(transfer, "leave_here", "pass_there")))  # noqa: B023
        pods.run(transfer, "sweep_here")
        for queues in pods:
            queues.store.client.flushdb()
            queues.register(A, {"pid": 1})
    assert costs[1] <= costs[0]
